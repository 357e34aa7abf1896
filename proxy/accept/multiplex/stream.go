package multiplex

import (
	"context"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"golang.org/x/net/http2"
)

// A stream is a request and its response.
type stream struct {
	conn     *conn
	id       uint32
	request  http.Request
	life     life
	cancel   context.CancelFunc // ends it
	body     *body              // nil: there is none
	refused  int                // the status, where the request is not for the handler
	response response

	// Guarded by conn.mu:
	window  int64 // bytes that may be sent
	begun   bool  // 100 (Continue) has been sent, or a final status
	inbound inbound
	ended   bool     // the client sends no more
	over    bool     // nor do we
	err     error    // what it ended with, too early
	tied    net.Conn // to the request; nil: none
	dead    bool     // life has ended
	write   expiry
}

// run answers the request.
func (st *stream) run() {
	c, done := st.conn, false
	defer func() {
		cause := recover()
		if cause != nil && cause != http.ErrAbortHandler {
			c.server.Logger.Error("panic in a handler", "client", c.peer.RemoteAddr, "panic", cause, "stack", string(debug.Stack()))
		}
		st.close(done)
	}()
	if st.refused != 0 {
		st.response.refuse(st.refused)
	} else {
		c.server.Handler.ServeHTTP(&st.response, &st.request)
	}
	done = st.response.finish()
}

// close ends a stream whose handler has returned: well, if the response is whole.
func (st *stream) close(well bool) {
	c := st.conn
	st.response.close()
	unread := 0
	if st.body != nil {
		unread = st.body.close()
	}
	c.mu.Lock()
	st.dieLocked()
	switch {
	case st.err != nil || st.ended && st.over:
	case !well:
		c.resetLocked(st.id, http2.ErrCodeInternal)
	case !st.ended: // nobody wants the rest of the request, RFC 9113 8.1
		c.resetLocked(st.id, http2.ErrCodeNo)
	}
	c.creditLocked(nil, unread)
	st.write.stop()
	c.handlers--
	c.rounds.idle = 0
	c.mu.Unlock()
	c.depart()
}

// endLocked ends the stream for whoever reads or writes.
func (c *conn) endLocked(st *stream, err error) {
	delete(c.streams, st.id)
	if st.err != nil {
		return
	}
	st.err = err
	if st.body != nil {
		st.body.fail(err)
	}
	st.dieLocked()
	c.wakeLocked()
}

// halfLocked notes that one side of the stream is closed: the stream is over when both
// are.
func (c *conn) halfLocked(st *stream, side *bool) {
	*side = true
	if st.ended && st.over {
		delete(c.streams, st.id)
	}
}

// brokenLocked returns why nothing more can be written.
func (c *conn) brokenLocked(st *stream) error {
	switch {
	case st.err != nil:
		return st.err
	case c.err != nil:
		return errDeparted
	case st.over:
		return errOver
	}
	return st.write.err()
}

// SetWriteDeadline is for http.ResponseController. A write that waits for the client
// to read the connection is ended, with the connection, by a deadline in the past only,
// and by the sweeper.
func (r *response) SetWriteDeadline(t time.Time) error {
	c := r.stream.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	st := r.stream
	st.write.set(t)
	if st.write.err() != nil && c.output.writing && c.err == nil {
		c.Conn.SetWriteDeadline(longAgo)
	}
	c.wakeLocked()
	return nil
}
