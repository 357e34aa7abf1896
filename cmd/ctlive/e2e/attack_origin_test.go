package e2e

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// visitors are clients of https://a.test, one for each protocol. They neither
// follow redirects nor decode.
func (b besieged) visitors(t *testing.T) map[string]*http.Client {
	t.Helper()
	address := strings.TrimPrefix(b.https, "https://")
	config := func(protocols ...string) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}
	}
	tcp := func(protocol string) *http.Transport {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(protocol == "http/1.1")
		protocols.SetHTTP2(protocol == "h2")
		return &http.Transport{
			TLSClientConfig: config(protocol), Protocols: protocols, DisableCompression: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", address)
			},
		}
	}
	udp := &http3.Transport{
		TLSClientConfig: config(), DisableCompression: true,
		Dial: func(ctx context.Context, _ string, tls *tls.Config, quicConfig *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, address, tls, quicConfig)
		},
	}
	t.Cleanup(func() { udp.Close() })
	clients := map[string]*http.Client{"HTTP/1.1": {Transport: tcp("http/1.1")}, "HTTP/2": {Transport: tcp("h2")}, "HTTP/3": {Transport: udp}}
	for _, c := range clients {
		c.Timeout = 10 * time.Second
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return clients
}

// ask sends a request to a.test and returns the status and the body, or how it ended.
func ask(t *testing.T, c *http.Client, method, target, body string, header ...string) (int, string, error) {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "https://a.test"+target, content)
	if err != nil {
		t.Fatal(err)
	}
	r.GetBody = nil // the client is not the one to try again
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res.StatusCode, string(got), err
}

// TestRetry: what could have been done already is not done again (edge 63 to 65).
func TestRetry(t *testing.T) {
	t.Parallel()
	var died atomic.Int64 // how many requests for /die… it did to death
	origin := newRecorder(t, func(r *recorded) string {
		if strings.HasPrefix(r.target, "/die") && died.Add(1)%2 == 1 {
			return ""
		}
		return echo(r)
	})
	b := besiege(t, true, origin)
	for protocol, visitor := range b.visitors(t) {
		t.Run(protocol, func(t *testing.T) {
			for _, test := range []struct {
				name, method, target, body string
				header                     []string
				status, seen               int
			}{
				{"GET when the connection had ended", "GET", "/gone", "", nil, 200, 1},
				{"POST when the connection had ended", "POST", "/gone", "hello", nil, 200, 1},
				{"large POST when the connection had ended", "POST", "/gone", strings.Repeat("x", 100<<10), nil, 200, 1},
				{"GET that ends the connection", "GET", "/die", "", nil, 200, 2},
				{"DELETE that ends the connection", "DELETE", "/die", "", nil, 200, 2},
				{"POST that ends the connection", "POST", "/die", "hello", nil, 502, 1},
				{"POST with a key that ends the connection", "POST", "/die", "hello", []string{"Idempotency-Key", "1"}, 502, 1},
				{"POST without a body that ends the connection", "POST", "/die", "", nil, 502, 1},
				{"large POST that ends the connection", "POST", "/die", strings.Repeat("x", 100<<10), nil, 502, 1},
			} {
				if status, _, err := ask(t, visitor, "GET", "/warm", ""); status != http.StatusOK {
					t.Fatalf("%d, %v", status, err)
				}
				died.Store(0)
				if test.target == "/gone" {
					origin.hangUp()
					time.Sleep(50 * time.Millisecond) // for the proxy to see it: what is under way by then cannot be told from lost
				}
				since := origin.count()
				status, _, err := ask(t, visitor, test.method, test.target, test.body, test.header...)
				if seen := len(origin.since(since)); status != test.status || seen != test.seen {
					t.Errorf("%s: status %d (%v), sent %d times; want %d, %d", test.name, status, err, seen, test.status, test.seen)
				}
			}
		})
	}
}

// TestOriginDies: an answer that is cut never looks whole (edge 67).
func TestOriginDies(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	z := gzip.NewWriter(&page)
	io.WriteString(z, "<!doctype html><html><head><title>x</title></head><body>"+strings.Repeat("<p>hello", 10_000))
	z.Flush()
	answers := map[string]string{
		"/length":       "Content-Type: text/plain\r\nContent-Length: 100\r\n\r\nhello",
		"/chunks":       "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"/chunk":        "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
		"/nothing":      "Content-Type: text/plain\r\nContent-Length: 100\r\n\r\n",
		"/html/length":  "Content-Type: text/html\r\nContent-Length: 1000\r\n\r\n<!doctype html><html><head><title>x</title>",
		"/html/chunks":  "Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<html\r\n",
		"/html/gzipped": fmt.Sprintf("Content-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: 99999\r\n\r\n%s", page.String()),
	}
	origin := (&recorder{once: true, answer: func(r *recorded) string { return "HTTP/1.1 200 OK\r\n" + answers[r.target] }}).start(t)
	b := besiege(t, true, origin)
	for protocol, visitor := range b.visitors(t) {
		for target := range answers {
			status, got, err := ask(t, visitor, "GET", target, "", "Sec-Fetch-Dest", "document", "Accept-Encoding", "gzip")
			if err == nil && status == http.StatusOK {
				t.Errorf("%s %s: %q, as if it were all", protocol, target, got[:min(len(got), 100)])
			}
		}
	}
}

