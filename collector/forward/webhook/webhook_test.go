package webhook

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ctlive/collector"
)

const testSecret = "s3cret"

// receiver notes what it takes and fails as it is told.
type receiver struct {
	fault func(attempt int) string // "": none

	mu       sync.Mutex
	attempts int
	bodies   [][]byte // those that it took
	forged   []string // signatures that are wrong
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts++
	fault := ""
	if r.fault != nil {
		fault = r.fault(r.attempts)
	}
	if fault == "cut" {
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if field := req.Header.Get(SignatureField); !signed(field, body) {
		r.forged = append(r.forged, field)
	}
	switch fault {
	case "unavailable":
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	case "moved":
		http.Redirect(w, req, "/elsewhere", http.StatusTemporaryRedirect)
		return
	case "silent":
		<-req.Context().Done()
		return
	}
	r.bodies = append(r.bodies, body)
	switch fault {
	case "taken but cut":
		panic(http.ErrAbortHandler)
	case "taken but half an answer":
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "o")
		panic(http.ErrAbortHandler)
	}
}

func signed(field string, body []byte) bool {
	var unix int64
	_, err := fmt.Sscanf(field, "t=%d,", &unix)
	return err == nil && field == signature([]byte(testSecret), time.Unix(unix, 0), body)
}

