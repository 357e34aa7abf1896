package pace

import (
	"io"
	"sync/atomic"
)

// body is a request body under watch. It may be read after the handler has
// returned: nobody watches then, and the server does not wait for it.
type body struct {
	io.ReadCloser
	gauge *gauge
	ended atomic.Bool // with io.EOF
}

func (b *body) Read(p []byte) (int, error) {
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
