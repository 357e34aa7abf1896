package proxy

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"ctlive/inject"
)

const page = "<!doctype html><head><title>x</title>"

// logged is a log that is read while it is written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await returns the log once it has text, or as it is after 30 seconds: a line is
// written when the visitor has the answer already.
func (l *logged) await(text string) string {
	for range 3000 {
		if strings.Contains(l.String(), text) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return l.String()
}

// start serves a proxy in front of origin and returns its URL and its log.
func start(t *testing.T, origin http.Handler, hosts ...string) (string, *logged) {
	t.Helper()
	upstream := httptest.NewServer(origin)
	t.Cleanup(upstream.Close)
	var log logged
	p, err := New(Options{
		Sites: []Site{testSite(t, upstream.URL, hosts...)}, AccessLog: true, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	return front.URL, &log
}

func testSite(t testing.TB, to string, hosts ...string) Site {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return Site{
		Hosts: hosts, Upstreams: []*url.URL{u}, Prefix: "/.ctlive/",
		Injector: inject.New(inject.Options{Tag: inject.Tag{HTML: "<script data-ctlive></script>"}}),
		Listener: says("listener"), Events: says("events"),
	}
}

func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })
}

func servesPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, page)
}

// ask sends one request and returns the answer, its body read.
func ask(t *testing.T, method, url, host string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestSites(t *testing.T) {
	front, _ := start(t, http.HandlerFunc(servesPage), "a.test", "::1")
	for host, status := range map[string]int{
		"a.test": 200, "A.TEST": 200, "a.test.": 200, "a.test:8080": 200, "[::1]:8080": 200, "b.test": 404, "xa.test": 404,
	} {
		if res, body := ask(t, "GET", front+"/", host); res.StatusCode != status {
			t.Errorf("%s: %d %q, want %d", host, res.StatusCode, body, status)
		}
	}
}

func TestCatchAll(t *testing.T) {
	front, _ := start(t, http.HandlerFunc(servesPage), "*")
	if res, _ := ask(t, "GET", front+"/", "whatever.test"); res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestHostOfTwoSites(t *testing.T) {
	_, err := New(Options{Sites: []Site{testSite(t, "http://o.test", "a.test"), testSite(t, "http://o.test", "b.test", "a.test")}})
	if err == nil || !strings.Contains(err.Error(), "a.test") {
		t.Errorf("got %v", err)
	}
}

func TestReservedPath(t *testing.T) {
	front, _ := start(t, says("origin"), "*")
	for path, want := range map[string]string{
		"/.ctlive/events": "events", "/.ctlive/listener.js": "listener", "/.ctlive/listener.0a.js": "listener",
		"/.ctlive/other": "404 page not found\n", "/.ctlive/": "404 page not found\n", "/.ctlive/%65vents": "404 page not found\n",
		"/.ctlive": "origin", "/x/.ctlive/events": "origin",
	} {
		if _, body := ask(t, "POST", front+path, "a.test"); body != want {
			t.Errorf("%s: %q, want %q", path, body, want)
		}
	}
}

func TestPageIsInjected(t *testing.T) {
	front, log := start(t, http.HandlerFunc(servesPage), "*")
	res, body := ask(t, "GET", front+"/secret?token=geheim", "a.test", "Authorization", "Bearer geheim", "Cookie", "geheim=1")
	if want := strings.Replace(page, "<head>", "<head><script data-ctlive></script>", 1); body != want {
		t.Errorf("got %q, want %q", body, want)
	}
	if got, want := res.ContentLength, int64(len(body)); got != want {
		t.Errorf("Content-Length %d, want %d", got, want)
	}
	if line := log.await("inject=injected"); !strings.Contains(line, "inject=injected") || strings.Contains(line, "geheim") {
		t.Errorf("log: %s", line)
	}
}

func TestFetchIsNot(t *testing.T) {
	front, log := start(t, http.HandlerFunc(servesPage), "*")
	if _, body := ask(t, "GET", front+"/", "a.test", "Sec-Fetch-Dest", "empty"); body != page {
		t.Errorf("got %q", body)
	}
	if line := log.await("inject=fetch"); !strings.Contains(line, "inject=fetch") {
		t.Errorf("log: %s", line)
	}
}

func TestOriginDown(t *testing.T) {
	p, err := New(Options{Sites: []Site{testSite(t, "http://127.0.0.1:1", "*")}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(p)
	defer front.Close()
	res, body := ask(t, "GET", front.URL+"/", "a.test")
	if res.StatusCode != http.StatusBadGateway || strings.Contains(body, "127.0.0.1") {
		t.Errorf("got %d %q", res.StatusCode, body)
	}
	if _, body := ask(t, "POST", front.URL+"/.ctlive/events", "a.test"); body != "events" {
		t.Errorf("the collector answers %q", body)
	}
}

// TestOriginDies: a page that breaks off is an error for the visitor, too (P42).
func TestOriginDies(t *testing.T) {
	front, _ := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		servesPage(w, r)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}), "*")
	res, err := http.Get(front)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("a clean end after %q", body)
	}
}

