package collector

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

// twoEvents returns a batch as the listener sends it after a click: two events, some 600 bytes.
func twoEvents() string {
	return fmt.Sprintf(`{"v":1,"page":"0b6f1f6e-51a5-4f0c-9d3c-2f6b8a1f4a11","session":"8f4c1a52-7a0e-4c0b-8b0e-0d1f6f3b7c22",`+
		`"url":"https://www.example.com/products/red-shoes","referrer":"https://www.example.com/","title":"Red shoes","lang":"it-IT","sent_at":1795359600123,`+
		`"events":[{"id":%q,"seq":1,"at":1795359600001,"mono":1234,"type":"WidgetClicked","object":{"elementID":"e1","widgetID":"w1","userID":"u1","type":"Chat"}},`+
		`{"id":%q,"seq":2,"at":1795359600002,"mono":1240,"type":"ChatStarted","object":{"chatID":"c1","userID":"u1"}}]}`,
		newID(), newID())
}

// newID returns an id as the listener makes it: it begins with the time, so that ids of one moment
// lie together in the index.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

func post(h http.Handler, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/.ctlive/events", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func BenchmarkParse(b *testing.B) {
	body := []byte(twoEvents())
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseBatch(body, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// benchOptions are those of a proxy, but for the limit: all senders have one address.
func benchOptions() Options {
	arrival := time.UnixMilli(1795359600200)
	return Options{Rate: math.Inf(1), Trusted: true, Tokens: newMemoryKeys(time.Now).Tokens(), Now: func() time.Time { return arrival }}
}

// BenchmarkDiscard is the handler with everything but the store behind it: the mark that
// BenchmarkDurable is held against.
func BenchmarkDiscard(b *testing.B) {
	c := New(nil, benchOptions())
	benchmark(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := bodies.Get().(*bytes.Buffer)
		defer recycle(buf)
		in := input{site: testSite.Name, received: millis(c.opt.Now())}
		batch, err := c.read(w, r, in.received, buf)
		if err != nil {
			b.Error(err)
		}
		c.prepare(in, &batch, c.requestFlags(r, batch.prerender))
		c.complete(in, &batch)
		writeResults(w, batch.results)
	}))
}

func BenchmarkDurable(b *testing.B) {
	s, err := Open(b.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	benchmark(b, New(s, benchOptions()).Handler(testSite))
}

// benchmark sends batches of two events from 256 senders, without the network, and reports the
// processor time that an event takes, its own making included.
func benchmark(b *testing.B, h http.Handler) {
	b.SetParallelism(256 / 2)
	var slowest atomic.Int64
	before := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			start := time.Now()
			if w := post(h, twoEvents()); w.Code != http.StatusOK {
				b.Error(w.Code, w.Body)
			}
			if d := int64(time.Since(start)); d > slowest.Load() {
				slowest.Store(d)
			}
		}
	})
	events := float64(2 * b.N)
	b.ReportMetric(float64(cpuTime()-before)/events/1000, "cpu-µs/event")
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
