package collector

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var testSite = Site{Name: "www.example.com", Hosts: []string{"www.example.com", "example.com"}}

var testTime = time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC)

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// newEndpoint returns the endpoint of testSite in front of a new store. Its clock stands at testTime unless opt says otherwise.
func newEndpoint(t testing.TB, opt Options) (http.Handler, *Store) {
	t.Helper()
	s := openStore(t, t.TempDir())
	if opt.Now == nil {
		opt.Now = func() time.Time { return testTime }
	}
	return New(s, opt).Handler(testSite), s
}

// answer is what a sender gets back.
type answer struct {
	code    int
	header  http.Header
	Results []Result `json:"results"`
	Reason  string   `json:"reason"`
	Message string   `json:"message"`
}

// verdicts returns the results as "verdict reason flags".
func (a answer) verdicts() []string {
	var all []string
	for _, r := range a.Results {
		all = append(all, strings.TrimSpace(string(r.Verdict)+" "+r.Reason+strings.Join(r.Flags, ",")))
	}
	return all
}

// send posts body; headers are "Name: value", an empty value removes.
func send(t testing.TB, h http.Handler, body io.Reader, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "https://www.example.com/.ctlive/events", body)
	r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(strings.TrimSuffix(name, ":"))
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{code: w.Code, header: w.Header()}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("answer %d is no JSON: %q", w.Code, w.Body)
	}
	return a
}

func sendText(t testing.TB, h http.Handler, body string, headers ...string) answer {
	t.Helper()
	return send(t, h, strings.NewReader(body), headers...)
}

// batchOf returns a batch with the given events.
func batchOf(events ...string) string {
	return `{"v":1,"page":"p1","session":"s1","url":"https://www.example.com/","referrer":"","title":"Home","lang":"it-IT","events":[` +
		strings.Join(events, ",") + `]}`
}

// loaded returns an event with the given id.
func loaded(id string) string {
	return fmt.Sprintf(`{"id":%q,"seq":1,"at":1795359600001,"type":"Loaded","object":{"userID":"u1"}}`, id)
}

func zipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func collect[T any](t testing.TB, seq func(func(T, error) bool)) []T {
	t.Helper()
	var all []T
	for item, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, item)
	}
	return all
}

func allEvents(t testing.TB, s *Store) []Record {
	t.Helper()
	return collect(t, s.Events(context.Background(), Filter{}))
}

func allRejects(t testing.TB, s *Store) []Reject {
	t.Helper()
	return collect(t, s.Rejected(context.Background(), Filter{}))
}

