package multiplex

import (
	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
)

// headers opens a stream, or is the trailer section of its request.
func (c *conn) headers(f *http2.HeadersFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := f.StreamID
	switch st := c.streams[id]; {
	case c.err != nil:
		return c.err // nothing would end a stream of a connection that has ended
	case st != nil:
		return c.trailerLocked(st, f)
	case id%2 == 0:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case c.wasResetLocked(id):
		return nil
	case id <= c.last:
		return http2.ConnectionError(http2.ErrCodeStreamClosed)
	}
	c.last = id
	switch {
	case c.leaving:
		return nil // the client has been told that it will not be answered
	case len(c.streams) >= maxStreams || c.handlers >= maxHandlers:
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeRefusedStream}
	case f.HasPriority() && f.Priority.StreamDep == id:
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeProtocol}
	}
	st := c.newStream(id, f.StreamEnded())
	if st == nil {
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeProtocol}
	}
	st.window = c.initial
	c.streams[id] = st
	c.handlers++
	c.parties++
	c.fresh = st
	return nil
}

// asked returns the stream that the last frame has opened, nil if it was another one.
func (c *conn) asked() *stream {
	st := c.fresh
	c.fresh = nil
	return st
}

func (c *conn) trailerLocked(st *stream, f *http2.HeadersFrame) error {
	switch {
	case st.ended:
		return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeStreamClosed}
	case !f.StreamEnded() || c.section.pseudo > 0:
		return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeProtocol}
	case c.section.truncated:
		return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeEnhanceYourCalm}
	}
	for _, f := range c.section.regular() {
		if !st.body.announced {
			break
		}
		name := canonical(f)
		if !httpguts.ValidTrailerHeader(name) {
			return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeProtocol}
		}
		st.body.addTrailer(name, f.Value)
	}
	return c.endBodyLocked(st)
}

// data is a piece of a request's body.
func (c *conn) data(f *http2.DataFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	size, data := int64(f.Length), f.Data()
	if !c.inbound.spend(size) {
		return http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	st := c.streams[f.StreamID]
	if st == nil || st.ended {
		if c.idle(f.StreamID) {
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
		c.creditLocked(nil, int(size))
		if st == nil && c.wasResetLocked(f.StreamID) {
			return nil
		}
		return http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeStreamClosed}
	}
	if !st.inbound.spend(size) {
		c.creditLocked(nil, int(size))
		return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeFlowControl}
	}
	kept, ok := st.body.add(data)
	if !ok {
		c.creditLocked(nil, int(size))
		return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeProtocol}
	}
	c.creditLocked(st, int(size)-kept)
	if f.StreamEnded() {
		return c.endBodyLocked(st)
	}
	return nil
}

// endBodyLocked is the end of a request.
func (c *conn) endBodyLocked(st *stream) error {
	if !st.body.end() {
		return http2.StreamError{StreamID: st.id, Code: http2.ErrCodeProtocol}
	}
	c.halfLocked(st, &st.ended)
	return nil
}
