package balance

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ctlive/proxy/balance/exchange"
)

// A script is an origin that answers byte for byte as told.
type script struct {
	url   *url.URL
	conns atomic.Int64
	seen  atomic.Int64 // requests
}

// play starts an origin that runs talk for each connection; n counts them from 1.
func play(t testing.TB, talk func(s *script, n int64, c net.Conn, in *bufio.Reader)) *script {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{url: &url.URL{Scheme: "http", Host: l.Addr().String()}}
	var talks sync.WaitGroup
	talks.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := s.conns.Add(1)
			talks.Go(func() {
				defer c.Close()
				talk(s, n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { l.Close(); talks.Wait() })
	return s
}

// hear reads one request with its body, and reports whether there was one.
func (s *script) hear(in *bufio.Reader) bool {
	r, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	s.seen.Add(1)
	io.Copy(io.Discard, r.Body)
	return true
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// stale answers one request on its first connection, and ends that when the
// second has arrived. Later connections answer everything.
func stale(t testing.TB) *script {
	return play(t, func(s *script, n int64, c net.Conn, in *bufio.Reader) {
		for i := 0; s.hear(in); i++ {
			if n == 1 && i == 1 {
				return
			}
			io.WriteString(c, ok)
		}
	})
}

func TestStaleConnection(t *testing.T) { // edge 63, 64
	for _, c := range []struct {
		name    string
		request func(t *testing.T) *http.Request
		again   bool
	}{
		{"GET", bare("GET"), true},
		{"HEAD", bare("HEAD"), true},
		{"OPTIONS", bare("OPTIONS"), true},
		{"PUT without body", bare("PUT"), true},
		{"DELETE without body", bare("DELETE"), true},
		{"POST without body", bare("POST"), false},
		{"PATCH without body", bare("PATCH"), false},
		{"POST", full("POST", 4), false},
		{"POST, long", full("POST", maxKept+1), false},
		{"PUT", full("PUT", 4), false},
		{"POST with Idempotency-Key", keyed("Idempotency-Key", full("POST", 4)), false},
		{"POST with X-Idempotency-Key", keyed("X-Idempotency-Key", full("POST", 4)), false},
		{"POST without body, with Idempotency-Key", keyed("Idempotency-Key", bare("POST")), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stale(t)
			p := pool(t, Options{Upstreams: []*url.URL{s.url}})
			if got, err := ask(p, request(t, "GET", nil)); got != "ok" {
				t.Fatalf("first: %q, %v", got, err)
			}
			_, err := ask(p, c.request(t))
			want := map[bool]int64{false: 2, true: 3}[c.again]
			if (err == nil) != c.again || s.seen.Load() != want {
				t.Errorf("error %v, origin saw %d; want again: %v, saw %d", err, s.seen.Load(), c.again, want)
			}
			if !p.Status()[0].Up {
				t.Error("a connection that ends does not make an origin down")
			}
		})
	}
}

func bare(method string) func(*testing.T) *http.Request {
	return func(t *testing.T) *http.Request { return request(t, method, nil) }
}

func full(method string, n int) func(*testing.T) *http.Request {
	return func(t *testing.T) *http.Request {
		return request(t, method, strings.NewReader(strings.Repeat("b", n)))
	}
}

func keyed(name string, plain func(*testing.T) *http.Request) func(*testing.T) *http.Request {
	return func(t *testing.T) *http.Request {
		r := plain(t)
		r.Header.Set(name, "1")
		return r
	}
}

func TestKeyReachesOrigin(t *testing.T) { // edge 64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Idempotency-Key")) })
	r := keyed("Idempotency-Key", full("POST", 4))(t)
	if got, err := ask(pool(t, Options{Upstreams: urls(s)}), r); got != "1" || r.Header.Get("Idempotency-Key") != "1" {
		t.Errorf("%q, %v; the caller has %v", got, err, r.Header)
	}
}

// A connection that fails before it takes a byte, as one does that was reset
// while idle and was not yet seen to be.
func TestNothingWritten(t *testing.T) { // edge 63
	for _, c := range []struct {
		name    string
		request func(t *testing.T) *http.Request
	}{
		{"GET", bare("GET")},
		{"POST without body", bare("POST")},
		{"POST, kept", full("POST", maxKept)},
		{"POST, long and unread", full("POST", maxKept+1)},
		{"POST with Idempotency-Key", keyed("Idempotency-Key", full("POST", 4))},
	} {
		for _, fresh := range []bool{false, true} {
			t.Run(c.name+map[bool]string{true: " on a new connection", false: " on an idle one"}[fresh], func(t *testing.T) {
				s := play(t, func(s *script, _ int64, c net.Conn, in *bufio.Reader) {
					for s.hear(in) {
						io.WriteString(c, ok)
					}
				})
				p := pool(t, Options{Upstreams: []*url.URL{s.url}})
				spoiled := spoil(p.origins[0])
				if !fresh {
					ask(p, request(t, "GET", nil))
				}
				before := s.seen.Load()
				spoiled.Store(true)
				got, err := ask(p, c.request(t))
				if got != "ok" || s.seen.Load() != before+1 || s.conns.Load() != 2 {
					t.Errorf("%q, %v; origin saw it %d times on %d connections; want once, 2", got, err, s.seen.Load()-before, s.conns.Load())
				}
			})
		}
	}
}

// spoil makes the first connection of o fail when written to, once the result is set.
func spoil(o *origin) *atomic.Bool {
	var set atomic.Bool
	var dials atomic.Int64
	tr := o.transport.(*exchange.Transport)
	dial := tr.DialContext
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err == nil && dials.Add(1) == 1 {
			c.(*conn).Conn = &spoiled{c.(*conn).Conn, &set}
		}
		return c, err
	}
	return &set
}

type spoiled struct {
	net.Conn
	set *atomic.Bool
}

func (s *spoiled) SyscallConn() (syscall.RawConn, error) { return s.Conn.(syscall.Conn).SyscallConn() }

func (s *spoiled) Write(p []byte) (int, error) {
	if s.set.Load() {
		return 0, &net.OpError{Op: "write", Err: net.ErrClosed}
	}
	return s.Conn.Write(p)
}

func TestRefusedGoesToTheNext(t *testing.T) {
	for _, c := range []struct {
		name    string
		request func(t *testing.T) *http.Request
	}{
		{"GET", bare("GET")},
		{"POST", full("POST", 4)},
		{"POST, long", full("POST", maxKept+1)},
		{"POST, length not known", func(t *testing.T) *http.Request {
			r := request(t, "POST", io.MultiReader(strings.NewReader("body")))
			r.ContentLength = -1
			return r
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got bytes.Buffer
			s := serve(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(&got, r.Body) })
			p := pool(t, Options{Upstreams: append([]*url.URL{refusing(t), refusing(t)}, urls(s)...)})
			r := c.request(t)
			var want bytes.Buffer
			if r.Body != nil {
				io.Copy(&want, r.Body)
				r.Body = io.NopCloser(bytes.NewReader(want.Bytes()))
			}
			if _, err := ask(p, r); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("%v; origin got %d bytes of %d", err, got.Len(), want.Len())
			}
		})
	}
}

