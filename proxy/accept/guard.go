package accept

// phase is where in a request a guard is.
type phase byte

const (
	inHead   phase = iota
	inLength       // in a body with Content-Length
	inChunks       // in a chunked body
	complete       // behind the last byte of the request
	refused        // at a fault: there is no telling where the next request starts
)

// guard follows the requests of an HTTP/1 connection, one at a time. Its zero
// value is ready for a request.
type guard struct {
	phase  phase
	head   head
	began  bool  // the head is over
	left   int64 // of a body with Content-Length
	chunks chunks
}

// admit returns how many bytes of b, which follow the ones admitted before, net/http
// can be trusted with. A head is admitted whole or not at all: until its end
// has come, b must start at its first byte every time. What is behind the
// request's end is not admitted before next is called.
func (g *guard) admit(b []byte) (n int, fault *Fault) {
	if g.phase == inHead {
		if n, fault = g.head.scan(b); n == 0 || fault != nil {
			return 0, g.note(fault)
		}
		g.begin()
	}
	switch g.phase {
	case inLength:
		k := min(g.left, int64(len(b)-n))
		n += int(k)
		if g.left -= k; g.left == 0 {
			g.phase = complete
		}
	case inChunks:
		k, fault := g.chunks.scan(b[n:])
		if g.chunks.state == atEnd {
			g.phase = complete
		}
		return n + k, g.note(fault)
	}
	return n, nil
}

func (g *guard) note(f *Fault) *Fault {
	if f != nil {
		g.phase = refused
	}
	return f
}

// begin ends the head. A request without Content-Length or Transfer-Encoding has
// no body, RFC 9112 6.3.
func (g *guard) begin() {
	g.began = true
	switch {
	case g.head.codings > 0:
		g.phase, g.chunks = inChunks, chunks{}
	case g.head.length > 0:
		g.phase, g.left = inLength, g.head.length
	default:
		g.phase = complete
	}
}

// rewind goes back to the end of the head, and returns its size. The body must have a
// length, or there is none.
func (g *guard) rewind() (head int) {
	g.begin()
	return g.head.pos
}

// next gets ready for another request.
func (g *guard) next() { g.phase, g.head, g.began = inHead, head{}, false }

// want returns how many bytes it makes sense to read, at most n: no more than
// are left of a body, because they would have to be kept elsewhere.
func (g *guard) want(n int) int {
	if g.phase == inLength {
		return int(min(int64(n), g.left))
	}
	return n
}
