package admit

import (
	"io"
	"net/http"
	"strconv"
)

// checkLength wants of a Content-Length what net/http makes sure of in HTTP/1
// only: that it says one thing, and that it says what the server believes.
func checkLength(r *http.Request) Fault {
	values := r.Header["Content-Length"]
	for _, value := range values {
		if value != values[0] {
			return Fault{http.StatusBadRequest, "content_length"}
		}
	}
	if len(values) == 0 {
		return Fault{}
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil || r.ContentLength != int64(n) {
		return Fault{http.StatusBadRequest, "content_length"}
	}
	return Fault{}
}

// settleBody takes the body away where there is none. HTTP/3 tells only at its
// end, HTTP/2 sometimes: a request that seems to have a body cannot be sent again
// when an idle connection to the origin turns out to be closed. Trailers go as
// well: nothing behind us expects fields there.
func settleBody(r *http.Request) {
	r.Trailer = nil
	if r.ContentLength < 0 && r.ProtoMajor > 1 && expectsNoBody(r.Method) {
		peekBody(r)
	}
	if r.ContentLength == 0 {
		r.Body = http.NoBody
	}
}

func expectsNoBody(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
		return true
	}
	return false
}

// peekBody waits for the first byte or the end.
func peekBody(r *http.Request) {
	b := &peeked{ReadCloser: r.Body}
	_, b.err = io.ReadFull(r.Body, b.first[:])
	if b.err == io.EOF {
		r.ContentLength = 0
		return
	}
	r.Body = b
}

// peeked is a body of which the first byte has been read, or an error.
type peeked struct {
	io.ReadCloser
	first [1]byte
	err   error // sticky
	given bool  // first is
}

func (b *peeked) Read(p []byte) (int, error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.given || len(p) == 0:
		return b.ReadCloser.Read(p)
	}
	b.given = true
	return copy(p, b.first[:]), nil
}
