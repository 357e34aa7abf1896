package accept

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// lingerTime and lingerBytes are how long, and for how much, we go on
	// reading what a client still sends when it has its last answer. Closing
	// with bytes unread resets the connection, and the answer may be lost with
	// it, RFC 9112 9.6.
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// A link is an accepted connection, whatever is spoken on it.
type link struct {
	net.Conn // the socket
	server   *Server
	remote   net.Addr   // the client: the peer, or whom the PROXY header names
	client   netip.Addr // it is counted for; zero: for none
	left     sync.Once
	ended    sync.Once
	lingers  bool // linger closes it; set before a server has it
	held     bool // the socket must not be read; for whoever reads
}

// errHeld is temporary, so that TLS can be read again.
var errHeld net.Error = heldError{}

type heldError struct{}

func (heldError) Error() string   { return "nothing more has been read" }
func (heldError) Timeout() bool   { return true }
func (heldError) Temporary() bool { return true }

// Read is for TLS.
func (l *link) Read(p []byte) (int, error) {
	if l.held {
		return 0, errHeld
	}
	return l.Conn.Read(p)
}

func (l *link) RemoteAddr() net.Addr { return l.remote }

// leave gives up the connection's place among the open ones.
func (l *link) leave() { l.left.Do(func() { l.server.crowd.leave(l) }) }

// end says that nothing runs for the connection any more.
func (l *link) end() { l.ended.Do(func() { l.server.running.Add(-1) }) }

// linger closes the connection, in the background: first what we send, and the
// rest when the client has closed too or its time is over.
func (l *link) linger(decrypted net.Conn) {
	if l.server.killed.Load() {
		decrypted.Close()
		l.leave()
		return
	}
	l.server.running.Add(1)
	go func() {
		defer l.server.running.Add(-1)
		defer l.leave()
		defer decrypted.Close()
		closeWrite(decrypted)
		if decrypted != l.Conn {
			closeWrite(l.Conn) // TLS has only said good-bye
		}
		l.Conn.SetReadDeadline(time.Now().Add(lingerTime))
		io.CopyN(io.Discard, l.Conn, lingerBytes)
	}()
}

func closeWrite(c net.Conn) error {
	if c, ok := c.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
