// Package browser drives the listener in headless Chromium against a server that records what it sends.
package browser

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ctlive/assets"
)

// options are those of a configuration that sets nothing.
func options() assets.ListenerOptions {
	return assets.ListenerOptions{Prefix: "/.ctlive/", Consent: "implied", GPC: "respect", Query: "strip"}
}

// batch is what the collector is sent.
type batch struct {
	Page, Session, URL, Referrer, Title, Lang, Token string
	SentAt                                           int64 `json:"sent_at"`
	Events                                           []event

	Seen, Refused, Dropped, Errors int
	RefusedFrom                    string `json:"refused_from"`
	Lost                           map[string]int
	Error                          string
	Memory                         bool
}

type event struct {
	ID, Type string
	Seq      int
	At, Mono int64
	Object   map[string]any
}

// site is a web site with the listener in its pages, and a collector that remembers.
type site struct {
	*httptest.Server
	t        *testing.T
	prefix   string
	listener *assets.Listener

	mu       sync.Mutex
	pages    map[string]document
	handlers map[string]http.HandlerFunc
	watcher  func(*http.Request)            // sees each request to the collector first; nil for none
	refuse   func(http.ResponseWriter) bool // answers in the collector's place; nil while all is well
	requests []batch                        // all that arrived
	stored   []batch                        // those that were answered with 200
}

// document is an HTML page; {ctlive} in its body stands for the injected markup.
type document struct {
	body   string
	header map[string]string
}

func newSite(t *testing.T, o assets.ListenerOptions) *site {
	t.Helper()
	l, err := assets.NewListener(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, prefix: o.Prefix, listener: l, pages: map[string]document{}, handlers: map[string]http.HandlerFunc{}}
	s.page("/", `<!doctype html><head>{ctlive}<title>Shop</title></head><body>`+widget)
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// widget gives a page the function post, which does what the CTLive SDK does.
const widget = `<script>
function post(type, object) { postMessage({name: "CTLiveEvent", type: type, object: object || {}}, "*") }
</script>`

// page adds a page, its headers given as "Name: value".
func (s *site) page(path, body string, headers ...string) {
	h := map[string]string{}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		h[name] = value
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = document{body, h}
}

// handle has h answer for path.
func (s *site) handle(path string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[path] = h
}

// markup returns what the proxy would inject; attributes go to the element.
func (s *site) markup(attributes string) string {
	return "<script data-ctlive" + attributes + ">" + s.listener.Inline() + "</script>"
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == s.prefix+"events":
		s.collect(w, r)
	case strings.HasPrefix(r.URL.Path, s.prefix):
		s.listener.ServeHTTP(w, r)
	default:
		s.servePage(w, r)
	}
}

func (s *site) servePage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	p, isPage := s.pages[r.URL.Path]
	h, isHandled := s.handlers[r.URL.Path]
	s.mu.Unlock()
	if isHandled {
		h(w, r)
		return
	}
	if !isPage {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	for name, value := range p.header {
		w.Header().Set(name, value)
	}
	io.WriteString(w, strings.ReplaceAll(p.body, "{ctlive}", s.markup("")))
}

// watch has look see each request to the collector.
func (s *site) watch(look func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watcher = look
}

func (s *site) collect(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	look := s.watcher
	s.mu.Unlock()
	if look != nil {
		look(r)
	}
	var b batch
	raw, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(raw, &b); err != nil {
		s.t.Errorf("a batch that is no JSON (%v): %.200q", err, raw)
	}
	if len(raw) > 48<<10 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
		s.t.Errorf("a batch of %d bytes, %s", len(raw), r.Header.Get("Content-Type"))
	}
	s.mu.Lock()
	s.requests = append(s.requests, b)
	refuse := s.refuse
	s.mu.Unlock()
	if refuse != nil && refuse(w) {
		return
	}
	s.mu.Lock()
	s.stored = append(s.stored, b)
	s.mu.Unlock()
	fmt.Fprint(w, `{"results":[]}`)
}

// answer makes the collector answer status from here on; 200 makes it well again.
func (s *site) answer(status int, headers ...string) {
	if status == http.StatusOK {
		s.answerBy(nil)
		return
	}
	s.answerBy(func(w http.ResponseWriter) bool {
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		return true
	})
}

// answerBy has refuse look at each batch first; it reports whether it has answered.
func (s *site) answerBy(refuse func(http.ResponseWriter) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// batches returns what has been stored.
func (s *site) batches() []batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stored)
}

// attempts returns how many requests have come in.
func (s *site) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// request returns what arrived last.
func (s *site) request() batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[len(s.requests)-1]
}

// events returns every stored event, as often as it was sent.
func (s *site) events() []event {
	var all []event
	for _, b := range s.batches() {
		all = append(all, b.Events...)
	}
	return all
}

// types returns the types of the stored events, one string.
func (s *site) types() string {
	var names []string
	for _, e := range s.events() {
		names = append(names, e.Type)
	}
	return strings.Join(names, " ")
}

// await waits until ok, or fails the test with what was sent instead.
func (s *site) await(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("no %s; %d requests, stored: %+v", what, s.attempts(), s.batches())
		}
	}
}

// awaitTypes waits for exactly these events, once each and in this order, and for nothing to follow them.
func (s *site) awaitTypes(want string) {
	s.t.Helper()
	s.await(fmt.Sprintf("%q", want), func() bool { return len(s.types()) >= len(want) })
	time.Sleep(500 * time.Millisecond)
	if got := s.types(); got != want {
		s.t.Fatalf("stored %q, want %q", got, want)
	}
}

func (s *site) awaitAttempts(n int) {
	s.t.Helper()
	s.await(fmt.Sprintf("%d requests", n), func() bool { return s.attempts() >= n })
}

// distinct returns how many different ids there are among events, and fails the test for those that are no UUID.
func distinct(t *testing.T, events []event) int {
	t.Helper()
	ids := map[string]bool{}
	for _, e := range events {
		if !isUUID(e.ID) {
			t.Errorf("id %q is no UUID", e.ID)
		}
		ids[e.ID] = true
	}
	return len(ids)
}
