package fields

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

var headers = sync.Pool{New: func() any { return make(http.Header) }}

// A Response has the header of a response. Its zero value has none yet.
type Response struct{ header http.Header }

// Header is for http.ResponseWriter.
func (r *Response) Header() http.Header {
	if r.header == nil {
		r.header = headers.Get().(http.Header)
	}
	return r.header
}

// Adopt makes h the header, which nobody else may change any more. What the header
// has had so far stays, before the values of the same fields in h. The map that Header
// has returned so far must not be used any more.
func (r *Response) Adopt(h http.Header) {
	before := r.header
	r.header = h
	if before == nil {
		return
	}
	for name, values := range before {
		h[name] = append(slices.Clip(values), h[name]...)
	}
	clear(before)
	headers.Put(before)
}

// Announced returns the names that the header says will follow the body.
func (r *Response) Announced() (names []string) {
	for _, list := range r.header["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			name = textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name))
			if httpguts.ValidTrailerHeader(name) {
				names = append(names, name)
			}
		}
	}
	return names
}
