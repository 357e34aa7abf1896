package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// echoPage is what echoOrigin serves to GET: large enough for several packets.
var echoPage = strings.Repeat("0123456789abcdef", 512)

// echoOrigin answers GET with echoPage and anything else with what it was sent,
// and says its name in X-Origin.
func echoOrigin(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Origin", name)
		w.Header().Set("Content-Type", "text/plain")
		if r.Method == http.MethodGet {
			io.WriteString(w, echoPage)
			return
		}
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Write(sent)
	})
}

// serveHandler returns the URL of an origin that ends with the test.
func serveHandler(t *testing.T, h http.Handler) (url string) {
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// caller is one way to send requests to an echoOrigin.
type caller struct {
	name   string
	client *http.Client
	posts  bool // every other request is a POST, which may not be sent twice
}

// callers come in each protocol, to localhost at addr. Those that send POST have a
// connection for each request, or say what the server has not done: by GOAWAY. On a
// connection that HTTP/1.1 keeps alive a POST may meet the server's decision to
// close it, and nobody can know what became of it (RFC 9112, 9.3.1).
func callers(t *testing.T, addr string, roots *x509.CertPool) []caller {
	once := transportTo(t, addr, roots)
	once.DisableKeepAlives = true
	second := transportTo(t, addr, roots)
	second.Protocols.SetHTTP1(false)
	second.Protocols.SetHTTP2(true)
	return []caller{
		{"HTTP/1.1, kept alive", newCaller(transportTo(t, addr, roots)), false},
		{"HTTP/1.1, a connection each", newCaller(once), true},
		{"HTTP/2", newCaller(second), true},
		{"HTTP/3", newCaller(http3Transport(t, addr, roots)), true},
	}
}

func http3Transport(t *testing.T, addr string, roots *x509.CertPool) *http3.Transport {
	transport := &http3.Transport{
		TLSClientConfig:    &tls.Config{RootCAs: roots},
		DisableCompression: true,
		Dial: func(ctx context.Context, _ string, tls *tls.Config, config *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, addr, tls, config)
		},
	}
	t.Cleanup(func() { transport.Close() })
	return transport
}

func newCaller(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// transportTo returns an HTTP/1.1 transport that finds every name at addr. Its
// connections come from a hundred addresses: how many one may have is limited.
func transportTo(t *testing.T, addr string, roots *x509.CertPool) *http.Transport {
	var dialled atomic.Int64
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		Protocols:           new(http.Protocols),
		DisableCompression:  true,
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			from := net.IPv4(127, 0, 1, byte(1+dialled.Add(1)%100))
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext(ctx, network, addr)
		},
	}
	transport.Protocols.SetHTTP1(true)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// load is a steady stream of requests, sent at their time whether or not earlier
// ones have their answers.
type load struct {
	stopping chan struct{}
	done     sync.WaitGroup
	callers  []caller
	began    time.Time

	mu       sync.Mutex
	sent     map[string]int // by caller
	failures []failure
}

// failure is a request that its caller sees fail.
type failure struct {
	caller string
	began  time.Time
	served bool // there was a connection to a server
	err    error
}

func (f failure) String() string {
	return fmt.Sprintf("%s, begun %s, had a connection: %t: %v", f.caller, f.began.Format("05.000"), f.served, f.err)
}

// startLoad sends rate requests a second to url, from each of callers in turn.
func startLoad(rate int, url string, callers []caller) *load {
	l := &load{stopping: make(chan struct{}), callers: callers, began: time.Now(), sent: map[string]int{}}
	l.done.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-tick.C:
				l.done.Go(func() { l.send(url, n) })
			case <-l.stopping:
				return
			}
		}
	})
	return l
}

func (l *load) send(url string, n int) {
	c := l.callers[n%len(l.callers)]
	f := failure{caller: c.name, began: time.Now()}
	f.served, f.err = c.call(url, c.posts && n/len(l.callers)%2 == 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[c.name]++
	if f.err != nil {
		l.failures = append(l.failures, f)
	}
}

// call reports whether there was a connection, and what is wrong with the answer.
func (c caller) call(url string, post bool) (served bool, err error) {
	method, want := http.MethodGet, echoPage
	var content io.Reader
	if post {
		method, want = http.MethodPost, "what was sent"
		content = strings.NewReader(want)
	}
	var connected atomic.Bool
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		GetConn: func(string) { connected.Store(false) }, // again for each attempt
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	r, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return false, err
	}
	res, err := c.client.Do(r)
	if err != nil {
		return connected.Load(), err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || !bytes.Equal(got, []byte(want))) {
		err = fmt.Errorf("%s %d, %.100q", method, res.StatusCode, got)
	}
	return true, err
}

// stop ends the stream, waits for the answers and returns what failed.
func (l *load) stop(t *testing.T) []failure {
	t.Helper()
	took := time.Since(l.began)
	close(l.stopping)
	l.done.Wait()
	for _, c := range l.callers {
		t.Logf("%s: %.0f requests/s for %v", c.name, float64(l.sent[c.name])/took.Seconds(), took)
		if l.sent[c.name] == 0 {
			t.Errorf("%s: nothing was sent", c.name)
		}
	}
	return l.failures
}

// none fails the test for each failure, of which the first few are shown.
func none(t *testing.T, failures []failure) {
	t.Helper()
	for _, f := range failures[:min(len(failures), 10)] {
		t.Error(f)
	}
	if len(failures) > 10 {
		t.Errorf("… and %d more", len(failures)-10)
	}
}

// refused reports whether f is a connection that nobody accepted: the listener
// was closed, or closed with the connection still in its queue.
func (f failure) refused() bool {
	var op *net.OpError
	return !f.served && errors.As(f.err, &op)
}

// unrefused are those failures that are not refused connections.
func unrefused(failures []failure) []failure {
	return slices.DeleteFunc(slices.Clone(failures), failure.refused)
}
