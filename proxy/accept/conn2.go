package accept

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// invalidFrame is a PING on a stream. There is none, RFC 9113 6.7: whoever gets
// it sends GOAWAY and closes the connection.
const invalidFrame = "\x00\x00\x08\x06\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00"

// maxDrained is how much is read, and forgotten, behind a flood while the
// GOAWAY is on its way, in bytes.
const maxDrained = 1 << 20

// conn2 is an HTTP/2 connection as its server gets it.
type conn2 struct {
	*tls.Conn
	link    *link
	frames  frames
	forged  string // goes next
	drained int
	wrote   atomic.Int64 // bytes since the client was last given credit
	writes  atomic.Int64
}

func (c *conn2) Read(p []byte) (int, error) {
	if c.forged != "" {
		n := copy(p, c.forged)
		c.forged = c.forged[n:]
		return n, nil
	}
	if c.frames.over() {
		return 0, c.drain(p)
	}
	n, err := c.Conn.Read(p)
	c.frames.credit(c.wrote.Swap(0), c.writes.Swap(0))
	n = c.frames.scan(p[:n], time.Now)
	if c.frames.over() {
		c.forged = invalidFrame
		c.link.server.refuse(c.link, c.frames.flood, nil)
	}
	return n, err
}

// drain reads until the server, having said GOAWAY, closes the connection.
func (c *conn2) drain(p []byte) error {
	for c.drained < maxDrained {
		n, err := c.Conn.Read(p)
		if err != nil {
			return err
		}
		c.drained += n
	}
	return net.ErrClosed
}

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
