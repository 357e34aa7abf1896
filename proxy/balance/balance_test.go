package balance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ctlive/proxy/balance/exchange"
)

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })

func parse(all ...string) []*url.URL {
	us := make([]*url.URL, len(all))
	for i, s := range all {
		us[i], _ = url.Parse(s)
	}
	return us
}

func urls(servers ...*httptest.Server) []*url.URL {
	us := make([]*url.URL, len(servers))
	for i, s := range servers {
		us[i] = parse(s.URL)[0]
	}
	return us
}

// named returns n servers that answer with their number.
func named(t *testing.T, n int) []*httptest.Server {
	servers := make([]*httptest.Server, n)
	for i := range servers {
		servers[i] = serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, i) })
	}
	return servers
}

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// refusing returns the URL of a port where nobody listens.
func refusing(t testing.TB) *url.URL {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return &url.URL{Scheme: "http", Host: l.Addr().String()}
}

func pool(t testing.TB, o Options) *Pool {
	p := New(o)
	t.Cleanup(p.Close)
	return p
}

func request(t testing.TB, method string, body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), method, "http://site.test/x?a=1;b", body)
	if err != nil {
		t.Fatal(err)
	}
	r.GetBody = nil // a visitor's request has none
	return r
}

// ask returns what the origin answers, or "" and the error.
func ask(p *Pool, r *http.Request) (string, error) {
	res, err := p.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// eventually waits until ok, for at most 30 s.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: not after 30 s", what)
}

func (p *Pool) activeNow() (n int) {
	for _, s := range p.Status() {
		n += s.Active
	}
	return n
}

func TestRoundRobinIsFair(t *testing.T) {
	p := pool(t, Options{Upstreams: urls(named(t, 3)...), Policy: RoundRobin})
	if got := tally(t, p, 30); got["0"] != 10 || got["1"] != 10 || got["2"] != 10 {
		t.Errorf("all up: %v, want 10 each", got)
	}
	p.origins[1].diagnose(true, "test")
	if got := tally(t, p, 30); got["0"] != 15 || got["2"] != 15 {
		t.Errorf("one down: %v, want 15 for each of the others", got)
	}
}

func TestLeastConnIsFairWhenIdle(t *testing.T) {
	p := pool(t, Options{Upstreams: urls(named(t, 3)...), Policy: LeastConn})
	if got := tally(t, p, 30); got["0"] != 10 || got["1"] != 10 || got["2"] != 10 {
		t.Errorf("%v, want 10 each", got)
	}
}

func tally(t *testing.T, p *Pool, n int) map[string]int {
	got := map[string]int{}
	for range n {
		who, err := ask(p, request(t, "GET", nil))
		if err != nil {
			t.Fatal(err)
		}
		got[who]++
	}
	return got
}

func TestLeastConnAvoidsHangingOrigin(t *testing.T) {
	release := make(chan struct{})
	hanging := serve(t, func(w http.ResponseWriter, _ *http.Request) { <-release })
	quick := serve(t, hello)
	p := pool(t, Options{Upstreams: urls(hanging, quick)})
	var wait sync.WaitGroup
	wait.Go(func() { ask(p, request(t, "GET", nil)) }) // the first goes to the first
	eventually(t, "request hangs", func() bool { return p.Status()[0].Active == 1 })
	for range 20 {
		if got, err := ask(p, request(t, "GET", nil)); got != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	close(release)
	wait.Wait()
	if n := p.activeNow(); n != 0 {
		t.Errorf("%d active, want none", n)
	}
}

func TestActiveUntilBodyIsRead(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		io.WriteString(w, "x")
	})
	p := pool(t, Options{Upstreams: urls(s)})
	for _, end := range []struct {
		name string
		do   func(io.ReadCloser)
	}{
		{"EOF", func(b io.ReadCloser) { io.Copy(io.Discard, b) }},
		{"Close", func(b io.ReadCloser) { b.Close(); b.Close() }},
	} {
		t.Run(end.name, func(t *testing.T) {
			res, err := p.RoundTrip(request(t, "GET", nil))
			if err != nil {
				t.Fatal(err)
			}
			before := p.activeNow()
			end.do(res.Body)
			if after := p.activeNow(); before != 1 || after != 0 {
				t.Errorf("active %d, then %d; want 1, 0", before, after)
			}
			res.Body.Close()
		})
	}
}

