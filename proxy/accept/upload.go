package accept

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// An upload is the body of a request that the connection answers itself: one with
// Content-Length. net/http takes care of chunks.
type upload struct {
	conn   *conn
	closed atomic.Bool

	mu sync.Mutex // held by Read
}

func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.closed.Load():
		return 0, http.ErrBodyReadAfterClose
	case len(p) == 0:
		return 0, nil
	}
	return u.conn.readBody(p)
}

// Close ends the reading. It waits for no Read under way.
func (u *upload) Close() error {
	u.closed.Store(true)
	return nil
}

// end sees to it that nobody reads any more, and reports whether all was read.
func (u *upload) end() bool {
	u.closed.Store(true)
	if !u.mu.TryLock() {
		u.conn.SetReadDeadline(longAgo)
		u.mu.Lock()
	}
	defer u.mu.Unlock()
	return u.conn.guard.phase == complete
}

// readBody reads what is stashed of a body, and then from the client.
func (c *conn) readBody(p []byte) (n int, err error) {
	left := c.guard.left
	switch {
	case c.guard.phase != inLength:
		return 0, io.EOF
	case len(c.stash.b) > 0:
		n = c.stash.take(p, int(min(left, int64(len(c.stash.b)))))
	case c.ended != nil:
		err = c.ended
	default:
		n, err = c.take(p[:min(left, int64(len(p)))])
	}
	if c.guard.left -= int64(n); c.guard.left == 0 {
		c.endBody()
		return n, io.EOF
	}
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	c.cancel() // the client has gone, or was given up
	return n, err
}

// endBody says that the request is whole: what comes now is the next one.
func (c *conn) endBody() {
	c.guard.phase = complete
	c.unread.Store(len(c.stash.b) > 0)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resting = true
}
