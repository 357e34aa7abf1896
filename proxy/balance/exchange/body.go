package exchange

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// A body is the body of an answer. Closing it ends a Read under way. When it is
// read to its end the connection goes back, otherwise it is closed.
type body struct {
	answer  *answer
	ctx     context.Context
	sending *sending // nil: the request is written
	framing framing
	single  bool        // the connection is not used again
	over    atomic.Bool // the connection is not ours any more

	mu     sync.Mutex // held by Read
	conn   *conn
	left   int64 // bytes, by length
	chunks chunks
	err    error // sticky
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return 0, b.err
	case b.over.Load():
		return 0, http.ErrBodyReadAfterClose
	case len(p) == 0:
		return 0, nil
	}
	n, err := b.read(p)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		b.finish()
	case b.over.Load():
		err = http.ErrBodyReadAfterClose
	default:
		err = b.explain(err)
		b.abandon()
		b.conn.drop()
	}
	b.err = err
	return n, err
}

// Whole reports whether the rest of the body has come, so that Read will not
// wait. It does not either: nobody knows while a Read is under way.
func (b *body) Whole() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	if b.err != nil || b.over.Load() {
		return true
	}
	c := b.conn
	if b.has(c.buf[c.r:c.w]) {
		return true
	}
	if b.framing == byClose || b.left > int64(len(beginning{})) {
		return false
	}
	if c.buf == nil {
		c.lend()
	}
	c.gather()
	return b.has(c.buf[c.r:c.w])
}

// has reports whether p is the rest of the body.
func (b *body) has(p []byte) bool {
	switch b.framing {
	case byLength:
		return b.left <= int64(len(p))
	case byChunks:
		return bytes.HasSuffix(p, []byte("0\r\n\r\n")) && b.chunks.endIn(p)
	}
	return false
}

// Ready reports whether Read gives something without waiting: it has come. Like
// Whole it does not know while a Read is under way.
func (b *body) Ready() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	if b.err != nil || b.over.Load() {
		return true
	}
	c := b.conn
	if c.r == c.w {
		return false
	}
	return b.framing != byChunks || b.chunks.giveIn(c.buf[c.r:c.w])
}

func (b *body) read(p []byte) (n int, err error) {
	switch b.framing {
	case byChunks:
		return b.readChunks(p)
	case byClose:
		return b.conn.Read(p)
	}
	n, err = b.conn.Read(p[:min(int64(len(p)), b.left)])
	switch b.left -= int64(n); {
	case b.left == 0:
		err = io.EOF
	case err != nil:
		err = unexpected(err)
	}
	return n, err
}

// minDirect is the room that is worth reading chunks into as they come, in bytes.
const minDirect = 512

// readChunks reads chunks into p itself where it can, and takes the framing out there.
func (b *body) readChunks(p []byte) (n int, err error) {
	for c := b.conn; n == 0; {
		var used int
		switch {
		case c.r < c.w:
			n, used, err = b.chunks.decode(p, c.buf[c.r:c.w])
			c.take(used)
			b.single = b.single || err == io.EOF && c.r < c.w
		case len(p) < minDirect:
			err = c.fill()
		default:
			var got int
			got, err = c.Read(p)
			if got > 0 {
				n, used, err = b.chunks.decode(p, p[:got])
				b.single = b.single || used < got
			}
		}
		if err == io.EOF && b.chunks.state == atEnd {
			return n, b.trail()
		}
		if err != nil {
			return n, unexpected(err)
		}
	}
	return n, nil
}

// trail adds the trailers to the answer, and returns io.EOF if they are valid.
func (b *body) trail() error {
	fields, err := b.chunks.trailer()
	if err != nil {
		return err
	}
	a := b.answer
	for name, values := range fields {
		switch {
		case isFraming(name):
			continue
		case a.Trailer == nil:
			a.Trailer = make(http.Header, len(fields))
		}
		a.Trailer[name] = values
	}
	return io.EOF
}

// Close implements io.Closer.
func (b *body) Close() error {
	if b.abandon() && b.mu.TryLock() { // no Read is under way, which would use the buffer
		b.conn.drop()
		b.mu.Unlock()
	}
	return nil
}

// abandon closes the connection, and reports whether it was still ours.
func (b *body) abandon() bool {
	if b.over.Swap(true) {
		return false
	}
	b.conn.leave()
	b.conn.Close()
	return true
}

// finish gives the connection back after the whole answer, if it can be used again.
func (b *body) finish() {
	if b.over.Swap(true) {
		return
	}
	c := b.conn
	switch quiet := c.r == c.w; {
	case !c.leave() || b.single || !quiet:
		c.Close()
		c.drop()
	case b.sending.inherit():
	default:
		c.transport.put(c)
	}
	b.conn = nil
}