func TestAnswers(t *testing.T) {
	plain := batchOf(loaded("a"))
	large := batchOf(`{"type":"Loaded","object":{"pad":"` + strings.Repeat("x", defaultMaxBody) + `"}}`)
	tests := []struct {
		name    string
		body    string
		headers []string
		code    int
		reason  string
	}{
		{"plain text", plain, nil, 200, ""},
		{"json", plain, []string{"Content-Type: application/json; charset=utf-8"}, 200, ""},
		{"upper case type", plain, []string{"Content-Type: Text/Plain"}, 200, ""},
		{"no type", plain, []string{"Content-Type: "}, 200, ""},
		{"identity", plain, []string{"Content-Encoding: identity"}, 200, ""},
		{"gzip", string(zipped(t, plain)), []string{"Content-Encoding: gzip"}, 200, ""},
		{"empty batch", batchOf(), nil, 200, ""},
		{"bare message", `{"name":"CTLiveEvent","type":"Loaded","object":{}}`, nil, 200, ""},
		{"bare messages", ` [{"name":"CTLiveEvent","type":"Loaded","object":{}}]`, nil, 200, ""},
		{"no bare messages", `[]`, nil, 200, ""},
		{"own page", plain, []string{"Origin: https://www.example.com", "Sec-Fetch-Site: same-origin"}, 200, ""},

		{"empty", "", nil, 400, "bad_json"},
		{"malformed", `{"v":1,`, nil, 400, "bad_json"},
		{"two values", plain + plain, nil, 400, "bad_json"},
		{"not an object", `"CTLiveEvent"`, nil, 400, "not_a_batch"},
		{"null", `null`, nil, 400, "not_a_batch"},
		{"another message", `{"name":"Other","type":"Loaded"}`, nil, 400, "not_a_batch"},
		{"no events", `{"v":1,"page":"p"}`, nil, 400, "not_a_batch"},
		{"events no array", `{"v":1,"events":{}}`, nil, 400, "not_a_batch"},
		{"events null", `{"v":1,"events":null}`, nil, 400, "not_a_batch"},
		{"other version", `{"v":2,"events":[]}`, nil, 400, "version"},
		{"version text", `{"v":"1","events":[]}`, nil, 400, "version"},
		{"not UTF-8", `{"v":1,"title":"` + "\xff" + `","events":[]}`, nil, 400, "bad_utf8"},
		{"byte order mark", "\ufeff" + plain, nil, 400, "bad_json"},
		{"nested beyond reading", strings.Repeat("[", 20_000), nil, 400, "bad_json"},
		{"gzip broken", "hello", []string{"Content-Encoding: gzip"}, 400, "bad_gzip"},
		{"gzip cut", string(zipped(t, plain)[:40]), []string{"Content-Encoding: gzip"}, 400, "bad_gzip"},

		{"large", large, nil, 413, "too_large"},
		{"gzip bomb", string(zipped(t, large)), []string{"Content-Encoding: gzip"}, 413, "too_large"},
		{"many events", batchOf(slices.Repeat([]string{"{}"}, maxEvents+1)...), nil, 413, "too_many_events"},

		{"form", plain, []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "content_type"},
		{"brotli", plain, []string{"Content-Encoding: br"}, 415, "content_encoding"},
		{"gzip twice", plain, []string{"Content-Encoding: gzip, gzip"}, 415, "content_encoding"},

		{"cross-site", plain, []string{"Sec-Fetch-Site: cross-site"}, 403, "cross_site"},
		{"other origin", plain, []string{"Origin: https://evil.example"}, 403, "cross_site"},
		{"null origin", plain, []string{"Origin: null"}, 403, "cross_site"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, s := newEndpoint(t, Options{})
			a := sendText(t, h, test.body, test.headers...)
			if a.code != test.code || a.Reason != test.reason {
				t.Errorf("got %d %q (%s), want %d %q", a.code, a.Reason, a.Message, test.code, test.reason)
			}
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("header %v", a.header)
			}
			rejects := allRejects(t, s)
			if kept := test.code == 400 || test.code == 413 || test.code == 415; kept != (len(rejects) == 1) {
				t.Errorf("quarantine holds %d", len(rejects))
			}
			if len(rejects) == 1 && rejects[0].Reason != test.reason {
				t.Errorf("quarantined for %q", rejects[0].Reason)
			}
		})
	}
}

func TestMethods(t *testing.T) {
	h, _ := newEndpoint(t, Options{})
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/.ctlive/events", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestE1VerdictPerEvent(t *testing.T) {
	h, s := newEndpoint(t, Options{})
	oversize := `{"id":"big","type":"Loaded","object":{"pad":"` + strings.Repeat("x", maxEvent) + `"}}`
	a := sendText(t, h, batchOf(
		loaded("good"),
		`{"id":"new","type":"CoBrowsingStarted","object":{"x":1}}`,
		oversize,
		loaded("good"),
		`17`,
		`{"id":"odd","type":"ChatStarted","object":{"chatID":7}}`,
	))
	want := []string{"stored", "stored unknown_type", "rejected too_large", "duplicate", "rejected not_an_event", "stored bad_field"}
	if a.code != 200 || !slices.Equal(a.verdicts(), want) {
		t.Errorf("got %d %q, want %q", a.code, a.verdicts(), want)
	}
	var ids []string
	for _, r := range a.Results {
		ids = append(ids, r.ID)
	}
	if want := []string{"good", "new", "big", "good", "", "odd"}; !slices.Equal(ids, want) {
		t.Errorf("ids %q, want %q", ids, want)
	}
	if n := len(allEvents(t, s)); n != 3 {
		t.Errorf("%d events stored, want 3", n)
	}
	rejects := allRejects(t, s)
	if len(rejects) != 2 || string(rejects[0].Raw) != oversize || string(rejects[1].Raw) != "17" {
		t.Errorf("quarantine: %+v", rejects)
	}
}

