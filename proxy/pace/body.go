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
	gauge *gauge
	ended atomic.Bool // with io.EOF

	mu   sync.Mutex // held by Read
	over bool       // the handler has returned
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, http.ErrBodyReadAfterClose
	}
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

// leave sees to it that nobody reads any more when the handler has returned.
// abort ends a read that is under way.
func (b *body) leave(abort func()) {
	if !b.mu.TryLock() {
		abort()
		b.mu.Lock()
	}
	b.over = true
	b.mu.Unlock()
}
