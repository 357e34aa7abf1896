package accept

import (
	"net/http"
	"time"
)

var longAgo = time.Unix(1, 0)

// A watch notices that a client has gone while its request is served: it reads.
//
// net/http would do so for every request, with a goroutine that is woken at the
// request's end. We give its read nothing to do, and start one of our own for a
// request that lasts.
type watch struct {
	stopped bool          // guarded by conn.mu
	stop    chan struct{} // closed when stopped
	over    chan struct{} // closed when nobody reads any more
}

// rest ends the read by which net/http would notice that the client has gone:
// "nothing, no error" ends it without a word. Until the handler has returned
// net/http reads nothing more, and a watch may.
func (c *conn) rest() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resting = true
	return 0, nil
}

// next is the end of rest: net/http wants another request.
func (c *conn) next() {
	c.mu.Lock()
	c.resting = false
	c.mu.Unlock()
	c.guard.next()
	c.blank = false
	c.unread.Store(len(c.stash.b) > 0)
}

// begin says that a handler is at work.
func (c *conn) begin() {
	c.mu.Lock()
	c.serving, c.sweeps = true, 0
	c.mu.Unlock()
	c.link.server.sweeper.requests.add(&c.request)
}

// finish ends the watch, at the handler's end or when the connection is given
// away. What the client sends is then for others to read.
func (c *conn) finish() {
	c.link.server.sweeper.requests.remove(&c.request)
	c.mu.Lock()
	c.serving = false
	w := c.stopWatchLocked()
	c.mu.Unlock()
	if w == nil {
		return
	}
	<-w.over
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch = nil
	c.setReadLocked()
}

func (c *conn) stopWatchLocked() *watch {
	if w := c.watch; w != nil && !w.stopped {
		w.stopped = true
		close(w.stop)
		c.setRealLocked(longAgo)
	}
	return c.watch
}

// glance is the sweeper's look at a connection with a handler at work. It
// starts a watch when that lasts, unless there is nothing to notice: the client
// has sent another request already.
func (c *conn) glance() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.serving || !c.resting || c.watch != nil || c.closed.Load() || c.guard.phase != complete || len(c.stash.b) > 0 {
		return
	}
	if c.sweeps++; c.sweeps <= c.link.server.sweeper.patience {
		return
	}
	c.watch = &watch{stop: make(chan struct{}), over: make(chan struct{})}
	c.setRealLocked(time.Time{})
	go c.look(c.watch)
}

// look ends the request's context when the client goes.
func (c *conn) look(w *watch) {
	defer close(w.over)
	if c.leaves(w) {
		c.cancel()
	}
}

// leaves reports whether the client goes before the watch is stopped. What it
// sends early is kept. A client that has only closed its sending side has not
// gone, for a while.
func (c *conn) leaves(w *watch) bool {
	if c.ended == nil {
		b := make([]byte, 1)
		n, _ := c.take(b)
		c.stash.add(b[:n])
		c.unread.Store(n > 0)
		if n > 0 || c.ended == nil {
			return false
		}
	}
	return !halfClosed(c.ended) || w.outlasts(c.link.server.limits.HalfClosed)
}

// outlasts reports whether the watch goes on for d.
func (w *watch) outlasts(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.stop:
		return false
	case <-timer.C:
		return true
	}
}

// hijack leaves the connection to another owner than net/http, who knows best
// how exact a deadline must be.
func (c *conn) hijack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read.handOver(c.Conn.SetReadDeadline)
	c.write.handOver(c.Conn.SetWriteDeadline)
	c.hijacked.Store(true)
}

// state is told by net/http what it does with the connection.
func (c *conn) state(s http.ConnState) {
	switch s {
	case http.StateIdle:
		c.done.Store(true)
	case http.StateHijacked:
		c.link.server.sweeper.drop(c)
		c.finish()
		c.hijack()
	case http.StateClosed:
		c.link.end()
	}
}