func TestE2QuarantineKeepsTheBytes(t *testing.T) {
	h, s := newEndpoint(t, Options{Now: func() time.Time { return testTime }})
	body := zipped(t, batchOf(loaded("a")))[:50]
	a := send(t, h, bytes.NewReader(body), "Content-Encoding: gzip")
	if a.code != 400 {
		t.Fatalf("got %d", a.code)
	}
	got := allRejects(t, s)[0]
	sum := newReject(reject("", ""), body, 0).SHA256
	if !bytes.Equal(got.Raw, body) || got.Length != 50 || got.SHA256 != sum || len(sum) != 64 {
		t.Errorf("quarantined %+v", got)
	}
	if got.ContentEncoding != "gzip" || got.ContentType != "text/plain;charset=UTF-8" || got.Client != "192.0.2.0" ||
		got.Site != testSite.Name || got.ReceivedAt != millis(testTime) || got.Reason != "bad_gzip" || got.Message == "" {
		t.Errorf("quarantined %+v", got)
	}
}

// endless is a body that never ends, and counts what is taken from it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestE3LimitBeforeRead(t *testing.T) {
	t.Run("undeclared", func(t *testing.T) {
		h, s := newEndpoint(t, Options{})
		var body endless
		if a := send(t, h, &body); a.code != 413 || a.header.Get("Connection") != "close" {
			t.Errorf("got %d %v", a.code, a.header)
		}
		if body.read > 2*defaultMaxBody {
			t.Errorf("read %d bytes", body.read)
		}
		if r := allRejects(t, s)[0]; len(r.Raw) != maxRaw || r.Length != defaultMaxBody {
			t.Errorf("kept %d of %d bytes", len(r.Raw), r.Length)
		}
	})
	t.Run("declared", func(t *testing.T) {
		h, s := newEndpoint(t, Options{})
		var body endless
		r := httptest.NewRequest("POST", "/", &body)
		r.ContentLength = 10 << 30
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 413 || body.read != 0 {
			t.Errorf("got %d after %d bytes", w.Code, body.read)
		}
		if r := allRejects(t, s)[0]; len(r.Raw) != 0 || r.Length != 10<<30 {
			t.Errorf("kept %d of %d bytes", len(r.Raw), r.Length)
		}
	})
	t.Run("on the wire", func(t *testing.T) {
		h, _ := newEndpoint(t, Options{})
		srv := httptest.NewServer(h)
		defer srv.Close()
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10737418240\r\n\r\n")
		conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		got, _ := io.ReadAll(conn)
		if !bytes.HasPrefix(got, []byte("HTTP/1.1 413 ")) || !bytes.Contains(got, []byte("Connection: close")) {
			t.Errorf("got %q", got)
		}
	})
}

