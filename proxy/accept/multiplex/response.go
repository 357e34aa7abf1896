package multiplex

import (
	"errors"
	"fmt"
	"net/http"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"ctlive/proxy/accept/fields"
)

// maxHeld is how much of a response is held, in bytes: one that fits goes out in one
// piece.
const maxHeld = 32 << 10

var errOver = errors.New("the response is over")

// held is what a response holds until somebody waits for it.
type held struct {
	fields []hpack.HeaderField
	b      [maxHeld]byte
}

var helds = sync.Pool{New: func() any { return new(held) }}

// A response is the http.ResponseWriter of a handler, like package answer's of
// HTTP/1.1: it is held for as long, and its type is never guessed. Nothing but the
// deadlines may be used by two goroutines at a time.
type response struct {
	fields.Response
	stream *stream
	head   bool // the request is HEAD: the body is counted and left out

	status   int
	bodiless bool
	sent     bool  // the header has been
	ended    bool  // the end too
	left     int64 // of the declared length; -1: none was declared
	excess   bool  // more was to be written
	size     int64 // of the body so far
	trailers []string
	pooled   *held
	n        int   // bytes in pooled.b
	err      error // what writing ended with; sticky
}

// WriteHeader implements http.ResponseWriter. An interim response goes out at once.
func (r *response) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid status %d", status))
	case r.status != 0 || r.err != nil:
	case status == http.StatusSwitchingProtocols: // there is no such thing, RFC 9113 8.6
	case status == http.StatusContinue:
		r.stream.proceed()
	case status < 200:
		r.inform(status)
	default:
		r.begin(status)
	}
}

// inform sends an interim response, RFC 9110 15.2.
func (r *response) inform(status int) {
	if r.status != 0 || r.err != nil {
		return
	}
	r.err = r.stream.send(appendFields(appendStatus(nil, status), r.Header()), nil, nil, false)
}

// begin holds the header.
func (r *response) begin(status int) {
	r.status = status
	r.bodiless = status == http.StatusNoContent || status == http.StatusNotModified
	h := r.Header()
	r.trailers = r.Announced()
	r.lend()
	r.pooled.fields = appendStatus(r.pooled.fields[:0], status)
	r.pooled.fields = appendDate(appendFields(r.pooled.fields, h), h)
	if n, ok := lengthOf(h); ok && status != http.StatusNoContent { // RFC 9110 8.6
		r.left = n
		r.pooled.fields = append(r.pooled.fields, hpack.HeaderField{Name: "content-length", Value: h["Content-Length"][0]})
	}
	if h.Get("Connection") == "close" {
		r.stream.conn.goAway(http2.ErrCodeNo)
	}
}

// Write implements http.ResponseWriter.
func (r *response) Write(p []byte) (int, error) {
	if r.status == 0 && r.err == nil {
		r.begin(http.StatusOK)
	}
	switch size := int64(len(p)); {
	case r.err != nil:
		return 0, r.err
	case size == 0:
		return 0, nil
	case r.bodiless:
		return 0, http.ErrBodyNotAllowed
	case r.left >= 0 && (r.excess || size > r.left):
		r.excess = true // what comes now belongs behind what is missing
		return 0, http.ErrContentLength
	case r.left >= 0:
		r.left -= size
	}
	r.size += int64(len(p))
	if r.head {
		if r.size > maxHeld { // as if it were not
			r.flush()
		}
		return len(p), r.err
	}
	if r.hold(p); r.err != nil {
		return 0, r.err
	}
	return len(p), nil
}

// hold holds p, or sends it behind what is held.
func (r *response) hold(p []byte) {
	r.lend()
	if len(p) > maxHeld-r.n {
		r.flush()
		if len(p) > maxHeld/2 {
			r.send(p, nil, false)
			return
		}
		r.lend()
	}
	r.n += copy(r.pooled.b[r.n:], p)
}

// Flush is FlushError for those who do not want to know.
func (r *response) Flush() { r.FlushError() }

// FlushError sends what is held.
func (r *response) FlushError() error {
	if r.status == 0 && r.err == nil {
		r.begin(http.StatusOK)
	}
	r.flush()
	return r.err
}

func (r *response) flush() {
	if r.pooled != nil && (r.n > 0 || !r.sent) {
		r.send(r.pooled.b[:r.n], nil, false)
	}
	r.release()
}

// EnableFullDuplex is for http.ResponseController: all streams are.
func (r *response) EnableFullDuplex() error { return nil }

// finish ends the response. It reports whether all is written, and was as long as
// announced.
func (r *response) finish() bool {
	if r.status == 0 && r.err == nil {
		r.begin(http.StatusOK)
	}
	if r.err != nil {
		return false
	}
	if short := (r.left > 0 || r.excess) && !r.head && !r.bodiless; short {
		r.flush()
		return false
	}
	var trailer []hpack.HeaderField
	if !r.head {
		trailer = appendTrailer(nil, r.Header(), r.trailers)
	}
	if !r.sent && r.left < 0 && !r.bodiless && trailer == nil && (r.size > 0 || !r.head) {
		r.pooled.fields = appendLength(r.pooled.fields, r.size)
	}
	var p []byte
	if r.pooled != nil {
		p = r.pooled.b[:r.n]
	}
	r.send(p, trailer, true)
	return r.err == nil
}

// refuse is the whole response.
func (r *response) refuse(status int) {
	r.Header().Set("Content-Type", "text/plain; charset=utf-8")
	r.WriteHeader(status)
	fmt.Fprintln(r, http.StatusText(status))
}

// close sees to it that nothing more is written. What is held of a response that goes
// no further is lost with it.
func (r *response) close() {
	r.release()
	if r.err == nil {
		r.err = errOver
	}
}

func (r *response) send(p []byte, trailer []hpack.HeaderField, end bool) {
	if r.err != nil || r.ended {
		return
	}
	r.ended = end || r.head
	var fields []hpack.HeaderField
	if !r.sent {
		fields, r.sent = r.pooled.fields, true
	}
	r.err = r.stream.send(fields, p, trailer, r.ended)
	r.n = 0
}

func (r *response) lend() {
	if r.pooled == nil {
		r.pooled = helds.Get().(*held)
	}
}

func (r *response) release() {
	if r.pooled != nil {
		clear(r.pooled.fields)
		helds.Put(r.pooled)
	}
	r.pooled, r.n = nil, 0
}
