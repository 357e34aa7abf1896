package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// edge is a proxy in front of origin that has its certificates from ca.
type edge struct {
	*proxy
	ca         *authority
	http, tls  int    // ports; http 0: no such listener
	hosts, ask string // YAML list; URL or ""
	storage    string // DSN, or ""
	origin     *origin
	data       string
	oneOfTwo   bool // ca can validate by one of the two challenges on offer
}

// origin says what it was asked for.
type origin struct {
	url      string
	requests atomic.Int64
}

func startOrigin(t *testing.T) *origin {
	o := &origin{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.requests.Add(1)
		fmt.Fprintf(w, "origin: %s %s", r.Host, r.RequestURI)
	}))
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// newEdge returns an edge that has not started yet. Its authority runs and can
// validate by the challenge named alone, or by either if that is "".
func newEdge(t *testing.T, challenge string, lifetime time.Duration) *edge {
	t.Helper()
	e := &edge{http: reservePort(t), tls: reservePort(t), hosts: "[a.test]", origin: startOrigin(t), data: t.TempDir()}
	dead := reservePort(t)
	switch challenge {
	case "http-01":
		e.ca, e.oneOfTwo = startAuthority(t, e.http, dead, lifetime), true
	case "tls-alpn-01":
		e.ca, e.http = startAuthority(t, e.http, e.tls, lifetime), 0
	default:
		e.ca = startAuthority(t, e.http, e.tls, lifetime)
	}
	return e
}

// start runs the proxy with today's fields.
func (e *edge) start(t *testing.T) {
	t.Helper()
	e.proxy = runProxy(t, e.yaml())
}

// restart stops the proxy as an operator would, and starts it on the same data.
func (e *edge) restart(t *testing.T) {
	t.Helper()
	if err := e.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, e.log)
	}
	e.start(t)
}

func (e *edge) yaml() string {
	plain := ""
	if e.http != 0 {
		plain = loopback(e.http)
	}
	return fmt.Sprintf(`listen: {http: %q, https: %q}
admin: {listen: "127.0.0.1:0"}
data: %s
log: {format: json, access: true}
tls: {ca: %s, ca_root: %s, storage: %q, on_demand: {ask: %q}}
sites:
  - hosts: %s
    to: [%s]
`, plain, loopback(e.tls), e.data, e.ca.directory, e.ca.root, e.storage, e.ask, e.hosts, e.origin.url)
}

// shake does a handshake as name and returns the certificate, which a browser
// that trusts the authority would accept.
func (e *edge) shake(name string) (*x509.Certificate, error) {
	return shake(loopback(e.tls), name, e.ca.pool)
}

func shake(addr, name string, pool *x509.CertPool) (*x509.Certificate, error) {
	patient := &net.Dialer{Timeout: 20 * time.Second}
	c, err := tls.DialWithDialer(patient, "tcp", addr, &tls.Config{ServerName: name, RootCAs: pool})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

// awaitCertificate waits until name is served with a good certificate.
func (e *edge) awaitCertificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	var last error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		leaf, err := e.shake(name)
		if err == nil {
			return leaf
		}
		last = err
	}
	t.Fatalf("%s has no certificate: %v\n%s", name, last, e.log)
	return nil
}

// awaitOrder waits until the first order is made, which takes a second to fulfil.
func (e *edge) awaitOrder(t *testing.T) {
	t.Helper()
	await(t, "order", func() bool { return e.ca.orders.Load() > 0 })
}

// fetch gets a page over TLS and returns its status and body.
func (e *edge) fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := e.visitor(t).Get(url)
	if err != nil {
		t.Fatalf("%s: %v\n%s", url, err, e.log)
	}
	defer res.Body.Close()
	return res.StatusCode, body(t, res)
}

// visitor trusts the authority and finds every name at the edge: https on its TLS
// port, http on its plain one. It does not follow redirects.
func (e *edge) visitor(t *testing.T) *http.Client {
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: e.ca.pool},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			port := e.tls
			if strings.HasSuffix(addr, ":80") {
				port = e.http
			}
			return new(net.Dialer).DialContext(ctx, "tcp", loopback(port))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: client.CheckRedirect, Timeout: 20 * time.Second}
}

// made checks that the authority has made one account and as many orders as given.
// Where it cannot validate by one of two challenges, each order may have failed
// once, as the client tries them in an order of its own.
func (e *edge) made(t *testing.T, orders int64) {
	t.Helper()
	most := orders
	if e.oneOfTwo {
		most *= 2
	}
	accounts, got := e.ca.accounts.Load(), e.ca.orders.Load()
	if accounts != 1 || got < orders || got > most {
		t.Errorf("%d accounts and %d orders, want 1 and %d to %d", accounts, got, orders, most)
	}
}
