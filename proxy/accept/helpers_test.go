package accept

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// edge is a Server on a loopback port, with what a test wants to know of it.
type edge struct {
	*Server
	t      testing.TB
	addr   string
	client *tls.Config // nil: plain

	mu      sync.Mutex
	passed  []string // requests that went on to the origin
	refused []string
}

// newEdge starts a server in front of h, nil for one that answers with what it
// gets. All it ran is over when the test is.
func newEdge(t testing.TB, secure bool, h http.Handler, change func(*Options)) *edge {
	t.Helper()
	e := &edge{t: t}
	if h == nil {
		h = http.HandlerFunc(e.echo)
	}
	o := Options{Handler: e.admit(h), Logger: slog.New(slog.DiscardHandler), Refused: e.refuse}
	if secure {
		o.TLS, e.client = pair()
	}
	if change != nil {
		change(&o)
	}
	before := runtime.NumGoroutine()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.Server, e.addr = New(o), l.Addr().String()
	served := make(chan error)
	go func() { served <- e.Serve(l) }()
	t.Cleanup(func() {
		e.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
		e.leaks(before)
	})
	return e
}

// leaks fails the test if goroutines stay behind.
func (e *edge) leaks(before int) {
	for range 3000 {
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		b := make([]byte, 1<<16)
		e.t.Errorf("%d goroutines, %d before:\n%s", n, before, b[:runtime.Stack(b, true)])
	}
	if n := e.crowd.size(); n != 0 || len(e.crowd.seats.taken) != 0 {
		e.t.Errorf("%d connections and %d clients still counted", n, len(e.crowd.seats.taken))
	}
	if n := e.running.Load(); n != 0 {
		e.t.Errorf("running is %d", n)
	}
}

// admit answers for faults like the handler that stands behind this package.
func (e *edge) admit(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := FaultOf(r); f != nil {
			http.Error(w, f.Reason, f.Status)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (e *edge) echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	switch {
	case errors.Is(err, ErrFraming):
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case err != nil:
		panic(http.ErrAbortHandler)
	}
	e.mu.Lock()
	e.passed = append(e.passed, r.Method+" "+r.RequestURI+" "+string(b))
	e.mu.Unlock()
	fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, b)
}

// forget returns which requests went on since it was last called.
func (e *edge) forget() (passed []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	passed, e.passed = e.passed, nil
	return passed
}

func (e *edge) refuse(reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = append(e.refused, reason)
}

func (e *edge) waitRefused(reason string) {
	e.t.Helper()
	for range 3000 {
		e.mu.Lock()
		for _, r := range e.refused {
			if r == reason {
				e.mu.Unlock()
				return
			}
		}
		e.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	e.t.Fatalf("nothing was refused for %s, but %q", reason, e.refused)
}

func (e *edge) dial() net.Conn {
	e.t.Helper()
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if e.client != nil {
		return tls.Client(conn, e.client)
	}
	return conn
}

// send writes s in pieces of size bytes.
func send(t testing.TB, conn net.Conn, s string, size int) {
	for len(s) > 0 {
		n := min(size, len(s))
		if _, err := io.WriteString(conn, s[:n]); err != nil {
			return // the server may have had enough
		}
		s = s[n:]
	}
}

// reply is a response as a client sees it.
type reply struct {
	status int
	close  bool
	body   string
}

// answers reads responses until n have come or, n being 0, the connection ends.
func answers(t testing.TB, r io.Reader, n int) (all []reply, end error) {
	t.Helper()
	br := bufio.NewReader(r)
	for n == 0 || len(all) < n {
		if _, err := br.Peek(1); err != nil {
			return all, err
		}
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			return all, err
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			return all, err
		}
		if res.StatusCode >= 200 {
			all = append(all, reply{res.StatusCode, res.Close, strings.TrimSpace(string(b))})
		}
	}
	return all, nil
}

// pair returns TLS configurations of a server and a client that trusts it.
func pair() (server, client *tls.Config) {
	pairOnce.Do(func() {
		s := httptest.NewTLSServer(nil)
		defer s.Close()
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		pairServer = &tls.Config{Certificates: s.TLS.Certificates, NextProtos: []string{"h2", "http/1.1", "acme-tls/1"}}
		pairClient = &tls.Config{RootCAs: roots, ServerName: "example.com"}
	})
	return pairServer.Clone(), pairClient.Clone()
}

var (
	pairOnce               sync.Once
	pairServer, pairClient *tls.Config
)
