package pace

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A wire is both sides of an exchange as the server sees them: each Read and each
// Write takes as long as the function says, or until a deadline in the past.
type wire struct {
	*httptest.ResponseRecorder
	delay func(operation int) time.Duration
	size  int // of what one Read brings

	operations   int
	once         sync.Once
	cut          chan struct{}
	lastDeadline time.Time
}

func newWire(size int, delay func(int) time.Duration) *wire {
	return &wire{ResponseRecorder: httptest.NewRecorder(), delay: delay, size: size, cut: make(chan struct{})}
}

func (w *wire) wait() error {
	w.operations++
	select {
	case <-time.After(w.delay(w.operations)):
		return nil
	case <-w.cut:
		return os.ErrDeadlineExceeded
	}
}

func (w *wire) Read(p []byte) (int, error) {
	if err := w.wait(); err != nil {
		return 0, err
	}
	return min(w.size, len(p)), nil
}

func (w *wire) Write(p []byte) (int, error) {
	if err := w.wait(); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *wire) Close() error { return nil }

func (w *wire) SetReadDeadline(at time.Time) error  { return w.deadline(at) }
func (w *wire) SetWriteDeadline(at time.Time) error { return w.deadline(at) }

func (w *wire) deadline(at time.Time) error {
	if at.Before(time.Now()) {
		w.once.Do(func() { close(w.cut) })
	}
	w.lastDeadline = at
	return nil
}

func every(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

// onceAt waits longer in one operation of many.
func onceAt(operation int, long, usual time.Duration) func(int) time.Duration {
	return func(i int) time.Duration {
		if i == operation {
			return long
		}
		return usual
	}
}

// The defaults, in fake time.
func TestDefaults(t *testing.T) {
	const hour = time.Hour
	tests := []struct {
		name   string
		wire   func() *wire
		use    func(w http.ResponseWriter, r *http.Request) error
		cutMin time.Duration // 0: it lives for an hour
		cutMax time.Duration
	}{
		{"ReadSilence", func() *wire { return newWire(1, every(2*hour)) }, readOn, 60 * time.Second, 62 * time.Second},
		{"ReadTrickle", func() *wire { return newWire(1, every(300*time.Millisecond)) }, readOn, 29 * time.Second, 62 * time.Second},
		{"ReadDripOfAByteAMinute", func() *wire { return newWire(1, every(59*time.Second)) }, readOn, 59 * time.Second, 4 * time.Minute},
		{"ReadOneKilobyteASecond", func() *wire { return newWire(1024, every(time.Second)) }, readOn, 0, 0},
		{"ReadThroughTunnel", func() *wire { return newWire(1024, onceAt(40, 50*time.Second, 100*time.Millisecond)) }, readOn, 0, 0},
		{"ReadForSlowOrigin", func() *wire { return newWire(1, every(time.Millisecond)) }, readRarely, 0, 0},
		{"WriteStuck", func() *wire { return newWire(0, every(2*hour)) }, writeOn, 120 * time.Second, 122 * time.Second},
		{"WriteSlow", func() *wire { return newWire(0, every(100*time.Second)) }, writeOn, 0, 0},
		{"EventEachMinute", func() *wire { return newWire(0, every(time.Millisecond)) }, writeRarely, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				watch, wire, begin := New(Limits{}), tt.wire(), time.Now()
				defer watch.Close()
				request, _ := http.NewRequestWithContext(t.Context(), "POST", "/", wire)
				request.ProtoMajor = 2
				request.ContentLength = -1
				w, r, done := watch.Wrap(wire, request)
				err := tt.use(w, r)
				lived := time.Since(begin)
				switch {
				case tt.cutMax == 0 && err != nil:
					t.Errorf("cut after %v: %v", lived, err)
				case tt.cutMax > 0 && (!errors.Is(err, ErrTooSlow) || lived < tt.cutMin || lived > tt.cutMax):
					t.Errorf("%v after %v", err, lived)
				case tt.cutMax == 0:
					done()
				}
			})
		})
	}
}

// forAnHour repeats an operation.
func forAnHour(operation func() error) error {
	for begin := time.Now(); time.Since(begin) < time.Hour; {
		if err := operation(); err != nil {
			return err
		}
	}
	return nil
}

func readOn(_ http.ResponseWriter, r *http.Request) error {
	page := make([]byte, 32<<10)
	return forAnHour(func() error { _, err := r.Body.Read(page); return err })
}

