package exchange

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"ctlive/proxy/socket"
)

// A buffer holds a request's header, with a short body.
type buffer [8 << 10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// A beginning is that of an answer: its header, and most compressed pages to
// their end.
type beginning [32 << 10]byte

var beginnings = sync.Pool{New: func() any { return new(beginning) }}

// A conn is a connection to the origin. It belongs to one request at a time, or
// lies idle, without a buffer.
type conn struct {
	net.Conn
	transport *Transport
	used      bool      // it has lain idle
	since     time.Time // it lies idle

	pooled *beginning // buf is in it; nil: it is not
	buf    []byte
	r, w   int // buf[r:w] is read from the connection and not taken

	raw   syscall.RawConn  // nil: it cannot be looked into
	look  func(fd uintptr) // sets clear
	more  func(fd uintptr) // reads into buf what is there
	clear bool

	passing
}

func newConn(raw net.Conn, t *Transport) *conn {
	c := &conn{Conn: raw, transport: t}
	if s, ok := raw.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			c.raw = raw
			c.look = func(fd uintptr) { c.clear = socket.IsQuiet(fd) }
			c.more = func(fd uintptr) { c.w += socket.Gather(fd, c.buf[c.w:]) }
		}
	}
	return c
}

// gather takes what has arrived, without waiting, as far as there is room after
// what is buffered.
func (c *conn) gather() {
	if c.raw != nil && c.pooled != nil && c.w < len(c.buf) {
		c.raw.Control(c.more)
	}
}

// quiet reports whether the connection is open and nothing has arrived on it.
func (c *conn) quiet() bool {
	if c.raw == nil {
		return false
	}
	c.clear = false
	return c.raw.Control(c.look) == nil && c.clear
}

// fill reads once into buf, which grows where it is full.
func (c *conn) fill() error {
	switch {
	case c.buf == nil:
		c.lend()
	case c.r == c.w:
		c.r, c.w = 0, 0
	case c.w < len(c.buf):
	case c.r > 0:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	default:
		c.grow()
	}
	n, err := c.Conn.Read(c.buf[c.w:])
	c.w += n
	switch {
	case n > 0:
		return nil
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// lend gives the connection a buffer.
func (c *conn) lend() {
	c.pooled = beginnings.Get().(*beginning)
	c.buf = c.pooled[:]
}

func (c *conn) grow() {
	grown := make([]byte, 2*len(c.buf))
	n := copy(grown, c.buf[:c.w])
	c.drop()
	c.buf, c.w = grown, n
}

// Read gives what is buffered, and then what comes.
func (c *conn) Read(p []byte) (int, error) {
	if c.r == c.w {
		c.drop()
		return c.Conn.Read(p)
	}
	n := copy(p, c.buf[c.r:c.w])
	c.take(n)
	return n, nil
}

// take goes past n bytes of the buffer.
func (c *conn) take(n int) {
	if c.r += n; c.r == c.w {
		c.drop()
	}
}

// drop gives the buffer back, and what is in it up.
func (c *conn) drop() {
	if c.pooled != nil {
		beginnings.Put(c.pooled)
	}
	c.pooled, c.buf, c.r, c.w = nil, nil, 0, 0
}
