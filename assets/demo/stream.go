package demo

import (
	"bytes"
	"fmt"
	"net/http"
	"time"
)

// pause is the time between two pieces of a streamed page.
const pause = 270 * time.Millisecond

// stream is a page sent piece by piece, each flushed on its own.
type stream struct {
	pieces [][]byte
}

// newStream cuts the page where it says <!--#pause-->.
func newStream(page []byte) stream {
	return stream{pieces: bytes.Split(page, []byte("<!--#pause-->"))}
}

// ServeHTTP puts the time since the request came in wherever a piece says
// <!--#elapsed-->. It stops when the visitor leaves.
func (s stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", contentTypes[".html"])
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	start := time.Now()
	flusher := http.NewResponseController(w)
	for i, piece := range s.pieces {
		if i > 0 && !sleep(r, pause) {
			return
		}
		elapsed := fmt.Sprintf("+%.2f s", time.Since(start).Seconds())
		w.Write(bytes.ReplaceAll(piece, []byte("<!--#elapsed-->"), []byte(elapsed)))
		flusher.Flush() // where that is not possible, the page still arrives whole
	}
}

// sleep reports whether d passed before the request ended.
func sleep(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