func TestSenderGoesAway(t *testing.T) {
	h, s := newEndpoint(t, Options{})
	a := send(t, h, io.MultiReader(strings.NewReader(`{"v":1,"ev`), errReader{}))
	if a.code != 400 || a.Reason != "incomplete_body" {
		t.Errorf("got %d %q", a.code, a.Reason)
	}
	if r := allRejects(t, s)[0]; string(r.Raw) != `{"v":1,"ev` {
		t.Errorf("kept %q", r.Raw)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestE4HeadersAndPayloadAreNotBelieved(t *testing.T) {
	h, s := newEndpoint(t, Options{IP: KeepIP, Now: func() time.Time { return testTime }})
	body := `{"v":1,"ip":"9.9.9.9","timestamp":1,"userAgent":"x","events":[` + loaded("a") + `]}`
	sendText(t, h, body, "X-Forwarded-For: 9.9.9.9", "CF-Connecting-IP: 9.9.9.9", "True-Client-IP: 9.9.9.9", "X-Real-IP: 9.9.9.9")
	got := allEvents(t, s)[0]
	if got.Client != "192.0.2.1" || got.ReceivedAt != millis(testTime) {
		t.Errorf("client %q, received %v", got.Client, got.ReceivedAt)
	}
}

func TestE7EveryLossIsVisible(t *testing.T) {
	seen := map[string]int{}
	var mu sync.Mutex
	opt := Options{Observe: func(site, typ, verdict string) {
		mu.Lock()
		defer mu.Unlock()
		seen[site+"/"+typ+"/"+verdict]++
	}}
	h, s := newEndpoint(t, opt)
	sendText(t, h, `{"v":1,"page":"p","refused":3,"dropped":2,"events":[`+loaded("a")+`,`+loaded("a")+`,{},{"id":"b","type":"New"}]}`)
	sendText(t, h, `{"v":1,"page":"p","refused":5,"dropped":2,"events":[]}`) // a running total, sent again
	sendText(t, h, `nonsense`)
	sendText(t, h, batchOf(loaded("c")), "Origin: null")
	want := map[string]int{
		"www.example.com/Loaded/stored": 1, "www.example.com/Loaded/duplicate": 1, "www.example.com//rejected": 1,
		"www.example.com/unknown/stored": 1, "www.example.com//bad_json": 1, "www.example.com//cross_site": 1,
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("observed %v, want %v", seen, want)
	}
	waitForLosses(t, s, []Loss{
		{testSite.Name, "bad_json", 1}, {testSite.Name, "cross_site", 1}, {testSite.Name, "dropped", 2},
		{testSite.Name, "not_an_event", 1}, {testSite.Name, "refused", 5},
	})
	if other, _ := s.Losses(t.Context(), "other"); len(other) != 0 {
		t.Errorf("losses of another site: %v", other)
	}
}

func TestRateLimit(t *testing.T) {
	now := testTime
	client := netip.MustParseAddr("192.0.2.7")
	h, s := newEndpoint(t, Options{
		Rate: 10, Burst: 20,
		Now:        func() time.Time { return now },
		ClientAddr: func(*http.Request) netip.Addr { return client },
	})
	events := func(n int) string { return batchOf(slices.Repeat([]string{`{"type":"Loaded"}`}, n)...) }
	if a := sendText(t, h, events(15)); a.code != 200 {
		t.Fatalf("within the burst: %d", a.code)
	}
	a := sendText(t, h, events(15))
	if a.code != http.StatusTooManyRequests || a.header.Get("Retry-After") != "1" || a.Reason != "rate" {
		t.Errorf("beyond: %d, Retry-After %q, %q", a.code, a.header.Get("Retry-After"), a.Reason)
	}
	client = netip.MustParseAddr("192.0.2.8")
	if a := sendText(t, h, events(15)); a.code != 200 {
		t.Errorf("another client: %d", a.code)
	}
	client = netip.MustParseAddr("192.0.2.7")
	now = now.Add(2 * time.Second)
	if a := sendText(t, h, events(15)); a.code != 200 {
		t.Errorf("after the wait: %d", a.code)
	}
	waitForLosses(t, s, []Loss{{testSite.Name, "rate", 15}})
	if n := len(allEvents(t, s)); n != 45 {
		t.Errorf("%d events stored, want 45", n)
	}
}

// TestQuarantineIsNotFlooded: what is no event has the limit of one client, whatever it says.
func TestQuarantineIsNotFlooded(t *testing.T) {
	keys, _ := keysAt(testTime)
	tokens := keys.Tokens()
	for name, body := range map[string]func(i int) string{
		"bodies": func(i int) string { return "nonsense" },
		"events": func(i int) string {
			return fmt.Sprintf(`{"v":1,"session":"s%d","token":%q,"events":[{}]}`, i, tokens.Token(testSite.Name))
		},
	} {
		h, s := newEndpoint(t, Options{Tokens: tokens, Burst: 20})
		for i := range 100 {
			sendText(t, h, body(i))
		}
		if n := len(allRejects(t, s)); n != 20 {
			t.Errorf("%s: %d in quarantine, want 20", name, n)
		}
	}
}

func TestBareMessagesGetIDs(t *testing.T) {
	h, s := newEndpoint(t, Options{Now: func() time.Time { return testTime }})
	a := sendText(t, h, `[{"name":"CTLiveEvent","type":"Loaded","object":{"userID":"u1"}},
		{"name":"CTLiveEvent","id":"own","type":"ChatStarted"}, {"type":"Loaded"}]`)
	if want := []string{"stored", "stored", "rejected not_an_event"}; !slices.Equal(a.verdicts(), want) {
		t.Fatalf("got %q", a.verdicts())
	}
	events := allEvents(t, s)
	if a.Results[0].ID != events[0].ID || len(events[0].ID) != 36 || events[0].ID[14] != '7' {
		t.Errorf("told id %q, stored %q, want one UUIDv7", a.Results[0].ID, events[0].ID)
	}
	if events[1].ID != "own" || events[0].At != millis(testTime) || events[0].UserID != "u1" {
		t.Errorf("stored %+v", events)
	}
}

func TestConcurrentSenders(t *testing.T) {
	h, s := newEndpoint(t, Options{Rate: math.Inf(1)})
	const senders, batches = 16, 20
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			for i := range batches {
				// The second event of each is shared by all senders: one of them wins.
				a := sendText(t, h, batchOf(loaded(fmt.Sprintf("%d-%d", sender, i)), loaded(fmt.Sprintf("all-%d", i))))
				if a.code != 200 || a.Results[0].Verdict != Stored {
					t.Errorf("got %d %q", a.code, a.verdicts())
				}
			}
		})
	}
	wg.Wait()
	if n := len(allEvents(t, s)); n != senders*batches+batches {
		t.Errorf("%d events stored, want %d", n, senders*batches+batches)
	}
}

