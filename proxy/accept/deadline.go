package accept

import "time"

// A deadline of a connection is kept back from it: net/http moves deadlines five
// times in a request, and each timer may wake a thread. When it is over, the
// sweeper sets one in the past.
//
// set is always the same method of the connection below.
type deadline struct {
	at   time.Time // zero: none
	real bool      // the connection below has one
}

// move puts the deadline at t. One that is over within soon is set at once.
func (d *deadline) move(t time.Time, soon time.Duration, set func(time.Time) error) error {
	d.at = t
	switch {
	case !t.IsZero() && time.Until(t) <= soon:
		d.real = true
		return set(t)
	case d.real:
		d.real = false
		return set(time.Time{})
	}
	return nil
}

// enforce ends what waits, if the deadline is over at now.
func (d *deadline) enforce(now time.Time, set func(time.Time) error) {
	if !d.real && !d.at.IsZero() && !now.Before(d.at) {
		d.real = true
		set(longAgo)
	}
}

// handOver leaves the deadline to the connection below.
func (d *deadline) handOver(set func(time.Time) error) {
	if !d.real && !d.at.IsZero() {
		d.real = true
		set(d.at)
	}
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = t
	return c.setReadLocked()
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hijacked.Load() || c.closed.Load() {
		return c.Conn.SetWriteDeadline(t)
	}
	return c.write.move(t, c.link.server.sweeper.soon, c.Conn.SetWriteDeadline)
}

func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// setReadLocked has the earlier one of two read deadlines in force.
func (c *conn) setReadLocked() error {
	t := c.asked
	if !c.header.IsZero() && (t.IsZero() || c.header.Before(t)) {
		t = c.header
	}
	switch {
	case c.hijacked.Load():
		return c.Conn.SetReadDeadline(t)
	case c.watch != nil || c.closed.Load(): // it is the watch's, or of the end
		return nil
	}
	return c.setRealLocked(t)
}

func (c *conn) setRealLocked(t time.Time) error {
	return c.read.move(t, c.link.server.sweeper.soon, c.Conn.SetReadDeadline)
}

// enforce is the sweeper's look at a connection.
func (c *conn) enforce(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read.enforce(now, c.Conn.SetReadDeadline)
	c.write.enforce(now, c.Conn.SetWriteDeadline)
}
