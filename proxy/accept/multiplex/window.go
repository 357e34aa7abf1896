package multiplex

import (
	"golang.org/x/net/http2"
)

// inbound is the window for what a client sends, RFC 9113 5.2.
type inbound struct {
	left   int64 // that the client may send
	size   int64
	unsaid int64 // that it may send too, and does not know yet
}

// spend takes n bytes that have come. It reports whether they were allowed.
func (w *inbound) spend(n int64) bool {
	w.left -= n
	return w.left >= 0
}

// give returns n bytes that no longer take up room. It returns what the client is to
// be told, 0 if that may wait.
func (w *inbound) give(n int64) (say uint32) {
	w.unsaid += n
	if w.unsaid < w.size/4 && w.left > w.size/4 {
		return 0
	}
	say = uint32(w.unsaid)
	w.left += w.unsaid
	w.unsaid = 0
	return say
}

// creditLocked gives room back to the connection, and to st unless it is nil.
func (c *conn) creditLocked(st *stream, n int) {
	if n == 0 || c.err != nil {
		return
	}
	if say := c.inbound.give(int64(n)); say > 0 {
		c.output.b = appendWindow(c.output.take(), 0, say)
	}
	if st != nil && !st.ended && st.err == nil {
		if say := st.inbound.give(int64(n)); say > 0 {
			c.output.b = appendWindow(c.output.take(), st.id, say)
		}
	}
	c.flushLocked()
}

// widen is the client's WINDOW_UPDATE.
func (c *conn) widen(f *http2.WindowUpdateFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.StreamID == 0 {
		if c.window += int64(f.Increment); c.window > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.wakeLocked()
		return nil
	}
	if c.idle(f.StreamID) {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	st := c.streams[f.StreamID]
	if st == nil {
		return nil
	}
	if st.window += int64(f.Increment); st.window > maxWindow {
		return http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeFlowControl}
	}
	c.wakeLocked()
	return nil
}

// resizeLocked is a change of the window that streams begin with, RFC 9113 6.9.2.
func (c *conn) resizeLocked(size int64) error {
	change := size - c.initial
	c.initial = size
	for _, st := range c.streams {
		if st.window += change; st.window > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
	}
	c.wakeLocked()
	return nil
}

// allotLocked waits until st may send, and takes n bytes of its windows, at most most.
func (c *conn) allotLocked(st *stream, most int) (n int, err error) {
	for {
		if err := c.brokenLocked(st); err != nil {
			return 0, err
		}
		if room := min(st.window, c.window); room > 0 {
			n = int(min(int64(most), room, fullData))
			st.window -= int64(n)
			c.window -= int64(n)
			return n, nil
		}
		if len(c.output.b) > 0 && !c.output.writing {
			c.flushLocked()
			continue
		}
		c.waitForLocked(st)
	}
}
