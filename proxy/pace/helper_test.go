package pace

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
)

// brisk limits are the defaults, a hundred times faster.
var brisk = Limits{
	ReadIdle: 600 * time.Millisecond, ReadRate: 24000, ReadWindow: 300 * time.Millisecond, WriteIdle: 1200 * time.Millisecond,
}

// watched puts h under a watch that ends with the test, and counts its handlers.
func watched(t *testing.T, l Limits, h http.HandlerFunc) (http.Handler, *Watch) {
	w := New(l)
	t.Cleanup(w.Close)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw, r, done := w.Wrap(rw, r)
		defer done()
		h(rw, r)
	}), w
}

// A visitor speaks one version of HTTP to one server.
type visitor struct {
	name string
	new  func(t *testing.T, h http.Handler) (*http.Client, string)
}

var visitors = []visitor{{"HTTP1", visit1}, {"HTTP2", visit2}, {"HTTP2OfXNet", visit2x}, {"HTTP3", visit3}}

func visit1(t *testing.T, h http.Handler) (*http.Client, string) {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.Client(), server.URL
}

func visit2(t *testing.T, h http.Handler) (*http.Client, string) {
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Client(), server.URL
}

// visit2x is for the implementation that can be given a connection.
func visit2x(t *testing.T, h http.Handler) (*http.Client, string) {
	server := httptest.NewUnstartedServer(h)
	if err := http2.ConfigureServer(server.Config, nil); err != nil {
		t.Fatal(err)
	}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Client(), server.URL
}

func visit3(t *testing.T, h http.Handler) (*http.Client, string) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	server := &http3.Server{Handler: h, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{selfSigned(t)}})}
	go server.Serve(conn)
	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		QUICConfig:      &quic.Config{InitialStreamReceiveWindow: 64 << 10, MaxStreamReceiveWindow: 64 << 10},
	}
	t.Cleanup(func() { transport.Close(); server.Close(); conn.Close() })
	return &http.Client{Transport: transport}, "https://" + conn.LocalAddr().String()
}

func selfSigned(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// onEach runs a test for each version of HTTP, all at once: they wait most of the time.
func onEach(t *testing.T, test func(t *testing.T, v visitor)) {
	t.Parallel()
	for _, v := range visitors {
		t.Run(v.name, func(t *testing.T) { t.Parallel(); test(t, v) })
	}
}

// drip gives n bytes, size at a time with a pause before each. It ends early
// with ctx.
type drip struct {
	ctx     context.Context
	n, size int
	pause   time.Duration
}

func (d *drip) Read(p []byte) (int, error) {
	if d.n <= 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(d.pause):
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
	n := copy(p, bytes.Repeat([]byte("x"), min(d.n, d.size)))
	d.n -= n
	return n, nil
}

// noGoroutineIn fails where a goroutine does not leave function.
func noGoroutineIn(t *testing.T, function string) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for range 100 {
		if !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), function) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("a goroutine stays:\n%s", stacks[:runtime.Stack(stacks, true)])
}
