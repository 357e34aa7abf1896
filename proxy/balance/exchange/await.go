package exchange

import (
	"context"
	"os"
	"sync"
	"time"
)

// lookEvery is how late it may be noticed that a visitor has gone. The server itself
// does not notice it sooner where a request is over quickly.
const lookEvery = 100 * time.Millisecond

// A passing is a connection's, while a request is under way on it. Its fields are
// guarded by passings.mu.
type passing struct {
	next, previous *conn
	ctx            context.Context // of the request; nil: none is under way
	until          time.Time       // the header of the answer is waited for; zero: it is not
	late           bool            // it took too long
}

// passings are those of a Transport. One timer looks at all of them: a deadline and
// a function for the context's end, set and taken away with each request, would cost
// more than the rest of a short exchange, and wake threads.
type passings struct {
	mu    sync.Mutex
	first *conn
	timer *time.Timer
	set   bool // timer is
}

// attend begins a request: when ctx ends the connection is closed, soon after.
func (c *conn) attend(ctx context.Context) {
	all := &c.transport.passings
	all.mu.Lock()
	defer all.mu.Unlock()
	if c.next = all.first; c.next != nil {
		c.next.previous = c
	}
	all.first, c.ctx = c, ctx
	if all.set {
		return
	}
	all.set = true
	if all.timer == nil {
		all.timer = time.AfterFunc(lookEvery, all.look)
	} else {
		all.timer.Reset(lookEvery)
	}
}

// await begins to wait for the answer's header.
func (c *conn) await() {
	limit := c.transport.ResponseHeaderTimeout
	if limit <= 0 {
		return
	}
	until, all := time.Now().Add(limit), &c.transport.passings
	all.mu.Lock()
	defer all.mu.Unlock()
	c.until = until
}

// arrived ends what await began.
func (c *conn) arrived() error {
	all := &c.transport.passings
	all.mu.Lock()
	defer all.mu.Unlock()
	c.until = time.Time{}
	if c.late {
		return os.ErrDeadlineExceeded // if not now, then on the next read
	}
	return nil
}

// leave ends what attend began. It reports whether the connection was left alone:
// the context had not been seen to end.
func (c *conn) leave() bool {
	all := &c.transport.passings
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.removeLocked(c)
}

func (p *passings) removeLocked(c *conn) bool {
	if c.ctx == nil {
		return false
	}
	if c.next != nil {
		c.next.previous = c.previous
	}
	if c.previous != nil {
		c.previous.next = c.next
	} else {
		p.first = c.next
	}
	c.next, c.previous, c.ctx, c.until = nil, nil, nil, time.Time{}
	return true
}

// look closes the connections of visitors who have gone, and ends the waits that
// take too long.
func (p *passings) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for c := p.first; c != nil; {
		next := c.next
		switch {
		case c.ctx.Err() != nil:
			p.removeLocked(c)
			c.Conn.Close()
		case !c.until.IsZero() && !now.Before(c.until):
			c.until, c.late = time.Time{}, true
			c.SetReadDeadline(longAgo)
		}
		c = next
	}
	if p.set = p.first != nil; p.set {
		p.timer.Reset(lookEvery)
	}
}

var longAgo = time.Unix(1, 0)
