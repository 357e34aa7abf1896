package multiplex

import (
	"bytes"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// maxQueued is how much may wait to be written until handlers wait too, in bytes.
	maxQueued = 32 << 10

	// maxControl is how much may wait in all: beyond that the client makes us say more
	// than it listens to.
	maxControl = 256 << 10

	// maxPiece is how much is written at a time.
	maxPiece = 32 << 10

	// fullData is what goes into a DATA frame so that it fits into a TLS record.
	fullData = maxFrame - frameHeader

	maxPooled = 2 * maxQueued
)

// output is what a connection has to write. It is guarded by the connection's mutex.
// Fields are encoded in the order in which they are written: each changes the table
// that the next ones refer to.
type output struct {
	b       []byte // whole frames
	pooled  *[]byte
	writing bool
	encoder *hpack.Encoder
	block   bytes.Buffer
}

var outputs = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// take returns what waits, with room for more.
func (o *output) take() []byte {
	if o.b == nil {
		o.pooled = outputs.Get().(*[]byte)
		o.b = (*o.pooled)[:0]
	}
	return o.b
}

func release(pooled *[]byte, b []byte) {
	if cap(b) <= maxPooled {
		*pooled = b
		outputs.Put(pooled)
	}
}

// flushLocked writes what waits, unless somebody is at it, who will.
func (c *conn) flushLocked() {
	o := &c.output
	if o.writing || len(o.b) == 0 {
		return
	}
	o.writing = true
	c.writeLocked()
	if len(o.b) > 0 { // of others, who do not wait
		go c.pump()
		return
	}
	o.writing = false
	c.wakeLocked()
}

// pumpLocked has what waits written, without waiting for that.
func (c *conn) pumpLocked() {
	if !c.output.writing && len(c.output.b) > 0 {
		c.output.writing = true
		go c.pump()
	}
}

// pump writes until nothing waits.
func (c *conn) pump() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.output.b) > 0 {
		c.writeLocked()
	}
	c.output.writing = false
	c.wakeLocked()
}

// writeLocked writes what waits now.
func (c *conn) writeLocked() {
	o := &c.output
	b, pooled := o.b, o.pooled
	o.b, o.pooled = nil, nil
	c.rounds.writing = 0
	c.wakeLocked()
	c.mu.Unlock()
	err := c.writeAll(b)
	release(pooled, b[:0])
	c.mu.Lock()
	if err != nil {
		o.b, o.pooled = nil, nil
		c.breakLocked(err)
	}
}

func (c *conn) writeAll(b []byte) error {
	for len(b) > maxPiece {
		if _, err := c.Write(b[:maxPiece]); err != nil {
			return err
		}
		b = b[maxPiece:]
		c.mu.Lock()
		c.rounds.writing = 0
		c.mu.Unlock()
	}
	_, err := c.Write(b)
	return err
}

// controlLocked writes what has been added to the output on the client's account.
func (c *conn) controlLocked() error {
	if len(c.output.b) > maxControl {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	c.flushLocked()
	return nil
}

// partLocked has the last words written, within their time.
func (c *conn) partLocked() {
	c.SetWriteDeadline(time.Now().Add(parting))
	for c.output.writing {
		c.waitLocked()
	}
	c.flushLocked()
}

// waitLocked waits until something has changed.
func (c *conn) waitLocked() {
	c.waiting++
	c.changed.Wait()
	c.waiting--
}

// waitForLocked waits on behalf of st, until its deadline at the latest.
func (c *conn) waitForLocked(st *stream) {
	st.write.wait(&c.mu, c.wakeLocked)
	c.waitLocked()
}

func (c *conn) wakeLocked() {
	if c.waiting > 0 {
		c.changed.Broadcast()
	}
}
