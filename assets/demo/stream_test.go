package demo

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// flushes records what had been written at each flush, and when.
type flushes struct {
	*httptest.ResponseRecorder
	start  time.Time
	pieces []string
	times  []time.Duration
}

func newFlushes() *flushes {
	return &flushes{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
}

func (f *flushes) Flush() {
	f.pieces = append(f.pieces, f.Body.String())
	f.times = append(f.times, time.Since(f.start))
	f.Body.Reset()
}

func TestStreamFlushesEachPiece(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFlushes()
		Handler().ServeHTTP(w, httptest.NewRequest("GET", "/workshop", nil))

		if n := len(w.pieces); n < 10 || w.Body.Len() > 0 {
			t.Fatalf("%d pieces, %d bytes left over", n, w.Body.Len())
		}
		for i, at := range w.times {
			if want := time.Duration(i) * pause; at != want {
				t.Errorf("piece %d left after %v, want %v", i, at, want)
			}
		}
		if total := w.times[len(w.times)-1]; total < 2500*time.Millisecond || total > 4*time.Second {
			t.Errorf("took %v", total)
		}
		if !strings.HasSuffix(w.pieces[0], "<he") {
			t.Errorf("the first piece ends in %q", w.pieces[0])
		}
		if !strings.Contains(w.pieces[2], "+0.54 s") {
			t.Errorf("no time in %q", w.pieces[2])
		}
	})
}

func TestStreamStopsWhenTheVisitorLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), pause+pause/2)
		defer cancel()
		w := newFlushes()
		Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/workshop", nil))
		if len(w.pieces) != 2 || time.Since(w.start) != pause+pause/2 {
			t.Errorf("%d pieces in %v", len(w.pieces), time.Since(w.start))
		}
	})
}

func TestStreamHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFlushes()
		Handler().ServeHTTP(w, httptest.NewRequest("HEAD", "/workshop", nil))
		if w.Code != http.StatusOK || w.Body.Len() > 0 || time.Since(w.start) > 0 {
			t.Errorf("status %d, %d bytes after %v", w.Code, w.Body.Len(), time.Since(w.start))
		}
	})
}

// workshopAtOnce returns the whole streamed page without its pauses.
func workshopAtOnce(t *testing.T) string {
	t.Helper()
	page := newStream(composePage("workshop.html", "/workshop"))
	whole := bytes.Join(page.pieces, nil)
	return string(bytes.ReplaceAll(whole, []byte("<!--#elapsed-->"), []byte("+0.00 s")))
}
