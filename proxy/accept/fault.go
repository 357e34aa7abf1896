package accept

import (
	"errors"
	"net/http"
)

// A Fault is what is wrong with the framing of a request.
type Fault struct {
	Status int    // to answer with: 400, 431, 501 or 505
	Reason string // in snake_case, fit for a metric's label
}

func (f *Fault) Error() string { return "request framing: " + f.Reason }

// ErrFraming is what reading a request body fails with when its chunks are not
// as RFC 9112 7.1 wants them: the answer is 400. Nothing behind them is read.
var ErrFraming = errors.New("malformed chunked body")

var (
	faultRequestLine = &Fault{http.StatusBadRequest, "request_line"}
	faultVersion     = &Fault{http.StatusHTTPVersionNotSupported, "version"}
	faultLineEnd     = &Fault{http.StatusBadRequest, "line_end"}
	faultFold        = &Fault{http.StatusBadRequest, "line_folding"}
	faultName        = &Fault{http.StatusBadRequest, "field_name"}
	faultValue       = &Fault{http.StatusBadRequest, "field_value"}
	faultNoHost      = &Fault{http.StatusBadRequest, "host_missing"}
	faultHosts       = &Fault{http.StatusBadRequest, "host_twice"}
	faultLength      = &Fault{http.StatusBadRequest, "content_length"}
	faultLengths     = &Fault{http.StatusBadRequest, "content_length_twice"}
	faultBoth        = &Fault{http.StatusBadRequest, "length_and_coding"}
	faultOldCoding   = &Fault{http.StatusBadRequest, "transfer_encoding_http10"}
	faultCoding      = &Fault{http.StatusNotImplemented, "transfer_encoding"}
	faultHeadSize    = &Fault{http.StatusRequestHeaderFieldsTooLarge, "header_size"}
	faultHeadLines   = &Fault{http.StatusRequestHeaderFieldsTooLarge, "header_lines"}

	faultChunkSize = &Fault{http.StatusBadRequest, "chunk_size"}
	faultChunkLine = &Fault{http.StatusBadRequest, "chunk_line"}
	faultChunkData = &Fault{http.StatusBadRequest, "chunk_data"}
	faultTrailer   = &Fault{http.StatusBadRequest, "trailer"}
)

type connKey struct{}

// FaultOf returns what is wrong with the framing of r as it stood on the wire,
// nil if nothing is. A request with a fault is a stand-in: its method, target
// and header are ours, not the client's, and it is the last of its connection.
func FaultOf(r *http.Request) *Fault {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		return c.fault
	}
	return nil
}
