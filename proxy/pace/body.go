package pace

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// body is a request body under watch, while the handler runs.
type body struct {
	io.ReadCloser
	gauge  *gauge
	kept   bool            // Close leaves the server's own body alone
	end    <-chan struct{} // of the request's context
	ended  atomic.Bool     // with io.EOF
	closed atomic.Bool

	mu   sync.Mutex // held by Read
	over bool       // the handler has returned
	lost bool       // what is left of it is thrown away
}

func (b *body) Read(p []byte) (int, error) {
	if !b.enter() {
		return 0, http.ErrBodyReadAfterClose
	}
	defer b.mu.Unlock()
	if !b.gauge.begin() {
		return 0, ErrTooSlow
	}
	n, err := b.ReadCloser.Read(p)
	if !b.gauge.end(n) {
		return n, ErrTooSlow
	}
	if err == io.EOF {
		b.ended.Store(true)
	}
	return n, err
}

// enter takes mu for a Read, unless there is nothing more to be read. A body that
// is lost makes its reader wait for the end: an error now would have the sender
// hang up on the origin, in the middle of the answer.
func (b *body) enter() bool {
	b.mu.Lock()
	switch {
	case b.lost:
		b.mu.Unlock()
		<-b.end
	case b.over || b.closed.Load():
		b.mu.Unlock()
	default:
		return true
	}
	return false
}

// Close ends the reading. It does not wait for a Read under way, nor end it: that
// would end the request's context, and the answer with it. leave does.
func (b *body) Close() error {
	b.closed.Store(true)
	if b.kept {
		return nil
	}
	return b.ReadCloser.Close()
}

// leave sees to it that nobody reads any more when the handler has returned.
// abort ends a read that is under way; leave reports whether it was needed.
func (b *body) leave(abort func()) (aborted bool) {
	if aborted = !b.mu.TryLock(); aborted {
		abort()
		b.mu.Lock()
	}
	b.over = true
	b.mu.Unlock()
	return aborted
}

// seize takes a body away from its reader, who is not reading just now, to be
// discarded. It reports whether there is anything to discard.
func (b *body) seize() bool {
	if !b.mu.TryLock() {
		return false
	}
	if b.over || b.lost || b.ended.Load() {
		b.mu.Unlock()
		return false
	}
	b.lost = true
	return true // with mu
}

// discard reads what was seized, until leave at the latest.
func (b *body) discard() {
	defer b.mu.Unlock()
	b.skip()
}

// skip reads up to maxRest and throws it away.
func (b *body) skip() {
	if _, err := io.CopyN(io.Discard, b.ReadCloser, maxRest); err == io.EOF {
		b.ended.Store(true)
	}
}
