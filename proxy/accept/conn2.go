package accept

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// errFlood is what reading a connection ends with that costs too much.
var errFlood = errors.New("flood of HTTP/2 frames")

// conn2 is an HTTP/2 connection as its server gets it.
type conn2 struct {
	*tls.Conn
	link   *link
	frames frames
	wrote  atomic.Int64 // bytes since the client was last given credit
	writes atomic.Int64
}

func (c *conn2) Read(p []byte) (int, error) {
	if c.frames.over() {
		return 0, errFlood
	}
	n, err := c.Conn.Read(p)
	c.frames.credit(c.wrote.Swap(0), c.writes.Swap(0))
	n = c.frames.scan(p[:n], time.Now)
	if c.frames.over() {
		c.link.server.refuse(c.link, c.frames.flood, nil)
	}
	return n, err
}

// Pending reads what TLS has taken from the socket already, and does not wait.
func (c *conn2) Pending(p []byte) (int, error) {
	c.link.held = true
	defer func() { c.link.held = false }()
	n, err := c.Read(p)
	if err == errHeld {
		err = nil
	}
	return n, err
}

// Socket returns the connection below TLS.
func (c *conn2) Socket() net.Conn { return c.link.Conn }

// Flood returns why the client is turned away, empty if it is not.
func (c *conn2) Flood() string {
	if c.frames.over() {
		return c.frames.flood
	}
	return ""
}

// Linger closes the connection when the client has had time to read what was written.
func (c *conn2) Linger() { c.link.linger(c.Conn) }

func (c *conn2) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.wrote.Add(int64(n))
	c.writes.Add(1)
	return n, err
}

func (c *conn2) Close() error {
	c.link.leave()
	return c.Conn.Close()
}