// To wait for a second timeout makes sense only where better is to be expected.
func TestAfterATimeout(t *testing.T) {
	for _, c := range []struct {
		name       string
		err        error
		down, want bool
	}{
		{"timeout, other up", &connectError{context.DeadlineExceeded}, false, true},
		{"timeout, other down", &connectError{context.DeadlineExceeded}, true, false},
		{"refused, other down", &connectError{io.EOF}, true, true},
		{"too many, other up", &connectError{ErrTooManyConns}, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pool(t, Options{Upstreams: parse("http://a.test", "http://b.test")})
			out, _ := prepare(request(t, "GET", nil))
			a := p.begin(out, nil)
			p.origins[1].diagnose(c.down, "test")
			if got := p.worthRepeating(a, c.err, p.origins[:1]); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestAllDown(t *testing.T) {
	p := pool(t, Options{Upstreams: []*url.URL{refusing(t), refusing(t), refusing(t), refusing(t)}})
	start := time.Now()
	for range 5 {
		_, err := ask(p, full("POST", maxKept+1)(t))
		if e, ok := err.(*Error); !ok || e.Attempts > maxAttempts {
			t.Fatalf("%v", err)
		}
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v", d)
	}
	for _, s := range p.Status() {
		if s.Up {
			t.Errorf("%s is up", s.URL)
		}
	}
}

func TestAllDownIsTriedAllTheSame(t *testing.T) {
	p := pool(t, Options{Upstreams: urls(named(t, 2)...)})
	for _, o := range p.origins {
		o.diagnose(true, "test")
	}
	if _, err := ask(p, request(t, "GET", nil)); err != nil {
		t.Error(err)
	}
}

func TestNoneAfterTheVisitorHasGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := play(t, func(s *script, _ int64, c net.Conn, in *bufio.Reader) {
		s.hear(in)
		cancel()
		io.Copy(io.Discard, c)
	})
	p := pool(t, Options{Upstreams: []*url.URL{s.url}})
	_, err := ask(p, request(t, "GET", nil).WithContext(ctx))
	if err == nil || s.seen.Load() != 1 || !p.Status()[0].Up {
		t.Errorf("%v, origin saw %d", err, s.seen.Load())
	}
}

func TestTheVisitorsBodyIsClosed(t *testing.T) {
	quick := serve(t, hello) // it does not read bodies
	for _, c := range []struct {
		name string
		to   *url.URL
		n    int
	}{
		{"answered, short", urls(quick)[0], 4},
		{"answered, long", urls(quick)[0], 4 << 20},
		{"refused, short", refusing(t), 4},
		{"refused, long", refusing(t), 4 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pool(t, Options{Upstreams: []*url.URL{c.to}})
			r := full("POST", c.n)(t)
			closed := make(chan struct{})
			r.Body = &closing{Reader: r.Body, closed: closed}
			ask(p, r)
			select {
			case <-closed:
			case <-time.After(30 * time.Second):
				t.Error("it is not")
			}
		})
	}
}

type closing struct {
	io.Reader
	once   sync.Once
	closed chan struct{}
}

func (c *closing) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}
