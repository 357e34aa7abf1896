package relay

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// answer gives res to the visitor, and closes it.
func answer(w http.ResponseWriter, res *http.Response) {
	defer res.Body.Close()
	h := give(w, res.Header)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // the server would guess, and mark what is not to be guessed as a page
	}
	announced := announce(h, res.Trailer)
	w.WriteHeader(res.StatusCode)
	if err := pass(w, res.Body); err != nil {
		panic(http.ErrAbortHandler) // the visitor must see that this is not the end
	}
	res.Body.Close() // the trailers are final then
	trail(w, res.Trailer, announced)
}

// An adopter is a ResponseWriter that can take over a header, with what it had by
// then put before the same fields' values, instead of having all copied.
type adopter interface{ Adopt(http.Header) }

// give makes given w's header, added to what that has, and returns it.
func give(w http.ResponseWriter, given http.Header) http.Header {
	inner := w
	for {
		if a, ok := inner.(adopter); ok {
			a.Adopt(given)
			return given
		}
		outer, ok := inner.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		inner = outer.Unwrap()
	}
	h := w.Header()
	add(h, given)
	return h
}

// announce names the trailers that are known to come, and returns their number.
func announce(h, trailers http.Header) int {
	if len(trailers) == 0 {
		return 0
	}
	names := make([]string, 0, len(trailers))
	for name := range trailers {
		names = append(names, name)
	}
	h.Add("Trailer", strings.Join(names, ", "))
	return len(names)
}

// trail sends trailers; more may have come than were announced.
func trail(w http.ResponseWriter, trailers http.Header, announced int) {
	if len(trailers) == 0 {
		return
	}
	flush(w) // a short answer would get a length, and no trailers
	h := w.Header()
	if len(trailers) == announced {
		add(h, trailers)
		return
	}
	for name, values := range trailers {
		h[http.TrailerPrefix+name] = values
	}
}

// size of a buffer that bodies are copied through, in bytes.
const size = 32 << 10

var buffers = sync.Pool{New: func() any { return new([size]byte) }}

// pool lends buffers to httputil.
type pool struct{}

func (pool) Get() []byte  { return buffers.Get().(*[size]byte)[:] }
func (pool) Put(b []byte) { buffers.Put((*[size]byte)(b)) }

// readier is a body that can tell whether the next Read will not wait.
type readier interface{ Ready() bool }

// pass copies body to w. What w has goes out before body is waited for.
func pass(w http.ResponseWriter, body io.Reader) error {
	if body == http.NoBody {
		return nil
	}
	b := buffers.Get().(*[size]byte)
	defer buffers.Put(b)
	r, tells := body.(readier)
	for held := true; ; {
		if held && !(tells && r.Ready()) {
			if err := flush(w); err != nil {
				return err
			}
			held = false
		}
		n, err := body.Read(b[:])
		if n > 0 {
			if _, err := w.Write(b[:n]); err != nil {
				return err
			}
			held = true
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// flush sends what w holds, if it can.
func flush(w http.ResponseWriter) error {
	if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