func TestBodyStreams(t *testing.T) {
	more := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		<-more
		io.WriteString(w, "second")
	})
	res, err := pool(t, Options{Upstreams: urls(s)}).RoundTrip(request(t, "GET", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got := make([]byte, 64)
	n, err := res.Body.Read(got)
	close(more)
	if string(got[:n]) != "first" || err != nil {
		t.Errorf("%q, %v; want the first part while the second is out", got[:n], err)
	}
}

func TestRequestPassesAsItIs(t *testing.T) { // edge 42, 76
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Method, " ", r.RequestURI, " ", r.Host, " ", r.ContentLength, r.TransferEncoding, " ", r.Header["Accept-Encoding"])
	})
	p := pool(t, Options{Upstreams: urls(s)})
	r := request(t, "GET", nil)
	got, err := ask(p, r)
	if want := "GET /x?a=1;b site.test 0 [] []"; got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if r.URL.Host != "site.test" {
		t.Errorf("the caller's URL has become %v", r.URL)
	}
}

func TestBodylessMethodsHaveNoBody(t *testing.T) { // edge 65
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.ContentLength, r.TransferEncoding, string(body))
	})
	p := pool(t, Options{Upstreams: urls(s)})
	for _, c := range []struct {
		name   string
		length int64
		body   string
		want   string
	}{
		{"length 0", 0, "", "0 []"},
		{"length unknown, empty", -1, "", "0 []"},
		{"length unknown, not empty", -1, "q", "-1 [chunked]q"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t, "GET", nil)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(c.body)), c.length
			if got, err := ask(p, r); got != c.want {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// secure returns options for a pool over h, which speaks HTTP/2.
func secure(t testing.TB, h http.HandlerFunc) Options {
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return Options{Upstreams: urls(s), TLS: s.Client().Transport.(*http.Transport).TLSClientConfig}
}

func TestHTTP2Origin(t *testing.T) {
	p := pool(t, secure(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	if got, err := ask(p, request(t, "POST", strings.NewReader("x"))); got != "HTTP/2.0" {
		t.Errorf("%q, %v", got, err)
	}
	upgrade := request(t, "GET", nil)
	upgrade.Header.Set("Connection", "Upgrade")
	upgrade.Header.Set("Upgrade", "websocket")
	if got, err := ask(p, upgrade); got != "HTTP/1.1" {
		t.Errorf("WebSocket: %q, %v", got, err)
	}
}

func TestWebSocket(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nready ")
		io.Copy(c, rw)
		io.WriteString(c, " done")
	})
	p := pool(t, Options{Upstreams: urls(s)})
	r := request(t, "GET", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	res, err := p.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	tunnel := res.Body.(io.ReadWriteCloser)
	io.WriteString(tunnel, "hello")
	tunnel.(interface{ CloseWrite() error }).CloseWrite()
	got, err := io.ReadAll(tunnel)
	if string(got) != "ready hello done" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if n := p.activeNow(); n != 1 {
		t.Errorf("open tunnel: %d active, want 1", n)
	}
	tunnel.Close()
	if n := p.activeNow(); n != 0 {
		t.Errorf("closed tunnel: %d active, want 0", n)
	}
}

// The trace of httputil.ReverseProxy is called once for each hint (edge 68).
func TestThroughReverseProxy(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "hello")
	})
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}, Transport: pool(t, Options{Upstreams: urls(s)})})
	t.Cleanup(front.Close)
	hints := 0
	r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil },
	}), "GET", front.URL, nil)
	res, err := front.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); string(body) != "hello" || err != nil || hints != 2 {
		t.Errorf("%q, %v, %d hints; want 2", body, err, hints)
	}
}

