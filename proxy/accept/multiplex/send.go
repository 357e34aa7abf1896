package multiplex

import (
	"net/http"

	"golang.org/x/net/http2/hpack"
)

// send writes a part of the response: its header if there are fields, a piece of the
// body, its trailer section, and the end.
func (st *stream) send(fields []hpack.HeaderField, p []byte, trailer []hpack.HeaderField, end bool) error {
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.roomLocked(st); err != nil {
		return err
	}
	endsHere := end && len(trailer) == 0
	if len(fields) > 0 {
		st.begun = st.begun || !isInterim(fields)
		c.fieldsLocked(st, fields, endsHere && len(p) == 0)
	} else if endsHere && len(p) == 0 {
		c.output.b = appendData(c.output.take(), st.id, nil, true)
	}
	for len(p) > 0 {
		n, err := c.allotLocked(st, len(p))
		if err != nil {
			return err
		}
		c.output.b = appendData(c.output.take(), st.id, p[:n], endsHere && n == len(p))
		if p = p[n:]; len(p) > 0 {
			if err := c.roomLocked(st); err != nil {
				return err
			}
		}
	}
	if len(trailer) > 0 {
		c.fieldsLocked(st, trailer, true)
	}
	if end {
		c.halfLocked(st, &st.over)
	}
	c.flushLocked()
	return nil
}

// proceed tells the client to send the body it holds back, RFC 9110 10.1.1, unless it
// has got an answer. Whoever reads the body may call it while another one answers.
func (st *stream) proceed() {
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.begun || c.brokenLocked(st) != nil {
		return
	}
	st.begun = true
	c.fieldsLocked(st, appendStatus(nil, http.StatusContinue), false)
	c.flushLocked()
}

// roomLocked waits until little waits to be written.
func (c *conn) roomLocked(st *stream) error {
	for {
		if err := c.brokenLocked(st); err != nil {
			return err
		}
		switch {
		case len(c.output.b) < maxQueued:
			return nil
		case c.output.writing:
			c.waitForLocked(st)
		default:
			c.flushLocked()
		}
	}
}

func (c *conn) fieldsLocked(st *stream, fields []hpack.HeaderField, end bool) {
	o := &c.output
	o.block.Reset()
	for _, f := range fields {
		o.encoder.WriteField(f) // into memory
	}
	o.b = appendHeaders(o.take(), st.id, o.block.Bytes(), end)
}