// pipes is a listener whose connections are in memory: their time is that of a test bubble.
type pipes struct{ conns chan net.Conn }

func (p *pipes) Accept() (net.Conn, error) {
	c, open := <-p.conns
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p *pipes) Close() error   { close(p.conns); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func TestE3SlowBodyIsCut(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		p := &pipes{make(chan net.Conn, 1)}
		srv := &http.Server{Handler: New(s, Options{}).Handler(testSite)}
		go srv.Serve(p)
		client, server := net.Pipe()
		p.conns <- server

		go func() {
			io.WriteString(client, "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
			for { // one byte a second, for ever
				if _, err := io.WriteString(client, "1\r\n \r\n"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		start := time.Now()
		res, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); res.StatusCode != 400 || took != bodyTimeout {
			t.Errorf("got %d after %v", res.StatusCode, took)
		}
		client.Close()
		time.Sleep(2 * time.Second) // the sender notices
		srv.Close()
		s.Close()
	})
	if r := allRejects(t, openStore(t, dir))[0]; r.Reason != "incomplete_body" || len(r.Raw) < 30 {
		t.Errorf("quarantined for %s: %q", r.Reason, r.Raw)
	}
}

// TestE7ListenerSaysWhy: what a page has dropped is told by reason; its totals are the largest that
// came, in whatever order.
func TestE7ListenerSaysWhy(t *testing.T) {
	h, s := newEndpoint(t, Options{})
	batch := func(page, totals string) { sendText(t, h, `{"v":1,"page":"`+page+`",`+totals+`,"events":[]}`) }
	batch("p", `"seen":9,"dropped":5,"lost":{"full":2,"rate":2}`)
	batch("p", `"seen":4,"dropped":1,"lost":{"full":1}`)
	batch("q", `"seen":9,"dropped":3,"lost":{"full":3,"made up":1,"age":"x"}`)
	batch("r", `"seen":9,"dropped":1,"lost":{"rate":7}`)
	batch("s", `"seen":9,"dropped":1,"lost":[1]`)
	waitForLosses(t, s, []Loss{{testSite.Name, "dropped", 3}, {testSite.Name, "dropped_full", 5}, {testSite.Name, "dropped_rate", 2}})
}
