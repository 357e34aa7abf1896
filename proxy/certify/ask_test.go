package certify

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// askServer allows some names, and records who it was asked about.
type askServer struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newAskServer(t *testing.T, allowed ...string) *askServer {
	s := &askServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("domain")
		s.mu.Lock()
		s.asked = append(s.asked, name)
		s.mu.Unlock()
		for _, a := range allowed {
			if a == name {
				return
			}
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *askServer) questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

func TestUnlistedHostsAreAskedFor(t *testing.T) {
	server := newAskServer(t, "new.test")
	var told events
	e := newEdge(t, Options{Internal: true, Ask: server.URL + "/?key=1", Sites: sites("a.test"), Event: told.note})
	e.mustVisit("new.test")
	e.mustVisit("new.test")
	e.refuses("denied.test")
	e.refuses("denied.test")
	e.mustVisit("a.test")
	if got := fmt.Sprint(server.questions()); got != "[new.test denied.test]" {
		t.Errorf("asked %s", got)
	}
	if told.count("obtained denied.test") != 0 {
		t.Error("obtained a denied certificate")
	}
}

func TestAskIsNotBotheredWithOddNames(t *testing.T) { // edge 33
	server := newAskServer(t)
	e := newEdge(t, Options{Internal: true, Ask: server.URL, Sites: sites("a.test")})
	for _, name := range []string{
		"", "192.0.2.1", "[2001:db8::1]", "*.x.test", "..x", "single", "x..test", "b\u00fccher.test", "a b.test", "x.test/../y",
		strings.Repeat("a", 64) + ".test", strings.Repeat("a.", 130) + "test", "x.123", ".", "%00.test", "a\x00.test",
	} {
		if p := e.plan.Load(); canonical(name) != "" && e.mayObtain(p, canonical(name), helloFor(name)) {
			t.Errorf("%q may have a certificate", name)
		}
	}
	if asked := server.questions(); len(asked) != 0 {
		t.Errorf("asked about %q", asked)
	}
}

func TestAskFlood(t *testing.T) { // edge 58
	server := newAskServer(t)
	var told events
	e := newEdge(t, Options{Internal: true, Ask: server.URL, Sites: sites("a.test"), Event: told.note})
	a := e.plan.Load().ask
	for i := range 30_000 {
		a.allows(t.Context(), fmt.Sprintf("n%d.test", i))
	}
	if n := len(server.questions()); n > 500 {
		t.Errorf("%d questions", n)
	}
	if len(e.hosts) != 1 || len(told.seen) != 0 {
		t.Errorf("%d hosts, events %v", len(e.hosts), told.seen)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	a := newAsker(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
	defer a.close()
	a.url.Scheme = "none" // fails at once
	for i := range 3 * maxAnswers {
		a.answer(fmt.Sprint(i), &question{done: make(chan struct{})})
	}
	if n := len(a.answers[0]) + len(a.answers[1]); n > 2*maxAnswers {
		t.Errorf("%d answers kept", n)
	}
}

// askFunc stands in for the network.
type askFunc func(name string) (status int, err error)

func (f askFunc) RoundTrip(r *http.Request) (*http.Response, error) {
	status, err := f(r.URL.Query().Get("domain"))
	return &http.Response{StatusCode: status, Body: http.NoBody}, err
}

func TestAnswersAreForgotten(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		err    error
		life   time.Duration
	}{
		{"allowed", 200, nil, allowedFor},
		{"denied", 404, nil, deniedFor},
		{"busy", 503, nil, failedFor},
		{"unreachable", 0, errors.New("unreachable"), failedFor},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				a := newAsker(&url.URL{Scheme: "http", Host: "ask.test"})
				defer a.close()
				a.client.Transport = askFunc(func(string) (int, error) { asked++; return c.status, c.err })
				for range 2 {
					a.allows(t.Context(), "x.test")
					time.Sleep(c.life - time.Millisecond)
				}
				if asked != 1 {
					t.Errorf("asked %d times within %v", asked, c.life)
				}
				a.allows(t.Context(), "x.test")
				if asked != 2 {
					t.Errorf("asked %d times after %v", asked, c.life)
				}
			})
		})
	}
}

func TestAskAnswers(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		allowed bool
		failed  bool
	}{
		{"200", func(w http.ResponseWriter, r *http.Request) {}, true, false},
		{"204", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }, false, false},
		{"403", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) }, false, false},
		{"500", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }, false, true},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/yes" {
				http.Redirect(w, r, "/yes", 302)
			}
		}, false, false},
		{"closes", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, false, true},
		{"endless body", func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1<<20)) }, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			u, _ := url.Parse(server.URL)
			a := newAsker(u)
			defer a.close()
			allowed, err := a.allows(t.Context(), "x.test")
			if allowed != c.allowed || (err != nil) != c.failed {
				t.Errorf("got %v, %v", allowed, err)
			}
		})
	}
}

func TestAskIsDown(t *testing.T) {
	e := newEdge(t, Options{Internal: true, Ask: "http://127.0.0.1:1/", Sites: sites("a.test")})
	e.refuses("new.test")
	e.mustVisit("a.test")
}

func TestAskIsSlow(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a timeout")
	}
	release := make(chan struct{})
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1); <-release }))
	defer server.Close()
	defer close(release)
	e := newEdge(t, Options{Internal: true, Ask: server.URL, Sites: sites("a.test")})
	begun := time.Now()
	var visits sync.WaitGroup
	for range 10 {
		visits.Go(func() { e.refuses("new.test") })
	}
	visits.Wait()
	if took := time.Since(begun); took > askTimeout+2*time.Second {
		t.Errorf("took %v", took)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	e.mustVisit("a.test")
}

func TestRenewalAsksAgain(t *testing.T) {
	var denied atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if denied.Load() {
			w.WriteHeader(403)
		}
	}))
	defer server.Close()
	var told events
	e := newEdge(t, Options{Ask: server.URL, CA: "https://127.0.0.1:1/dir", Sites: sites("a.test"), Event: told.note})
	if err := e.onEvent(t.Context(), "cert_obtaining", map[string]any{"identifier": "x.test", "renewal": true}); err != nil {
		t.Error(err)
	}
	denied.Store(true)
	err := e.onEvent(t.Context(), "cert_obtaining", map[string]any{"identifier": "y.test", "renewal": true})
	if err == nil || told.count("denied y.test") != 1 {
		t.Errorf("got %v, %v", err, told.seen)
	}
	if err := e.onEvent(t.Context(), "cert_obtaining", map[string]any{"identifier": "a.test", "renewal": true}); err != nil {
		t.Errorf("a listed host was asked about: %v", err)
	}
}
