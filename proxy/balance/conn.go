package balance

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
)

// A conn counts what passes, to tell what a request that failed has left behind,
// and keeps answers apart.
//
// net/http gives a connection to the next request before it looks whether bytes
// follow the last answer, and would take those for the next one. So lend waits
// until it has looked: then it either sits in Read, or has closed the connection
// because of them. What comes between that and the request's first byte, nobody
// has asked for.
type conn struct {
	net.Conn
	gate    *gate
	secure  bool         // TLS: it reads bytes of its own
	shared  bool         // HTTP/2: many requests at a time, each ends by itself
	own     bool         // of package exchange, which looks by itself before it asks
	written atomic.Int64 // bytes
	read    atomic.Int64 // bytes
	ended   atomic.Bool  // closed, or a Read or Write has failed

	mu      sync.Mutex
	settled sync.Cond // reading or closed has become true
	reading bool      // a Read is under way
	asked   bool      // the request it was lent to has begun to be written
	closed  bool
}

var errUnasked = errors.New("origin speaks without being asked")

func newConn(raw net.Conn, g *gate) *conn {
	c := &conn{Conn: raw, gate: g}
	c.settled.L = &c.mu
	return c
}

// lend prepares c for the next request.
func (c *conn) lend() {
	if c.shared || c.own {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = false
	for !c.reading && !c.closed {
		c.settled.Wait()
	}
}

func (c *conn) Read(p []byte) (int, error) {
	if c.own {
		n, err := c.Conn.Read(p)
		c.read.Add(int64(n))
		if err != nil {
			c.ended.Store(true)
		}
		return n, err
	}
	c.mu.Lock()
	c.reading = true
	c.settled.Broadcast()
	c.mu.Unlock()
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	c.mu.Lock()
	c.reading = false
	if n > 0 && !c.asked && !c.secure {
		n, err = 0, errUnasked
	}
	c.mu.Unlock()
	if err != nil {
		c.ended.Store(true)
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.ask()
	n, err := c.Conn.Write(p)
	c.wrote(int64(n), err)
	return n, err
}

// ReadFrom lets the kernel move a request's body where it can.
func (c *conn) ReadFrom(src io.Reader) (int64, error) {
	c.ask()
	n, err := io.Copy(c.Conn, src)
	c.wrote(n, err)
	return n, err
}

func (c *conn) ask() {
	if c.own {
		return
	}
	c.mu.Lock()
	c.asked = true
	c.mu.Unlock()
}

func (c *conn) wrote(n int64, err error) {
	c.written.Add(n)
	if err != nil {
		c.ended.Store(true)
	}
}

// SyscallConn lets package exchange look into the connection.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.Conn.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// CloseWrite ends our side of a WebSocket.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return http.ErrNotSupported
}

func (c *conn) Close() error {
	c.ended.Store(true)
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		c.settled.Broadcast()
		c.gate.leave()
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// counted returns the conn beneath c.
func counted(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return c.(*conn)
}