// TestForeignHeaders: of what the origin says of the connection, nothing goes on
// to the visitor; our own address for HTTP/3 does (edge 72).
func TestForeignHeaders(t *testing.T) {
	t.Parallel()
	origin := newRecorder(t, func(r *recorded) string {
		return "HTTP/1.1 200 OK\r\nAlt-Svc: h3=\"evil.test:443\"\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n" +
			"Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-End: 1\r\nContent-Length: 2\r\n\r\nok"
	})
	b := besiege(t, true, origin)
	_, port, _ := strings.Cut(strings.TrimPrefix(b.https, "https://"), ":")
	for protocol, visitor := range b.visitors(t) {
		res, err := visitor.Get("https://a.test/")
		if err != nil {
			t.Errorf("%s: %v", protocol, err)
			continue
		}
		res.Body.Close()
		if got := res.Header.Values("Alt-Svc"); len(got) != 1 || !strings.HasPrefix(got[0], `h3=":`+port+`"`) {
			t.Errorf("%s: Alt-Svc: %q", protocol, got)
		}
		for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Connection", "Upgrade", "Connection"} {
			if got := res.Header.Values(name); len(got) > 0 {
				t.Errorf("%s: %s: %q", protocol, name, got)
			}
		}
		if res.Header.Get("X-End") != "1" || res.ProtoMajor != int(protocol[5]-'0') {
			t.Errorf("%s: %v", protocol, res)
		}
	}
	plain := besiege(t, false, origin)
	if got := get(t, plain.url, "Host", "a.test").Header.Values("Alt-Svc"); len(got) > 0 {
		t.Errorf("without TLS: Alt-Svc: %q", got)
	}
}

// TestHintsAndTrailersEverywhere: 103 comes once, and trailers come (edge 68, 69).
func TestHintsAndTrailersEverywhere(t *testing.T) {
	t.Parallel()
	b := besiege(t, true, newRecorder(t, func(*recorded) string {
		return "HTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\n\r\n" +
			"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"
	}))
	for protocol, visitor := range b.visitors(t) {
		var hints []string
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, header.Get("Link")))
			return nil
		}}
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "https://a.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := visitor.Do(r)
		if err != nil {
			t.Errorf("%s: %v", protocol, err)
			continue
		}
		if got := body(t, res); got != "ok" || res.Trailer.Get("X-Sum") != "1" || res.Header.Get("Link") != "" {
			t.Errorf("%s: %q, %v, trailer %v", protocol, got, res.Header, res.Trailer)
		}
		if !slices.Equal(hints, []string{"103</x.css>; rel=preload"}) {
			t.Errorf("%s: hints %q", protocol, hints)
		}
	}
}

// TestFlush: each piece of a stream is with the visitor before the origin sends
// the next, within 50 ms as a rule, by every protocol (edge 70).
func TestFlush(t *testing.T) {
	t.Parallel()
	const pieces = 20
	seen := make(chan bool, 1)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", strings.TrimPrefix(r.URL.Path, "/"))
		var out flushWriter = plainWriter{w}
		if r.URL.RawQuery == "gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			out = gzip.NewWriter(w)
		}
		for i := range pieces {
			fmt.Fprintf(out, "<p>data: piece %d\n\n", i)
			out.Flush()
			http.NewResponseController(w).Flush()
			select {
			case <-seen:
			case <-r.Context().Done():
				return
			}
		}
		out.Close()
	}))
	defer origin.Close()
	b := besiege(t, true, &recorder{url: origin.URL})
	for protocol, visitor := range b.visitors(t) {
		for _, target := range []string{"/text/event-stream", "/text/event-stream?gzip", "/text/html", "/text/html?gzip", "/application/json"} {
			t.Run(protocol+target, func(t *testing.T) { followPieces(t, visitor, target, pieces, seen) })
		}
	}
}

func followPieces(t *testing.T, visitor *http.Client, target string, pieces int, seen chan<- bool) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.test"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Accept-Encoding", "gzip")
	res, err := visitor.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var in io.Reader = res.Body
	if res.Header.Get("Content-Encoding") == "gzip" {
		if in, err = gzip.NewReader(res.Body); err != nil {
			t.Fatal(err)
		}
	}
	lines := bufio.NewScanner(in)
	var waits []time.Duration
	begun := time.Now()
	for lines.Scan() {
		if !strings.Contains(lines.Text(), "data: piece") {
			continue
		}
		waits = append(waits, time.Since(begun))
		begun = time.Now()
		seen <- true
	}
	if len(waits) != pieces {
		t.Fatalf("%d pieces: %v", len(waits), lines.Err())
	}
	slices.Sort(waits)
	if median := waits[pieces/2]; median > 50*time.Millisecond {
		t.Errorf("a piece takes %v", median)
	}
}

// TestNothingInvented: fields that the visitor does not send, the origin does not
// get (edge 76).
func TestNothingInvented(t *testing.T) {
	t.Parallel()
	b := besiege(t, true, newRecorder(t, nil))
	known := []string{"Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Cdn-Loop"}
	exchangeHTTP1(b.connect(t, true), innocent(""), false)
	c := b.openHTTP2(t, "a.test")
	c.get(1, "/")
	c.answer(1)
	b.openHTTP3(t, "a.test").ask(getHTTP3("/"))
	seen := b.origin.since(0)
	if len(seen) != 3 {
		t.Fatalf("%d requests", len(seen))
	}
	for _, r := range seen {
		for _, f := range r.fields {
			if !slices.Contains(known, f[0]) {
				t.Errorf("%s: %s", f[0], f[1])
			}
		}
	}
}
