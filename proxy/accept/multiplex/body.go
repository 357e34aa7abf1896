package multiplex

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"time"
)

// A body is that of a request. What has come waits in it until the handler reads it.
type body struct {
	stream    *stream
	expects   bool // the client waits for 100 (Continue); for whoever reads
	announced bool // fields are to follow

	mu      sync.Mutex
	changed sync.Cond
	b       bytes.Buffer
	left    int64 // that was declared and has not come; -1: nothing was declared
	late    http.Header
	err     error // behind what is in b
	closed  bool
	read    expiry
}

func newBody(st *stream, length int64) *body {
	b := &body{stream: st, left: length}
	b.changed.L = &b.mu
	return b
}

// add takes in what has come, and returns how much of it waits now: nothing if nobody
// wants it. It reports whether that much was declared.
func (b *body) add(p []byte) (kept int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left >= 0 {
		if b.left -= int64(len(p)); b.left < 0 {
			return 0, false
		}
	}
	if b.closed {
		return 0, true
	}
	b.b.Write(p)
	b.changed.Signal()
	return len(p), true
}

func (b *body) addTrailer(name, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.late == nil {
		b.late = make(http.Header)
	}
	b.late[name] = append(b.late[name], value)
}

// end is the end of the body. It reports whether that was declared.
func (b *body) end() bool {
	if b.left > 0 {
		return false
	}
	b.fail(io.EOF)
	return true
}

// fail ends the body with err.
func (b *body) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.changed.Signal()
}

// close drops what has not been read. It returns how much that was.
func (b *body) close() (unread int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	unread = b.b.Len()
	b.b = bytes.Buffer{}
	b.closed = true
	b.read.stop()
	b.changed.Signal()
	return unread
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.expects {
		b.expects = false
		b.stream.proceed()
	}
	n, err := b.await(p)
	if n > 0 {
		c := b.stream.conn
		c.mu.Lock()
		c.creditLocked(b.stream, n)
		c.mu.Unlock()
	}
	return n, err
}

func (b *body) await(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case b.closed:
			return 0, http.ErrBodyReadAfterClose
		case b.read.err() != nil:
			return 0, b.read.err()
		case len(p) == 0:
			return 0, nil
		case b.b.Len() > 0:
			return b.b.Read(p)
		case b.err == io.EOF:
			b.deliver()
			return 0, io.EOF
		case b.err != nil:
			return 0, b.err
		}
		b.read.wait(&b.mu, b.changed.Broadcast)
		b.changed.Wait()
	}
}

// deliver gives the handler the fields behind the body that were announced.
func (b *body) deliver() {
	for name, values := range b.late {
		if _, ok := b.stream.request.Trailer[name]; ok {
			b.stream.request.Trailer[name] = values
		}
	}
}

// Close implements io.Closer: the rest of the body is not wanted.
func (b *body) Close() error {
	unread := b.close()
	c := b.stream.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	c.creditLocked(nil, unread)
	return nil
}

// SetReadDeadline is for http.ResponseController.
func (r *response) SetReadDeadline(t time.Time) error {
	b := r.stream.body
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read.set(t)
	b.changed.Broadcast()
	return nil
}
