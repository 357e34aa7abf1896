package balance

import (
	"io"
	"net/http"
	"sync/atomic"
)

// A body is an answer's, and reports when it is over.
type body struct {
	io.ReadCloser
	pool    *Pool
	attempt *attempt
	over    atomic.Bool
}

// take puts b in the place of res.Body. An answer without a body is over.
func (b *body) take(res *http.Response) {
	b.ReadCloser = res.Body
	rw, writable := res.Body.(io.ReadWriteCloser)
	switch {
	case res.Body == http.NoBody:
		b.whole()
	case writable:
		res.Body = &tunnel{b, rw}
	default:
		res.Body = b
	}
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF:
		b.whole()
	case err != nil && b.attempt.Err() != nil:
		b.abandoned()
	case err != nil:
		b.finish()
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.abandoned()
	return err
}

// Whole reports whether the rest has come, where the transport can tell.
func (b *body) Whole() bool {
	w, ok := b.ReadCloser.(interface{ Whole() bool })
	return ok && w.Whole()
}

// Ready reports whether Read will not wait, where the transport can tell.
func (b *body) Ready() bool {
	r, ok := b.ReadCloser.(interface{ Ready() bool })
	return ok && r.Ready()
}

// whole notes that the answer was taken to its end.
func (b *body) whole() {
	if b.finish() {
		b.attempt.origin.gate.credit.earn()
	}
}

// abandoned notes that the visitor did not want the rest.
func (b *body) abandoned() {
	if b.finish() {
		b.attempt.waste()
	}
}

// finish is called when no more will be read, and reports whether that is news.
func (b *body) finish() bool {
	if b.over.Swap(true) {
		return false
	}
	o := b.attempt.origin
	o.active.Add(-1)
	if b.pool.closed.Load() {
		o.transport.CloseIdleConnections()
	}
	return true
}

// A tunnel is the origin's side of a WebSocket.
type tunnel struct {
	*body
	conn io.ReadWriteCloser
}

// Read does not end a tunnel: its other direction may go on.
func (t *tunnel) Read(p []byte) (int, error)  { return t.conn.Read(p) }
func (t *tunnel) Write(p []byte) (int, error) { return t.conn.Write(p) }

func (t *tunnel) Close() error {
	err := t.conn.Close()
	t.finish()
	return err
}

// CloseWrite ends our side.
func (t *tunnel) CloseWrite() error {
	if half, ok := t.conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return http.ErrNotSupported
}
