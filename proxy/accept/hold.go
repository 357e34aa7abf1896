package accept

import (
	"net/http"
	"sync"

	"ctlive/proxy/socket"
)

// maxHeld is how much of an answer is held, in bytes: with its framing, what
// fits goes out at once.
const maxHeld = 32 << 10

var holds = sync.Pool{New: func() any { return new([maxHeld]byte) }}

// A hold keeps the pieces in which net/http hands over an answer (the header with
// the beginning of the first chunk, the rest of it, the last chunk) until they
// are asked for, or the answer is over. Each piece by itself is a system call and
// a segment, and wakes the visitor.
type hold struct {
	mu   sync.Mutex // held while writing
	on   bool       // an answer is under way
	kept *[maxHeld]byte
	n    int // of kept
}

// Write keeps p if there is room, and is set. Otherwise it writes all.
func (c *conn) Write(p []byte) (int, error) {
	h := &c.hold
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.on:
		return c.Conn.Write(p)
	case h.n+len(p) > maxHeld:
		return c.writeLocked(p)
	case h.kept == nil:
		h.kept = holds.Get().(*[maxHeld]byte)
	}
	h.n += copy(h.kept[h.n:], p)
	return len(p), nil
}

// writeLocked writes what is kept and p, and returns how much of p.
func (c *conn) writeLocked(p []byte) (n int, err error) {
	h := &c.hold
	if h.n == 0 {
		return c.Conn.Write(p)
	}
	kept := h.n
	if tcp, ok := c.Conn.(*socket.Conn); ok {
		n, err = tcp.Write2(h.kept[:kept], p) // one call
		n = max(n-kept, 0)
	} else if _, err = c.Conn.Write(h.kept[:kept]); err == nil && len(p) > 0 {
		n, err = c.Conn.Write(p)
	}
	holds.Put(h.kept)
	h.kept, h.n = nil, 0
	return n, err
}

// begin holds what follows.
func (h *hold) begin() {
	h.mu.Lock()
	h.on = true
	h.mu.Unlock()
}

// flush writes what is kept.
func (c *conn) flush() error {
	c.hold.mu.Lock()
	defer c.hold.mu.Unlock()
	_, err := c.writeLocked(nil)
	return err
}

// endAnswer writes what is kept, and holds nothing any more. It waits for no
// Write that is under way: that one has taken what was kept along.
func (c *conn) endAnswer() {
	h := &c.hold
	if !h.mu.TryLock() {
		return
	}
	defer h.mu.Unlock()
	h.on = false
	if h.n == 0 {
		return
	}
	if _, err := c.writeLocked(nil); err != nil {
		c.Conn.Close() // net/http, which does not see the error, must not go on
	}
}

// A writer is the ResponseWriter of a request over HTTP/1. From its final status
// on the connection holds what net/http writes.
type writer struct {
	http.ResponseWriter
	conn *conn
}

// Unwrap lets http.ResponseController reach what writer does not have.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) WriteHeader(status int) {
	w.ResponseWriter.WriteHeader(status)
	if status >= 200 {
		w.conn.hold.begin()
	}
}

// Flush is FlushError for those who do not want to know.
func (w *writer) Flush() { w.FlushError() }

// FlushError sends what is in buffers.
func (w *writer) FlushError() error {
	if err := http.NewResponseController(w.ResponseWriter).Flush(); err != nil {
		return err
	}
	return w.conn.flush()
}