// TestForwardedFields: the visitor cannot speak for the proxy.
func TestForwardedFields(t *testing.T) {
	front, _ := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("X-Forwarded-For"), " ", r.Header.Get("X-Forwarded-Host"), " ", r.Header.Get("Forwarded"))
	}), "*")
	_, body := ask(t, "GET", front, "a.test", "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil.test", "Forwarded", "for=6.6.6.6")
	if body != "127.0.0.1 a.test " {
		t.Errorf("the origin saw %q", body)
	}
}

// TestUserAgentNotInvented: what the visitor did not send is not added (edge 76).
func TestUserAgentNotInvented(t *testing.T) {
	seen := make(chan http.Header, 1)
	front, _ := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen <- r.Header }), "*")
	r, _ := http.NewRequest("GET", front, nil)
	r.Header["User-Agent"] = nil
	res, err := (&http.Transport{DisableCompression: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if h := <-seen; h["User-Agent"] != nil || h["Accept-Encoding"] != nil {
		t.Errorf("the origin saw %v", h)
	}
}

func TestAddress(t *testing.T) {
	for target, want := range map[string]string{
		"/":                  "/",
		"/a//b/../c?x;y=%zz": "/a//b/../c?x;y=%zz",
		"//evil.test/":       "//evil.test/",
		"/a%2Fb":             "/a%2Fb",
		"/a|b\\c":            "/a|b\\c",
		"/x?":                "/x?",
		"http://a.test/x?y":  "/x?y",
	} {
		in := httptest.NewRequest("GET", "/", nil)
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		in.RequestURI, in.URL = target, u
		out := *u
		address(&out, in)
		if got := out.RequestURI(); got != want {
			t.Errorf("%s asks for %s, want %s", target, got, want)
		}
	}
}

func ExampleNew() {
	origin := httptest.NewServer(http.HandlerFunc(servesPage))
	defer origin.Close()
	to, _ := url.Parse(origin.URL)
	p, err := New(Options{
		Logger: slog.New(slog.DiscardHandler),
		Sites: []Site{{
			Hosts: []string{"*"}, Upstreams: []*url.URL{to}, Prefix: "/.ctlive/",
			Injector: inject.New(inject.Options{Tag: inject.Tag{HTML: "<script data-ctlive></script>"}}),
			Listener: http.NotFoundHandler(), Events: http.NotFoundHandler(),
		}},
	})
	if err != nil {
		panic(err)
	}
	defer p.Close()
	answer := httptest.NewRecorder()
	p.ServeHTTP(answer, httptest.NewRequest("GET", "http://www.example.com/", nil))
	fmt.Println(answer.Body)
	// Output: <!doctype html><head><script data-ctlive></script><title>x</title>
}