func TestHTTP1OverTLS(t *testing.T) {
	s := httptest.NewTLSServer(hello)
	t.Cleanup(s.Close)
	p := pool(t, Options{Upstreams: urls(s), TLS: s.Client().Transport.(*http.Transport).TLSClientConfig})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				if got, err := ask(p, request(t, "POST", strings.NewReader("x"))); got != "hello" {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
	wait.Wait()
	if n := p.origins[0].gate.open.Load(); n > maxDials+8 {
		t.Errorf("%d connections for 400 requests", n)
	}
}

func TestManyAtOnce(t *testing.T) {
	servers := named(t, 3)
	p := pool(t, Options{Upstreams: append(urls(servers...), refusing(t))})
	p.Start(t.Context())
	var wait sync.WaitGroup
	var failed atomic.Int64
	for range 16 {
		wait.Go(func() {
			for i := range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				r := request(t, "POST", strings.NewReader("body")).WithContext(ctx)
				if i%5 == 0 {
					go cancel()
				}
				if _, err := ask(p, r); err != nil && ctx.Err() == nil {
					failed.Add(1)
				}
				cancel()
			}
		})
	}
	wait.Wait()
	if failed.Load() != 0 || p.activeNow() != 0 {
		t.Errorf("%d failed, %d still active; want none", failed.Load(), p.activeNow())
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	s := httptest.NewServer(hello)
	p := New(Options{Upstreams: append(urls(s), refusing(t)), HealthPath: "/up", Every: 5 * time.Millisecond})
	p.Start(context.Background())
	for range 20 {
		ask(p, request(t, "GET", nil))
	}
	res, err := p.RoundTrip(request(t, "GET", nil))
	if err != nil {
		t.Fatal(err)
	}
	p.Close() // with one in flight
	if body, err := io.ReadAll(res.Body); string(body) != "hello" || err != nil {
		t.Errorf("in flight: %q, %v", body, err)
	}
	res.Body.Close()
	eventually(t, "connections are closed", func() bool { return p.origins[0].gate.open.Load() == 0 })
	s.Close()
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

func TestErrors(t *testing.T) {
	bad := errors.New("bad framing")
	release := make(chan struct{})
	hanging := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-release
	})
	t.Cleanup(func() { close(release) })
	slow := pool(t, Options{Upstreams: urls(hanging)})
	slow.origins[0].transport.(*exchange.Transport).ResponseHeaderTimeout = 20 * time.Millisecond
	broken := func(n int64) *http.Request {
		r := request(t, "POST", io.MultiReader(strings.NewReader("x"), &failing{bad}))
		r.ContentLength = n
		return r
	}
	for _, c := range []struct {
		name string
		p    *Pool
		r    *http.Request
		is   func(error) bool
	}{
		{"refused", pool(t, Options{Upstreams: []*url.URL{refusing(t)}}), request(t, "GET", nil),
			func(err error) bool { return errors.Is(err, ErrNoConnection) && !isTimeout(err) }},
		{"no answer in time", slow, request(t, "GET", nil),
			func(err error) bool { return isTimeout(err) && !errors.Is(err, ErrNoConnection) }},
		{"short body broken", slow, broken(5), func(err error) bool { return errors.Is(err, bad) && errors.Is(err, ErrRequestBody) }},
		{"long body broken", slow, broken(1 << 20), func(err error) bool { return errors.Is(err, bad) }},
		{"chunked body broken", slow, broken(-1), func(err error) bool { return errors.Is(err, bad) }},
		{"header field not valid", slow, func() *http.Request {
			r := request(t, "GET", nil)
			r.Header["bad name"] = []string{"x"}
			return r
		}(), func(err error) bool { return !errors.Is(err, ErrNoConnection) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ask(c.p, c.r); !c.is(err) {
				t.Errorf("%v", err)
			}
			if c.p == slow && !c.p.Status()[0].Up {
				t.Error("the origin is held responsible")
			}
		})
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestReadExactly(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789"), 6553)
	for _, n := range []int{1, 4095, 4096, 4097, len(want)} {
		for _, step := range []int{1, 7, 4096, 1 << 20} {
			got, err := readExactly(&chunked{want, step}, n)
			if !bytes.Equal(got, want[:n]) || err != nil {
				t.Fatalf("%d by %d: %d bytes, %v", n, step, len(got), err)
			}
		}
	}
	if _, err := readExactly(strings.NewReader("short"), 6); err != io.ErrUnexpectedEOF {
		t.Errorf("short: %v", err)
	}
}

type chunked struct {
	rest []byte
	size int
}

func (c *chunked) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), c.size)], c.rest)
	c.rest = c.rest[n:]
	if len(c.rest) == 0 {
		return n, io.EOF
	}
	return n, nil
}
