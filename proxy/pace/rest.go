package pace

import (
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// maxRest is how much of a request body that nobody wants is read, in bytes,
	// for the sake of the connection. It is net/http's own limit.
	maxRest = 256 << 10

	// restTime is how long the end of an answer waits for the rest of a body. Most
	// have come with the request; the time is for a machine so busy that the read
	// begins late, or the connections of its visitors would be closed then.
	restTime = 500 * time.Millisecond
)

// duplex lets answers go out while the body is read: net/http would otherwise
// wait for the reader, and for up to 256 KiB of the body, which it takes from the
// reader. What it does for the connection thereby is ours to do: see far, settle
// and relieveLocked.
func (t *transfer) duplex() {
	if t.proto < 2 {
		t.body.kept = http.NewResponseController(t.ResponseWriter).EnableFullDuplex() == nil
	}
}

// far reports whether so much of the body is to come that the connection will
// not be used again.
func (t *transfer) far() bool {
	return t.body.kept && t.length-t.reading.bytes.Load() >= maxRest
}

// settle reads, at the end of the handler, what is left of the body. Where its end
// does not come the connection is closed after the answer: net/http would read on
// then, and take for the next request what it did not wait for. An aborted read has
// ended the context of the whole connection.
func (t *transfer) settle(aborted bool) {
	if !t.body.kept || t.body.ended.Load() || t.writing.wasCut() {
		return
	}
	if !aborted && !t.expects && !t.far() && !t.reading.wasCut() {
		http.NewResponseController(t.ResponseWriter).SetReadDeadline(time.Now().Add(restTime))
		t.body.skip()
	}
	if !t.body.ended.Load() {
		closeAfterReply(t.ResponseWriter)
	}
}

// closeAfterReply tells net/http to close the connection when it has sent the
// answer, even when the header has gone out: [http.MaxBytesReader] does so at its
// limit.
func closeAfterReply(w http.ResponseWriter) {
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = wrapper.Unwrap()
	}
	http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1))
}

// relieveLocked has the body discarded of a visitor who does not read the answer:
// he may want to send everything first, and find no room for it. One that
// somebody is reading makes room by itself.
func (w *Watch) relieveLocked(t *transfer) {
	if t.body.kept && t.writing.stuck(w.limits.WriteIdle/16) && t.body.seize() {
		go t.body.discard() // ends with the handler
	}
}
