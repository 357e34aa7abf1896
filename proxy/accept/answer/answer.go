// Package answer writes answers over HTTP/1.1, RFC 9112.
//
// A [Writer] is to a handler what net/http's own http.ResponseWriter is, but for
// two things. An answer is held until somebody waits for it: one that fits into
// 32 KiB goes out in one piece, header and all, and with its length where net/http
// would use chunks. Each piece by itself is a system call and a segment, and wakes
// the visitor. And the type of an answer is never guessed from its content.
package answer

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"ctlive/proxy/accept/fields"
)

// maxHeld is how much of an answer is held, in bytes.
const maxHeld = 32 << 10

var errOver = errors.New("the answer is over")

var buffers = sync.Pool{New: func() any { return new([maxHeld]byte) }}

// A Conn is what an answer goes out on.
type Conn interface {
	// Write2 writes p and then q. It returns how much of both.
	Write2(p, q []byte) (int, error)

	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error

	// Last reports whether the connection ends with the answer.
	Last() bool
}

// A framing is how the end of a body shows, RFC 9112 6.3.
type framing uint8

const (
	undecided framing = iota // a length if the end comes in time, otherwise chunks
	byLength
	byChunks
	bodiless
)

// A Writer writes one answer. Through http.ResponseController it flushes and sets
// deadlines. Nothing but the deadlines may be used by two goroutines at a time.
type Writer struct {
	fields.Response
	conn   Conn
	head   bool // the request is HEAD: the body is counted and left out
	last   bool // the connection ends with the answer
	excess bool // byLength: more was to be written than what is to come, and was not

	status   int // 0: there is no final one
	framing  framing
	length   int64    // of the body: undecided: so far; byLength: what is to come
	trailers []string // names that were announced
	err      error    // what writing ended with; sticky

	pooled *[maxHeld]byte
	b      []byte // what is held, in pooled unless it outgrew it
	end    int    // undecided: of the header in b; a gap for the rest of it follows
	owed   bool   // byChunks: the line end of the last chunk is not in b
}

// New returns a Writer for the answer to a request with that method.
func New(c Conn, method string) *Writer {
	return &Writer{conn: c, head: method == http.MethodHead}
}

// SetReadDeadline is for http.ResponseController.
func (w *Writer) SetReadDeadline(t time.Time) error { return w.conn.SetReadDeadline(t) }

// SetWriteDeadline is for http.ResponseController.
func (w *Writer) SetWriteDeadline(t time.Time) error { return w.conn.SetWriteDeadline(t) }

// WriteHeader implements http.ResponseWriter. An interim response goes out at
// once.
func (w *Writer) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid status %d", status))
	case w.status != 0:
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.out(w.appendInterim(nil, status), nil)
	default:
		w.begin(status)
	}
}

// begin holds the header, as far as it is certain.
func (w *Writer) begin(status int) {
	w.status = status
	w.last = w.conn.Last() || w.Header().Get("Connection") == "close"
	w.trailers = w.Announced()
	w.lend()
	w.b = w.appendHeader(w.b)
	length, known := lengthOf(w.Header())
	switch {
	case status < 200 || status == http.StatusNoContent || status == http.StatusNotModified:
		w.framing = bodiless
		w.b = append(w.b, "\r\n"...)
	case known:
		w.framing, w.length = byLength, length
		w.b = append(appendLength(w.b, length), "\r\n"...)
	default:
		w.end = len(w.b)
		w.b = append(w.b, gap...)
	}
}

// Write implements http.ResponseWriter.
func (w *Writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.begin(http.StatusOK)
	}
	switch size := int64(len(p)); {
	case w.err != nil:
		return 0, w.err
	case size == 0:
	case w.framing == bodiless:
		return 0, http.ErrBodyNotAllowed
	case w.framing == undecided:
		w.length += size
	case w.framing == byLength && (w.excess || size > w.length):
		w.excess = true // what comes now belongs behind what is missing
		return 0, http.ErrContentLength
	case w.framing == byLength:
		w.length -= size
	}
	if len(p) > 0 && !w.head {
		w.add(p)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// add holds p, or writes it after what is held.
func (w *Writer) add(p []byte) {
	switch {
	case w.framing == byChunks:
		w.addChunk(p)
	case w.fits(len(p)) && !w.alone(p):
		w.b = append(w.b, p...)
	case w.framing == undecided:
		w.useChunks()
		w.out(w.b, p)
	default:
		w.out(w.b, p)
	}
}

// Flush is FlushError for those who do not want to know.
func (w *Writer) Flush() { w.FlushError() }

// FlushError sends what is held.
func (w *Writer) FlushError() error {
	if w.status == 0 {
		w.begin(http.StatusOK)
	}
	if w.framing == undecided {
		w.useChunks()
	}
	if w.owed {
		w.b, w.owed = append(w.b, "\r\n"...), false
	}
	if len(w.b) > 0 {
		w.out(w.b, nil)
	}
	return w.err
}

// EnableFullDuplex is for http.ResponseController. An answer never waits for the
// rest of the request.
func (w *Writer) EnableFullDuplex() error { return nil }

// Finish ends the answer. It reports whether the connection may have another one:
// all is written and was as long as announced.
func (w *Writer) Finish() (reusable bool) {
	if w.status == 0 {
		w.begin(http.StatusOK)
	}
	w.conclude()
	if len(w.b) > 0 {
		w.out(w.b, nil)
	}
	short := w.framing == byLength && (w.length > 0 || w.excess) && !w.head
	reusable = w.err == nil && !w.last && !short
	w.close()
	return reusable
}

// conclude holds the end of the answer.
func (w *Writer) conclude() {
	if w.framing == undecided {
		if !w.trails() {
			w.useLength()
			return
		}
		w.useChunks()
	}
	if w.framing == byChunks && !w.head {
		w.endChunks()
	}
}

// Abort sends what is held of an answer that goes no further: its end is missing.
func (w *Writer) Abort() {
	if w.status != 0 {
		w.FlushError()
	}
	w.close()
}

// close sees to it that nothing more is written: the connection may have the next
// answer on it.
func (w *Writer) close() {
	w.release()
	if w.err == nil {
		w.err = errOver
	}
}

// alone reports whether p is much, with nothing held that it could go with: then to
// hold it only costs a copy.
func (w *Writer) alone(p []byte) bool { return len(w.b) == 0 && len(p) >= maxHeld/2 }

// fits reports whether there is room to hold n bytes.
func (w *Writer) fits(n int) bool {
	if w.b == nil {
		w.lend()
	}
	return cap(w.b)-len(w.b) >= n
}

func (w *Writer) lend() {
	w.pooled = buffers.Get().(*[maxHeld]byte)
	w.b = w.pooled[:0]
}

func (w *Writer) release() {
	if w.pooled != nil {
		buffers.Put(w.pooled)
	}
	w.pooled, w.b = nil, nil
}

// out writes p, which may be what is held, and q. Nothing is held then.
func (w *Writer) out(p, q []byte) {
	if w.err == nil {
		var n int
		if n, w.err = w.conn.Write2(p, q); w.err == nil && n < len(p)+len(q) {
			w.err = io.ErrShortWrite
		}
	}
	w.release()
}
