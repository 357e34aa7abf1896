package exchange

import (
	"os"
	"sync"
	"time"
)

// A wait is a connection's, for the header of an answer. Its fields are guarded
// by waits.mu.
type wait struct {
	next, previous *conn
	until          time.Time // zero: nothing is waited for
	cut            bool      // it took too long
}

// waits are those of a Transport. One timer looks at all of them: deadlines of
// their own, set and taken away with each request, would cost more than the rest
// of a short exchange, and wake threads.
type waits struct {
	mu    sync.Mutex
	first *conn
	timer *time.Timer
	set   bool // timer is
}

// await begins to wait for the answer's header. A wait that takes too long ends
// up to an eighth of its time late.
func (c *conn) await() {
	limit := c.transport.ResponseHeaderTimeout
	if limit <= 0 {
		return
	}
	until, w := time.Now().Add(limit), &c.transport.waits
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.until.IsZero() {
		if c.next = w.first; c.next != nil {
			c.next.previous = c
		}
		w.first = c
	}
	c.until = until
	if w.set {
		return
	}
	w.set = true
	if every := limit / 8; w.timer == nil {
		w.timer = time.AfterFunc(every, func() { w.look(every) })
	} else {
		w.timer.Reset(every)
	}
}

// arrived ends what await began.
func (c *conn) arrived() error {
	w := &c.transport.waits
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removeLocked(c)
	if c.cut {
		return os.ErrDeadlineExceeded // if not now, then on the next read
	}
	return nil
}

func (w *waits) removeLocked(c *conn) {
	if c.until.IsZero() {
		return
	}
	if c.next != nil {
		c.next.previous = c.previous
	}
	if c.previous != nil {
		c.previous.next = c.next
	} else {
		w.first = c.next
	}
	c.next, c.previous, c.until = nil, nil, time.Time{}
}

// look ends the waits that take too long.
func (w *waits) look(every time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for c := w.first; c != nil; {
		next := c.next
		if !now.Before(c.until) {
			w.removeLocked(c)
			c.cut = true
			c.SetReadDeadline(longAgo)
		}
		c = next
	}
	if w.set = w.first != nil; w.set {
		w.timer.Reset(every)
	}
}

var longAgo = time.Unix(1, 0)
