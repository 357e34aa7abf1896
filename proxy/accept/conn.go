package accept

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// standIn is what net/http gets in place of a head that has a fault, so that
// the handler is called in its turn, and then nothing more.
const standIn = "GET / HTTP/1.1\r\nHost: fault.invalid\r\nConnection: close\r\n\r\n"

// poison is what net/http gets in place of the rest of a body whose chunks have
// a fault. In a size line, behind a chunk's data or in a trailer section, and
// however much of these it has seen, it makes net/http fail.
const poison = "\x00\n\x00\r\n\r\n"

// A conn is an HTTP/1 connection as net/http gets it: bytes come through the
// guard, and never more than those of one request, until net/http says that it
// is done with it. So what a client sends ahead stays whole for whoever hijacks
// the connection, and a fault belongs to the request that is being served.
//
// Read is called by one goroutine at a time; all else may come meanwhile.
type conn struct {
	net.Conn // the decrypted bytes
	link     *link
	tls      *tls.ConnectionState // nil: plain

	guard   guard
	stash   stash
	ready   int    // bytes of stash that are admitted
	forged  string // follows them
	blank   bool   // an empty line came before this head
	ended   error  // what reading ended with; sticky
	fault   *Fault // of the head
	chunked atomic.Pointer[Fault]

	done     atomic.Bool // net/http is done with the last request
	unread   atomic.Bool // the client has sent something that was not read to its end
	hijacked atomic.Bool
	closed   atomic.Bool

	cancel  context.CancelFunc // ends the contexts of requests
	open    entry              // among the sweeper's connections
	request entry              // among those with a handler at work

	turn turn

	mu      sync.Mutex
	asked   time.Time // read deadline that net/http wants
	header  time.Time // and ours, once a head has begun to come in
	read    deadline  // the earlier one
	write   deadline
	serving bool   // a handler is at work
	resting bool   // net/http has the whole request, and does not read
	sweeps  int    // that found the request so
	watch   *watch // reads instead; nil: nobody does. Until its end it has the read deadline
}

func newConn(l *link, decrypted net.Conn, state *tls.ConnectionState) *conn {
	c := &conn{Conn: decrypted, link: l, tls: state, cancel: func() {}}
	c.open.conn, c.request.conn = c, c
	return c
}

func (c *conn) RemoteAddr() net.Addr { return c.link.remote }

func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.hijacked.Load() {
		return c.tunnel(p)
	}
	for {
		switch {
		case c.turn.over:
			return 0, io.EOF
		case c.ready > 0:
			n := c.stash.take(p, c.ready)
			c.ready -= n
			return n, nil
		case c.forged != "":
			n := copy(p, c.forged)
			c.forged = c.forged[n:]
			return n, nil
		case c.guard.phase == complete && c.done.CompareAndSwap(true, false):
			c.next()
		case c.guard.phase >= complete:
			return c.rest()
		case c.done.Load(): // net/http sees the request's end where we do not
			return 0, net.ErrClosed
		case c.examine():
		default:
			if n, err := c.receive(p); n > 0 || err != nil {
				return n, err
			}
		}
	}
}

// examine has the guard look at what is stashed. It reports whether something
// came of it.
func (c *conn) examine() bool {
	if len(c.stash.b) == 0 || c.skipBlank() {
		return false
	}
	n, r, fault := c.admit(c.stash.b)
	if r != nil {
		c.stash.drop(n)
		c.settle(nil)
		c.serve(r)
		return true
	}
	c.ready = n
	c.settle(fault)
	return n > 0 || fault != nil
}

// admit has the guard look at b. It returns how much of that is for net/http, or
// the request that is not, and the size of its head.
func (c *conn) admit(b []byte) (n int, r *http.Request, fault *Fault) {
	fresh := c.guard.phase == inHead
	n, fault = c.guard.admit(b)
	if fresh && c.guard.began && fault == nil && c.turn.base != nil {
		r = parsePlain(c.turn.base, &c.guard.head, b[:c.guard.head.pos])
	}
	switch {
	case r != nil:
		n = c.guard.rewind()
	case n > 0:
		c.yield()
	}
	return n, r, fault
}

// skipBlank drops the empty line that may come before a request, RFC 9112 2.2.
// It reports whether there is nothing else so far.
func (c *conn) skipBlank() bool {
	b := c.stash.b
	if c.blank || c.guard.phase != inHead || b[0] != '\r' || len(b) > 1 && b[1] != '\n' {
		return false
	}
	if len(b) > 1 {
		c.blank = true
		c.stash.drop(2)
	}
	return len(c.stash.b) < 2
}

// receive reads from the client: to p if that is all for now, else to the stash.
func (c *conn) receive(p []byte) (int, error) {
	if c.ended != nil {
		return 0, c.ended
	}
	if len(c.stash.b) > 0 || len(p) < minSpace {
		n, err := c.take(c.stash.space())
		c.stash.extend(n)
		return 0, err
	}
	n, err := c.take(p[:c.guard.want(len(p))])
	if n == 0 || p[0] == '\r' && c.guard.phase == inHead {
		c.stash.add(p[:n])
		return 0, err
	}
	m, r, fault := c.admit(p[:n])
	c.stash.add(p[m:n])
	c.settle(fault)
	if r != nil {
		c.serve(r)
		return 0, nil
	}
	return m, err
}

// settle draws the conclusions from the guard's verdict.
func (c *conn) settle(fault *Fault) {
	switch {
	case fault == nil:
	case c.guard.began:
		c.chunked.Store(fault)
		c.forged = poison
	default:
		c.fault = fault
		c.forged = standIn
	}
	c.unread.Store(c.guard.phase != complete || len(c.stash.b) > 0)
	c.timeHeader(c.guard.phase == inHead)
}

// timeHeader starts the header's time with its first byte, or stops it.
func (c *conn) timeHeader(on bool) {
	if on != c.header.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.header = (time.Time{}); on {
		c.header = time.Now().Add(c.link.server.limits.Header)
	}
	c.setReadLocked()
}

// take reads, and keeps what reading ended with. It returns an error only with
// no bytes. Once the connection is closed it may linger, but nothing that comes
// then is a request any more.
func (c *conn) take(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.closed.Load() {
		n, err = 0, net.ErrClosed
	}
	if err != nil && !isTimeout(err) {
		c.ended = err
	}
	if n > 0 {
		err = nil
	}
	return n, err
}

// tunnel reads for whoever has hijacked the connection.
func (c *conn) tunnel(p []byte) (int, error) {
	switch {
	case len(c.stash.b) > 0:
		return c.stash.take(p, len(c.stash.b)), nil
	case c.ended != nil:
		return 0, c.ended
	}
	return c.Conn.Read(p)
}

// CloseWrite ends what we send.
func (c *conn) CloseWrite() error {
	return closeWrite(c.Conn)
}

// Close closes the connection, and ends the contexts of requests. A client that
// may be in the middle of sending something gets time to read the answer first.
func (c *conn) Close() error {
	if c.leave() {
		return nil
	}
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.link.server.sweeper.drop(c)
	c.mu.Lock()
	c.stopWatchLocked()
	c.write.handOver(c.Conn.SetWriteDeadline) // for a last word
	c.mu.Unlock()
	if !c.hijacked.Load() {
		c.cancel()
		if c.unread.Load() || pending(c.link.Conn) {
			c.link.linger(c.Conn)
			return nil
		}
	}
	c.link.leave()
	return c.Conn.Close()
}

// halfClosed reports whether err is the end of what a client sends. TLS calls
// it unexpected when the client has not said so inside the encryption.
func halfClosed(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
