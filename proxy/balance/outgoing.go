package balance

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
)

// maxKept is the longest request body that is kept to be sent again, in bytes.
const maxKept = 64 << 10

// outgoing is a visitor's request, to be sent as often as it takes.
type outgoing struct {
	request *http.Request
	src     io.ReadCloser // the visitor's body; nil: none
	kept    []byte        // all of it, when it is short
	loan    *loan         // otherwise: how the attempt under way has it
	first   attempt       // here, because most requests need no other
}

// prepare takes r's body in, if it is short. It closes the body when it fails.
func prepare(r *http.Request) (*outgoing, error) {
	out := &outgoing{request: r}
	if r.Body == nil || r.Body == http.NoBody {
		return out, nil
	}
	out.src = r.Body
	if err := out.keep(); err != nil {
		r.Body.Close()
		return nil, err
	}
	return out, nil
}

// keep reads a short body. Where none is to be expected, it looks whether one of
// unknown length has a first byte: HTTP/3 does not say that a GET has no body,
// and without knowing it could not be tried again.
func (out *outgoing) keep() (err error) {
	n := out.request.ContentLength
	switch {
	case n == 0:
		return out.drop()
	case n < 0 && seldomHasBody(out.request.Method):
		return out.peek()
	case n > 0 && n <= maxKept:
		out.kept, err = readExactly(out.src, int(n))
	}
	return err
}

func (out *outgoing) drop() error {
	err := out.src.Close()
	out.src = nil
	return err
}

func (out *outgoing) peek() error {
	first := make([]byte, 1)
	switch _, err := io.ReadFull(out.src, first); {
	case err == io.EOF:
		return out.drop()
	case err != nil:
		return err
	}
	out.src = putBack{io.MultiReader(bytes.NewReader(first), out.src), out.src}
	return nil
}

// putBack is a body after a look at its beginning.
type putBack struct {
	io.Reader
	io.Closer
}

// readExactly returns the n bytes of r. What it allocates follows what arrives:
// a length alone costs a visitor nothing, and must not cost us.
func readExactly(r io.Reader, n int) ([]byte, error) {
	buf := make([]byte, 0, min(n, 4<<10))
	for len(buf) < n {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, min(len(buf), n-len(buf)))
		}
		m, err := r.Read(buf[len(buf):min(n, cap(buf))])
		buf = buf[:len(buf)+m]
		switch {
		case len(buf) == n:
		case err == io.EOF:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
	}
	return buf, nil
}

func seldomHasBody(method string) bool {
	return method != http.MethodPost && method != http.MethodPut && method != http.MethodPatch
}

// equip gives r, a copy of the request, its body.
//
// GetBody lets net/http repeat what did not get through: a stream that HTTP/2
// says was not processed (RFC 9113 8.7), or a connection found to be stale
// before a byte was written. It would replay more for the sake of an
// Idempotency-Key, so it must not see one.
func (out *outgoing) equip(r *http.Request) {
	hideKeys(r)
	r.GetBody = nil
	switch {
	case out.src == nil:
		r.Body, r.ContentLength, r.TransferEncoding = nil, 0, nil
	case out.kept != nil:
		r.Body, _ = out.again()
		r.GetBody = out.again
	default:
		out.loan = &loan{src: out.src}
		r.Body = out.loan
	}
}

func (out *outgoing) again() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(out.kept)), nil
}

// hideKeys writes the names in lower case by which net/http takes any method for
// idempotent. Names are not case-sensitive (RFC 9110 5.1), but its look-up is.
func hideKeys(r *http.Request) {
	for _, name := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := r.Header[name]; ok {
			r.Header = r.Header.Clone()
			delete(r.Header, name)
			r.Header[strings.ToLower(name)] = values
		}
	}
}

// reclaim reports whether the body can be sent again.
func (out *outgoing) reclaim() bool { return out.loan == nil || out.loan.takeBack() }

// settle leaves the body to the attempt that has the answer.
func (out *outgoing) settle() {
	if out.loan != nil {
		out.loan.give()
	} else {
		out.close()
	}
}

func (out *outgoing) close() {
	if out.src != nil {
		out.src.Close()
	}
}

// fault returns what went wrong with reading the body: that is the visitor's.
func (out *outgoing) fault() error {
	if out.loan == nil {
		return nil
	}
	return out.loan.failed()
}

// idempotent reports whether doing the request twice is doing it once (RFC 9110
// 9.2.2). With a body we do not rely on it.
func (out *outgoing) idempotent() bool {
	switch out.request.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return out.src == nil
	}
	return false
}
