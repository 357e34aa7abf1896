package exchange

import (
	"container/list"
	"context"
	"time"
)

// sweepInterval is how often idle connections are looked at: one that the origin
// has closed is not kept for the rest of its time.
const sweepInterval = 5 * time.Second

// A waiter is a request that needs a connection.
type waiter struct {
	got    chan delivery // has room for the one it gets
	spot   *list.Element // nil: it has got one, or has gone; guarded by Transport.mu
	cancel func()        // ends the dial on its behalf
}

type delivery struct {
	conn *conn
	err  error
}

// take returns a connection: the idle one used last, a new one, or one that
// another request is done with before that is made.
func (t *Transport) take(ctx context.Context) (*conn, error) {
	for {
		c, w := t.pop()
		if w != nil {
			d := t.wait(ctx, w)
			if d.err != nil || !d.conn.used {
				return d.conn, d.err
			}
			c = d.conn
		}
		if !t.expired(c) && c.quiet() {
			return c, nil
		}
		c.Close()
	}
}

// pop returns an idle connection, or a waiter for which one is being made.
func (t *Transport) pop() (*conn, *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closing = false
	if last := len(t.idle) - 1; last >= 0 {
		c := t.idle[last]
		t.idle[last] = nil
		t.idle = t.idle[:last]
		return c, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &waiter{got: make(chan delivery, 1), cancel: cancel}
	w.spot = t.waiters.PushBack(w)
	go t.dial(ctx, w)
	return nil, w
}

// wait returns what w gets, or ctx's error. What comes too late is kept for others.
func (t *Transport) wait(ctx context.Context, w *waiter) delivery {
	select {
	case d := <-w.got:
		return d
	case <-ctx.Done():
	}
	t.mu.Lock()
	gone := t.leaveLocked(w)
	t.mu.Unlock()
	if !gone {
		if d := <-w.got; d.conn != nil {
			t.put(d.conn)
		}
	}
	return delivery{err: context.Cause(ctx)}
}

// dial makes a connection because w waits for one.
func (t *Transport) dial(ctx context.Context, w *waiter) {
	defer w.cancel()
	raw, err := t.DialContext(ctx, "tcp", t.Addr)
	var c *conn
	if err == nil {
		c = newConn(raw, t)
	}
	t.mu.Lock()
	waits := t.leaveLocked(w)
	t.mu.Unlock()
	switch {
	case waits:
		w.got <- delivery{c, err}
	case err == nil:
		t.put(c)
	}
}

// leaveLocked takes w off the list, and reports whether it was there. Nobody waits
// for its dial any more: each of the others has its own.
func (t *Transport) leaveLocked(w *waiter) bool {
	if w.spot == nil {
		return false
	}
	t.waiters.Remove(w.spot)
	w.spot = nil
	w.cancel()
	return true
}

// put takes a connection on which nothing is under way. Whoever waits longest
// gets it, or it lies idle.
func (t *Transport) put(c *conn) {
	c.drop()
	c.used = true
	if !t.keep(c) {
		c.Close()
	}
}

// keep reports whether c is wanted.
func (t *Transport) keep(c *conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if first := t.waiters.Front(); first != nil {
		w := first.Value.(*waiter)
		t.leaveLocked(w)
		c.since = time.Now()
		w.got <- delivery{conn: c}
		return true
	}
	if t.closing || c.raw == nil || len(t.idle) >= t.MaxIdleConns {
		return false
	}
	c.since = time.Now()
	t.idle = append(t.idle, c)
	t.watchLocked()
	return true
}

// watchLocked has sweep called while connections lie idle.
func (t *Transport) watchLocked() {
	switch {
	case t.sweeps:
		return
	case t.sweeper == nil:
		t.sweeper = time.AfterFunc(sweepInterval, t.sweep)
	default:
		t.sweeper.Reset(sweepInterval)
	}
	t.sweeps = true
}

func (t *Transport) expired(c *conn) bool {
	return t.IdleConnTimeout > 0 && time.Since(c.since) >= t.IdleConnTimeout
}

// sweep closes the idle connections that are too old, or no good.
func (t *Transport) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.idle[:0]
	for _, c := range t.idle {
		if t.expired(c) || !c.quiet() {
			c.Close()
		} else {
			kept = append(kept, c)
		}
	}
	clear(t.idle[len(kept):])
	t.idle, t.sweeps = kept, false
	if len(kept) > 0 {
		t.watchLocked()
	}
}

// CloseIdleConnections closes the connections that are idle, and those that are
// done with before another request comes.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closing = true
	for _, c := range t.idle {
		c.Close()
	}
	clear(t.idle)
	t.idle = t.idle[:0]
	if t.sweeps {
		t.sweeps = !t.sweeper.Stop()
	}
	if other, ok := t.Other.(interface{ CloseIdleConnections() }); ok {
		other.CloseIdleConnections()
	}
}
