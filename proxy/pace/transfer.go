package pace

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// chunk is what one watched write covers at most. A visitor that takes it within
// the limit is alive.
const chunk = 32 << 10

// A transfer is one request and its response. It is the ResponseWriter of the
// request's handler.
type transfer struct {
	http.ResponseWriter
	watch          *Watch
	next, previous *transfer // of watch
	proto          int       // major version of HTTP

	reading, writing gauge
	body             body
	length           int64                   // of the body; -1: not known
	expects          bool                    // the visitor may wait for 100 (Continue) before he sends the body
	cancel           context.CancelCauseFunc // nil: there is no body
	answered         bool                    // a final status has been given
	unflushed        bool                    // bytes may be in buffers

	mu    sync.Mutex
	ended bool // no deadline may be set any more: the connection has another owner
}

// Unwrap lets http.ResponseController reach what we do not have.
func (t *transfer) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *transfer) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		t.inform(status)
		return
	}
	t.answer()
	t.ResponseWriter.WriteHeader(status)
}

// inform sends an interim response, which does not wait in a buffer.
func (t *transfer) inform(status int) {
	if t.writing.begin() {
		t.ResponseWriter.WriteHeader(status)
		t.writing.end(0)
	}
}

// answer notes that a final status is given. What is left of a body that was cut
// must not be taken for the next request, and much of it is not worth reading.
func (t *transfer) answer() {
	if !t.answered && t.proto < 2 && (t.reading.wasCut() || t.far()) {
		t.Header().Set("Connection", "close")
	}
	t.answered = true
}

func (t *transfer) Write(p []byte) (int, error) {
	t.answer()
	t.unflushed = true
	written := 0
	for {
		n, err := t.write(p[written:min(written+chunk, len(p))])
		if written += n; err != nil || written >= len(p) {
			return written, err
		}
	}
}

func (t *transfer) write(p []byte) (n int, err error) {
	if !t.writing.begin() {
		return 0, ErrTooSlow
	}
	n, err = t.ResponseWriter.Write(p)
	if !t.writing.end(n) {
		err = ErrTooSlow
	}
	return n, err
}

// Flush is FlushError for those who do not want to know.
func (t *transfer) Flush() { t.FlushError() }

// FlushError sends what is in buffers.
func (t *transfer) FlushError() error {
	t.answer()
	if !t.writing.begin() {
		return ErrTooSlow
	}
	err := http.NewResponseController(t.ResponseWriter).Flush()
	if !t.writing.end(0) {
		return ErrTooSlow
	}
	t.unflushed = false
	return err
}

// Hijack gives the connection to the caller, who watches it from now on.
func (t *transfer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	conn, buffer, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err == nil {
		t.ended = true
		t.watch.remove(t)
	}
	return conn, buffer, err
}

// done ends the watch over the handler, and bounds what the server does after it.
func (t *transfer) done() {
	if t.cancel != nil {
		defer t.cancel(nil)
	}
	if !t.finish() {
		return
	}
	t.watch.remove(t)
	if t.broken() {
		panic(http.ErrAbortHandler)
	}
}

// finish reports whether the transfer had not ended already. It sees to it that
// the server, which writes what is in its buffers when the handler has returned,
// cannot wait for ever.
func (t *transfer) finish() bool {
	if !t.end() {
		return false
	}
	if t.proto < 2 && t.cancel != nil {
		// The server would end such a read, too, and take the deadline away with it:
		// what it then reads of the body before the next request had no bound.
		aborted := t.body.leave(func() { http.NewResponseController(t.ResponseWriter).SetReadDeadline(longAgo) })
		t.settle(aborted)
	}
	if !t.broken() {
		t.limitEnd()
	}
	return true
}

// end reports whether the transfer had not ended already.
func (t *transfer) end() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.ended
	t.ended = true
	return !before
}

// limitEnd sets deadlines for the end of an exchange, which end with it.
func (t *transfer) limitEnd() {
	control, now := http.NewResponseController(t.ResponseWriter), time.Now()
	control.SetWriteDeadline(now.Add(t.watch.limits.WriteIdle))
	if t.proto < 2 && t.cancel != nil && !t.body.ended.Load() && !t.reading.wasCut() {
		control.SetReadDeadline(now.Add(t.watch.limits.ReadIdle)) // for what the handler left of the body
	}
}

// broken reports whether the response is cut, or an HTTP/1 connection has an
// unknown rest of a body on it that the client was not told of.
func (t *transfer) broken() bool {
	return t.writing.wasCut() || t.proto < 2 && t.reading.wasCut() && t.answered && t.Header().Get("Connection") != "close"
}

// A verdict is a transfer that was too slow when its mark was taken.
type verdict struct {
	*transfer
	mark uint64
}

func (v verdict) cutRead() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ended || !v.reading.cut(v.mark) {
		return
	}
	v.watch.reads.Add(1)
	v.cancel(ErrTooSlow)
	http.NewResponseController(v.ResponseWriter).SetReadDeadline(longAgo)
}

// cutWrite ends reads, too: the HTTP/1 server reads the rest of the request
// before it writes the first byte of the response.
func (v verdict) cutWrite() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ended || !v.writing.cut(v.mark) {
		return
	}
	v.watch.writes.Add(1)
	control := http.NewResponseController(v.ResponseWriter)
	control.SetWriteDeadline(longAgo)
	control.SetReadDeadline(longAgo)
}

var longAgo = time.Unix(1, 0)