// events returns the ids of all events that were taken, in order.
func (r *receiver) events(t *testing.T) (ids []string) {
	t.Helper()
	for _, body := range r.bodies {
		var b struct {
			V      int                `json:"v"`
			ID     string             `json:"id"`
			Events []collector.Record `json:"events"`
		}
		if err := json.Unmarshal(body, &b); err != nil || b.V != 1 || b.ID == "" {
			t.Fatalf("%v: %.100s", err, body)
		}
		if len(b.Events) > maxEvents || len(body) > maxBody && len(b.Events) > 1 {
			t.Errorf("a batch of %d events, %d bytes", len(b.Events), len(body))
		}
		for _, e := range b.Events {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

func newSink(t *testing.T, r *receiver) *Sink {
	t.Helper()
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	s, err := New(Options{URL: srv.URL + "/hook?token=t0ken", Secret: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func someEvents(first, n, size int) []collector.Record {
	events := make([]collector.Record, n)
	for i := range events {
		events[i] = collector.Record{Row: int64(first + i), ID: fmt.Sprintf("e%06d", first+i), Site: "shop", Type: "Loaded", Flags: []string{},
			Object: jsontext.Value(fmt.Sprintf(`{"x":%q}`, strings.Repeat("x", size)))}
	}
	return events
}

func idsOf(events []collector.Record) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestBatchesAreBounded(t *testing.T) {
	tests := []struct {
		name           string
		n, size, posts int
	}{
		{"none", 0, 0, 0},
		{"one", 1, 0, 1},
		{"full", maxEvents, 0, 1},
		{"one more", maxEvents + 1, 0, 2},
		{"large events", 40, 64 << 10, 3},
		{"an event beyond the bound", 3, maxBody, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &receiver{}
			events := someEvents(0, test.n, test.size)
			if err := newSink(t, r).Send(t.Context(), events); err != nil {
				t.Fatal(err)
			}
			if got := r.events(t); !slices.Equal(got, idsOf(events)) {
				t.Errorf("got %d events of %d, or in another order", len(got), len(events))
			}
			if len(r.bodies) != test.posts {
				t.Errorf("%d batches, want %d", len(r.bodies), test.posts)
			}
		})
	}
}

func TestBatchIDIsOfItsEvents(t *testing.T) {
	id := func(events []collector.Record) string {
		for body := range batches(events) {
			return string(body[:64])
		}
		return ""
	}
	events := someEvents(0, 3, 10)
	if id(events) != id(someEvents(0, 3, 10)) {
		t.Error("the same batch has another id when it comes again")
	}
	if id(events) == id(events[:2]) || id(events) == id(someEvents(1, 3, 10)) {
		t.Error("other events have the same id")
	}
}

func TestRecordComesAsItWas(t *testing.T) {
	r := &receiver{}
	e := someEvents(7, 1, 0)[0]
	e.Object, e.Extra = jsontext.Value(`{"nul":"\u0000","n":1e999,"n":2}`), jsontext.Value(`{"a":[1.0]}`)
	e.Title = "half a character \xe2\x82"
	if err := newSink(t, r).Send(t.Context(), []collector.Record{e}); err != nil {
		t.Fatal(err)
	}
	body := string(r.bodies[0])
	for _, want := range []string{string(e.Object), string(e.Extra), "half a character \ufffd\ufffd"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

// A receiver that fails every third time, in all ways: nothing that it was given is missing, and
// what comes first comes first.
func TestEveryAcceptedEventArrives(t *testing.T) {
	faults := []string{"unavailable", "cut", "taken but cut", "silent", "moved", "taken but half an answer"}
	r := &receiver{fault: func(attempt int) string {
		if attempt%3 != 0 {
			return ""
		}
		return faults[attempt/3%len(faults)]
	}}
	s := newSink(t, r)
	s.client.Timeout = 500 * time.Millisecond
	var sent []string
	for n := 0; n < 60; n++ {
		events := someEvents(n*20, 20, 100)
		for s.Send(t.Context(), events) != nil {
		}
		sent = append(sent, idsOf(events)...)
	}
	if len(r.forged) > 0 {
		t.Errorf("wrong signatures: %q", r.forged)
	}
	arrived := r.events(t)
	if len(arrived) == len(sent) {
		t.Error("no batch came twice, so no answer was lost")
	}
	var distinct []string
	known := map[string]bool{}
	for _, id := range arrived {
		if !known[id] {
			distinct = append(distinct, id)
		}
		known[id] = true
	}
	if !slices.Equal(distinct, sent) {
		t.Errorf("%d events arrived of %d, or in another order", len(distinct), len(sent))
	}
}

func TestOnly2xxIsAcceptance(t *testing.T) {
	for status, want := range map[int]bool{200: true, 202: true, 204: true, 299: true, 300: false, 301: false, 303: false, 400: false, 404: false, 410: false, 413: false, 429: false, 500: false} {
		followed := false
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			followed = followed || r.URL.Path == "/elsewhere"
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		s, err := New(Options{URL: srv.URL, Secret: testSecret})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), someEvents(0, 1, 0)); (err == nil) != want {
			t.Errorf("%d: %v", status, err)
		}
		if followed {
			t.Errorf("%d: followed", status)
		}
		s.Close()
		srv.Close()
	}
}

func TestErasure(t *testing.T) {
	r := &receiver{}
	note := collector.Erasure{Row: 3, Kind: "user", ID: "u1", At: 1795348799000}
	if err := newSink(t, r).Erase(t.Context(), []collector.Erasure{note}); err != nil {
		t.Fatal(err)
	}
	const want = `{"v":1,"erased":[{"kind":"user","id":"u1","at":"2026-11-22T11:59:59.000Z"}]}`
	if len(r.bodies) != 1 || string(r.bodies[0]) != want {
		t.Errorf("got %s, want %s", r.bodies, want)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for field, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "99999": time.Hour, "99999999999999999999": 0,
		"Mon, 23 Nov 2026 12:00:30 GMT": 30 * time.Second, "Mon, 23 Nov 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(field, now); got != want {
			t.Errorf("%q: %v, want %v", field, got, want)
		}
	}
}

func TestErrorsTellNoSecrets(t *testing.T) {
	refused := &receiver{fault: func(int) string { return "unavailable" }}
	cut := &receiver{fault: func(int) string { return "cut" }}
	closed := newSink(t, &receiver{})
	closed.url = "http://u:t0ken@127.0.0.1:1/hook?token=t0ken"
	ended, end := context.WithCancel(t.Context())
	end()
	var all []error
	for _, s := range []*Sink{newSink(t, refused), newSink(t, cut), closed} {
		all = append(all, s.Send(t.Context(), someEvents(0, 1, 0)), s.Erase(t.Context(), make([]collector.Erasure, 1)), s.Send(ended, someEvents(0, 1, 0)))
	}
	for _, o := range []Options{{URL: "http://a b/t0ken", Secret: testSecret}, {URL: "ftp://t0ken@a/", Secret: testSecret}, {URL: "/t0ken", Secret: testSecret}, {URL: "http://a/t0ken"}} {
		_, err := New(o)
		all = append(all, err)
	}
	for i, err := range all {
		if err == nil {
			t.Errorf("%d: no error", i)
		} else if text := err.Error(); strings.Contains(text, "t0ken") || strings.Contains(text, testSecret) {
			t.Error(text)
		}
	}
}

func TestEndlessAnswer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	s, err := New(Options{URL: srv.URL, Secret: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(t.Context(), someEvents(0, 1, 0)); err != nil {
		t.Error(err) // it is 200, and as complete as we want to know
	}
}