func readRarely(_ http.ResponseWriter, r *http.Request) error {
	page := make([]byte, 32<<10)
	return forAnHour(func() error {
		time.Sleep(50 * time.Second) // the origin takes its time
		_, err := r.Body.Read(page)
		return err
	})
}

func writeOn(w http.ResponseWriter, _ *http.Request) error {
	page := make([]byte, 32<<10)
	return forAnHour(func() error { _, err := w.Write(page); return err })
}

func writeRarely(w http.ResponseWriter, _ *http.Request) error {
	return forAnHour(func() error {
		time.Sleep(time.Minute)
		if _, err := io.WriteString(w, "data: 1\n\n"); err != nil {
			return err
		}
		return http.NewResponseController(w).Flush()
	})
}

// A cut reaches whoever waits for the request's context, with its reason.
func TestCutIsTheCauseOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch, wire := New(Limits{}), newWire(1, every(time.Hour))
		defer watch.Close()
		request, _ := http.NewRequestWithContext(t.Context(), "POST", "/", wire)
		request.ContentLength = -1
		_, r, done := watch.Wrap(wire, request)
		r.Body.Read(make([]byte, 1))
		<-r.Context().Done()
		if cause := context.Cause(r.Context()); cause != ErrTooSlow {
			t.Errorf("got %v", cause)
		}
		if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err != ErrTooSlow {
			t.Errorf("after the cut: %d, %v", n, err)
		}
		done()
	})
}

// An aborted write must not look like a complete response.
func TestCutWriteAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch, wire := New(Limits{}), newWire(0, every(time.Hour))
		defer watch.Close()
		request, _ := http.NewRequestWithContext(t.Context(), "GET", "/", nil)
		w, _, done := watch.Wrap(wire, request)
		w.Write([]byte("page"))
		w.WriteHeader(http.StatusEarlyHints)
		if _, err := w.Write([]byte("page")); err != ErrTooSlow {
			t.Errorf("after the cut: %v", err)
		}
		defer func() {
			if got := recover(); got != http.ErrAbortHandler {
				t.Errorf("got %v", got)
			}
			if wire.lastDeadline.After(time.Now()) {
				t.Error("the deadline of the cut was taken back")
			}
		}()
		done()
	})
}

// Operations and cuts in any order leave the marks right.
func TestMarks(t *testing.T) {
	var g gauge
	idle := g.marks.Load()
	if !g.begin() || g.cut(idle) {
		t.Error("cut by an old mark")
	}
	if mark := g.marks.Load(); !g.end(5) || g.cut(mark) || g.bytes.Load() != 5 {
		t.Error("cut after the end")
	}
	g.begin()
	if !g.cut(g.marks.Load()) || g.end(0) || g.begin() || g.begin() || !g.wasCut() || g.marks.Load()&inside != 0 {
		t.Errorf("after the cut: %#x", g.marks.Load())
	}
}

// The list of transfers is empty when all are done, in any order.
func TestListOfTransfers(t *testing.T) {
	watch := New(Limits{})
	defer watch.Close()
	var dones []func()
	for range 5 {
		_, _, done := watch.Wrap(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		dones = append(dones, done)
	}
	for _, i := range []int{2, 0, 4, 1, 3} {
		dones[i]()
	}
	if watch.first != nil {
		t.Error("not empty")
	}
}

func BenchmarkRequest(b *testing.B) {
	for _, body := range []string{"Bodyless", "Body"} {
		b.Run(body, func(b *testing.B) {
			watch := New(Limits{})
			defer watch.Close()
			r := httptest.NewRequest("GET", "/", nil)
			if body == "Body" {
				r.Body, r.ContentLength = io.NopCloser(nil), 10
			}
			wire := newWire(0, nil)
			b.ReportAllocs()
			for b.Loop() {
				_, _, done := watch.Wrap(wire, r)
				done()
			}
		})
	}
}

type sink struct{ http.ResponseWriter }

func (sink) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkWrite32KiB(b *testing.B) {
	watch := New(Limits{})
	defer watch.Close()
	w, _, done := watch.Wrap(sink{httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil))
	defer done()
	page := make([]byte, 32<<10)
	b.ReportAllocs()
	for b.Loop() {
		w.Write(page)
	}
}
