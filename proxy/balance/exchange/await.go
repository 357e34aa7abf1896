package exchange

import (
	"context"
	"net/http"
	"os"
	"sync"
	"time"

	"ctlive/proxy/socket"
)

// A look at the requests under way comes with the next request when the last one was
// lookEvery ago, and otherwise with a timer: that wakes a thread, which a quiet
// machine pays more for than for a short request. So it is noticed within lookEvery
// or lookAnyway that a visitor has gone, or that an answer takes too long.
const (
	lookEvery  = 100 * time.Millisecond
	lookAnyway = time.Second
)

// A passing is a connection's, while a request is under way on it. Its fields are
// guarded by passings.mu.
type passing struct {
	next, previous *conn
	ctx            context.Context // of the request; nil: none is under way
	until          time.Time       // the header of the answer is waited for; zero: it is not
	late           bool            // it took too long
	tie            socket.Tie      // to the request; nil: there is none
	stop           func() bool     // ctx closes the connection by itself, until then; nil: it does not
}

// passings are those of a Transport, all looked at together: a deadline and a
// function for the context's end, set and taken away with each request, would cost
// more than the rest of a short exchange.
type passings struct {
	mu     sync.Mutex
	first  *conn
	looked time.Time
	timer  *time.Timer
	set    bool // timer is
}

// attend begins r: when its context ends the connection is closed. Visitors of HTTP/2
// and 3 can ask for much and walk out at once, and so it is closed at once; of one
// over HTTP/1 it takes time anyway until somebody notices that he has gone.
func (c *conn) attend(r *http.Request) {
	ctx := r.Context()
	if r.ProtoMajor > 1 {
		c.bind(ctx)
	}
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
		all.timer = time.AfterFunc(c.transport.patience(), c.transport.look)
	} else {
		all.timer.Reset(c.transport.patience())
	}
}

// bind has the connection closed when ctx ends.
func (c *conn) bind(ctx context.Context) {
	if t := socket.TieOf(ctx); t != nil && t.Tie(c.Conn) {
		c.tie = t
	} else {
		c.stop = context.AfterFunc(ctx, func() { c.Conn.Close() })
	}
}

// await begins to wait for the answer's header.
func (c *conn) await() {
	limit := c.transport.ResponseHeaderTimeout
	if limit <= 0 {
		return
	}
	now, all := time.Now(), &c.transport.passings
	all.mu.Lock()
	defer all.mu.Unlock()
	c.until = now.Add(limit)
	if now.Sub(all.looked) >= lookEvery {
		all.lookLocked(now)
	}
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
	tie, stop := c.tie, c.stop
	c.tie, c.stop = nil, nil
	left := all.removeLocked(c)
	all.mu.Unlock()
	left = (tie == nil || tie.Untie()) && left
	return (stop == nil || stop()) && left
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

// look is the timer's.
func (t *Transport) look() {
	all := &t.passings
	all.mu.Lock()
	defer all.mu.Unlock()
	all.lookLocked(time.Now())
	if all.set = all.first != nil; all.set {
		all.timer.Reset(t.patience())
	}
}

// patience is from one look of the timer to the next. It makes a wait that is too
// long no more than an eighth longer.
func (t *Transport) patience() time.Duration {
	if t.ResponseHeaderTimeout <= 0 {
		return lookAnyway
	}
	return min(lookAnyway, t.ResponseHeaderTimeout/8)
}

// lookLocked closes the connections of visitors who have gone, and ends the waits
// that take too long.
func (p *passings) lookLocked(now time.Time) {
	p.looked = now
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
}

var longAgo = time.Unix(1, 0)
