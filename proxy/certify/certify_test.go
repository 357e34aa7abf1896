package certify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// events counts what a manager told.
type events struct {
	mu   sync.Mutex
	seen map[string]int // by "name host"
}

func (e *events) note(name, host string, _ error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen == nil {
		e.seen = map[string]int{}
	}
	e.seen[name+" "+host]++
}

func (e *events) count(s string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen[s]
}

// edge is a TLS listener with a manager's certificates.
type edge struct {
	*Manager
	t    *testing.T
	addr string
}

func newEdge(t *testing.T, o Options) *edge {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return &edge{m, t, listen(t, m)}
}

// listen answers TLS handshakes on loopback until the test ends.
func listen(t *testing.T, m *Manager) string {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", m.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if c.(*tls.Conn).HandshakeContext(ctx) == nil {
					c.Read(make([]byte, 1)) // until the client leaves
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); serving.Wait() })
	return ln.Addr().String()
}

func (e *edge) roots() *x509.CertPool {
	file, ok := e.Root()
	if !ok {
		return nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		e.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

// visit makes a handshake for name, "" without one, and returns the certificate.
func (e *edge) visit(name string) (*x509.Certificate, error) {
	return visit(e.addr, &tls.Config{ServerName: name, RootCAs: e.roots(), InsecureSkipVerify: name == ""})
}

func visit(addr string, config *tls.Config) (*x509.Certificate, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(15 * time.Second))
	client := tls.Client(c, config)
	if err := client.Handshake(); err != nil {
		return nil, err
	}
	return client.ConnectionState().PeerCertificates[0], nil
}

func (e *edge) mustVisit(name string) *x509.Certificate {
	e.t.Helper()
	cert, err := e.visit(name)
	if err != nil {
		e.t.Fatalf("visit %q: %v", name, err)
	}
	return cert
}

// alertOf returns the number of the alert that the server sent, 0 if there was
// another error. crypto/tls keeps the type to itself.
func alertOf(err error) uint64 {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return reflect.ValueOf(op.Err).Uint()
	}
	return 0
}

const protocolVersion, internalError, unrecognizedName = 70, 80, 112 // RFC 8446, section 6

func (e *edge) refuses(name string) {
	e.t.Helper()
	if cert, err := e.visit(name); alertOf(err) != unrecognizedName {
		e.t.Errorf("visit %q: got %v, %v; want the alert unrecognized_name", name, cert, err)
	}
}

// eventually waits until done reports true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("not within 15s: %s", what)
}

func sites(hosts ...string) []Site { return []Site{{Hosts: hosts}} }

func TestListedHostsGetTheirCertificate(t *testing.T) {
	var told events
	e := newEdge(t, Options{Internal: true, Sites: sites("a.test", "192.0.2.1"), Event: told.note})
	e.Start(t.Context())
	eventually(t, "both present without a visit", func() bool {
		return told.count("obtained a.test") == 1 && told.count("obtained 192.0.2.1") == 1
	})
	if cert := e.mustVisit("a.test"); cert.NotAfter.Sub(cert.NotBefore) < 7*24*time.Hour {
		t.Errorf("certificate lives %v", cert.NotAfter.Sub(cert.NotBefore))
	}
	e.mustVisit("A.Test")
	if told.count("obtained a.test") != 1 {
		t.Error("obtained again")
	}
	for _, s := range e.Certificates() {
		if s.Err != "" || s.NotAfter.IsZero() || !strings.HasPrefix(s.Issuer, "ctlive internal CA") {
			t.Errorf("status %+v", s)
		}
	}
}

func TestUnknownNamesGetAnAlert(t *testing.T) { // edge 33
	e := newEdge(t, Options{Internal: true, Sites: sites("a.test", "a.b.c.test")})
	e.mustVisit("a.test")
	for _, name := range []string{"b.test", "x.a.test", "test", "xn--bcher-kva.test", "*.test", strings.Repeat("a.", 120) + "test"} {
		e.refuses(name)
	}
	if got := len(e.Certificates()); got != 2 {
		t.Errorf("%d hosts in the table, want the 2 listed", got)
	}
}

func TestNoNameGetsAnAlert(t *testing.T) { // edge 33
	e := newEdge(t, Options{Ask: "http://127.0.0.1:1/", Sites: sites("*")})
	e.refuses("")
}

func TestInternalServesThisMachine(t *testing.T) {
	e := newEdge(t, Options{Internal: true, Sites: sites("a.test")})
	e.mustVisit("localhost")
	cert, err := visit(e.addr, &tls.Config{ServerName: "127.0.0.1", RootCAs: e.roots()}) // sends no name
	if err != nil {
		t.Fatal(err)
	}
	if cert.VerifyHostname("127.0.0.1") != nil {
		t.Errorf("certificate for %v %v", cert.DNSNames, cert.IPAddresses)
	}
	if !e.Covers("", "127.0.0.1") || e.Covers("", "a.test") || e.Covers("", "localhost") {
		t.Error("a handshake without a name covers the address alone")
	}
}

func TestInternalServesEveryHostOfTheCatchAll(t *testing.T) {
	e := newEdge(t, Options{Internal: true, Sites: sites("*")})
	for _, name := range []string{"a.test", "deep.er.test", "single", "under_score.test"} {
		if cert := e.mustVisit(name); cert.VerifyHostname(name) != nil {
			t.Errorf("%s: certificate for %v", name, cert.DNSNames)
		}
	}
}

func TestOneOrderForTwentyHandshakes(t *testing.T) {
	var told events
	e := newEdge(t, Options{Internal: true, Sites: sites("*"), Event: told.note})
	serials := make(chan string, 20)
	var visits sync.WaitGroup
	for range 20 {
		visits.Go(func() {
			cert, err := e.visit("new.test")
			if err != nil {
				t.Error(err)
				return
			}
			serials <- cert.SerialNumber.String()
		})
	}
	visits.Wait()
	close(serials)
	first := <-serials
	for s := range serials {
		if s != first {
			t.Error("two certificates")
		}
	}
	if n := told.count("obtained new.test"); n != 1 {
		t.Errorf("%d orders", n)
	}
}

func TestRestartReusesTheStorage(t *testing.T) {
	o := Options{Dir: t.TempDir(), Internal: true, Sites: sites("a.test")}
	first := newEdge(t, o)
	before := first.mustVisit("a.test")
	first.Close()

	var told events
	o.Event = told.note
	second := newEdge(t, o)
	if after := second.mustVisit("a.test"); !after.Equal(before) || told.count("obtained a.test") != 0 {
		t.Error("another certificate after the restart")
	}
}

func TestStorageIsPrivate(t *testing.T) {
	e := newEdge(t, Options{Dir: filepath.Join(t.TempDir(), "new"), Internal: true, Sites: sites("a.test")})
	e.mustVisit("a.test")
	filepath.WalkDir(e.dir, func(path string, d os.DirEntry, err error) error {
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
}

func TestShortCertificatesAreRenewed(t *testing.T) {
	var told events
	e := newEdge(t, Options{Internal: true, Sites: sites("a.test"), Event: told.note, leafLife: 4 * time.Second})
	e.Start(t.Context())
	first := e.mustVisit("a.test")
	for end := time.Now().Add(9 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		e.mustVisit("a.test") // which verifies that it has not expired
	}
	if e.mustVisit("a.test").Equal(first) {
		t.Error("never renewed")
	}
	if told.count("obtained a.test") != 1 || told.count("renewed a.test") < 2 || told.count("renewed a.test") > 12 {
		t.Errorf("events %v", told.seen)
	}
}

func TestDamagedStorageIsReplaced(t *testing.T) {
	for _, kind := range []string{".crt", ".key", ".json", "whole folder", "empty file"} {
		t.Run(kind, func(t *testing.T) {
			o := Options{Dir: t.TempDir(), Internal: true, Sites: sites("a.test")}
			e := newEdge(t, o)
			e.mustVisit("a.test")
			e.Close()
			damage(t, o.Dir, kind)
			newEdge(t, o).mustVisit("a.test")
		})
	}
}

func damage(t *testing.T, dir, kind string) {
	t.Helper()
	if kind == "whole folder" {
		if err := os.RemoveAll(filepath.Join(dir, "certificates")); err != nil {
			t.Fatal(err)
		}
		return
	}
	pattern := filepath.Join(dir, "certificates", "*", "a.test", "a.test"+kind)
	if kind == "empty file" {
		pattern = filepath.Join(dir, "certificates", "*", "a.test", "a.test.key")
	}
	names, _ := filepath.Glob(pattern)
	if len(names) != 1 {
		t.Fatalf("%d files like %s", len(names), pattern)
	}
	err := os.Remove(names[0])
	if kind == "empty file" {
		err = os.WriteFile(names[0], nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestStorageLostWhileServing(t *testing.T) {
	e := newEdge(t, Options{Internal: true, Sites: sites("a.test"), leafLife: 6 * time.Second})
	e.Start(t.Context())
	first := e.mustVisit("a.test")
	if err := os.RemoveAll(filepath.Join(e.dir, "certificates")); err != nil {
		t.Fatal(err)
	}
	e.checkStorage()
	for _, s := range e.Certificates() {
		if s.NotAfter.IsZero() || !strings.Contains(s.Err, "gone from the storage") {
			t.Errorf("status %+v", s)
		}
	}
	eventually(t, "another certificate", func() bool { return !e.mustVisit("a.test").Equal(first) })
}

func TestUpdate(t *testing.T) {
	var told events
	o := Options{Dir: t.TempDir(), Internal: true, Sites: sites("stays.test", "goes.test"), Event: told.note}
	e := newEdge(t, o)
	e.Start(t.Context())
	stays := e.mustVisit("stays.test")
	e.mustVisit("goes.test")

	o.Sites = sites("stays.test", "comes.test")
	if err := e.Update(o); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new host has its certificate before its first visitor", func() bool {
		return told.count("obtained comes.test") == 1
	})
	e.mustVisit("comes.test")
	e.refuses("goes.test")
	if !e.mustVisit("stays.test").Equal(stays) {
		t.Error("another certificate for a host that stayed")
	}
	if told.count("obtained stays.test") != 1 {
		t.Error("obtained again")
	}
}

func TestUpdateIsWholeOrNot(t *testing.T) {
	o := Options{Dir: t.TempDir(), Internal: true, Sites: sites("a.test")}
	e := newEdge(t, o)
	bad := o
	bad.Sites = []Site{{Hosts: []string{"b.test"}}, {Hosts: []string{"c.test"}, CertFile: "missing.pem", KeyFile: "missing.key"}}
	if err := e.Update(bad); err == nil || !strings.Contains(err.Error(), "missing.pem") {
		t.Errorf("got %v", err)
	}
	bad = o
	bad.Ask = "not a URL"
	if err := e.Update(bad); err == nil {
		t.Error("took an ask URL that is none")
	}
	bad = o
	bad.Dir = t.TempDir()
	if err := e.Update(bad); err == nil {
		t.Error("took another folder")
	}
	e.mustVisit("a.test")
	e.refuses("b.test")
}

func TestUpdateWhileVisitorsCome(t *testing.T) {
	o := Options{Dir: t.TempDir(), Internal: true, Sites: sites("a.test")}
	e := newEdge(t, o)
	e.Start(t.Context())
	e.mustVisit("a.test")
	var visits sync.WaitGroup
	for range 4 {
		visits.Go(func() {
			for range 50 {
				if _, err := e.visit("a.test"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 40 {
		o.Sites = sites("a.test", "b.test")
		if i%2 == 0 {
			o.Sites = sites("a.test")
		}
		if err := e.Update(o); err != nil {
			t.Fatal(err)
		}
	}
	visits.Wait()
}

func TestAuthorityChanges(t *testing.T) {
	o := Options{Dir: t.TempDir(), Internal: true, Sites: sites("a.test")}
	e := newEdge(t, o)
	e.Start(t.Context())
	old := e.mustVisit("a.test")
	if err := os.RemoveAll(filepath.Join(o.Dir, "internal")); err != nil {
		t.Fatal(err)
	}
	if err := e.Update(o); err != nil { // makes another root
		t.Fatal(err)
	}
	eventually(t, "a certificate of the new authority", func() bool {
		cert, err := e.visit("a.test")
		return err == nil && !cert.Equal(old)
	})
}

func TestTLSConfig(t *testing.T) {
	e := newEdge(t, Options{Internal: true, Sites: sites("a.test")})
	_, err := visit(e.addr, &tls.Config{ServerName: "a.test", RootCAs: e.roots(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if alertOf(err) != protocolVersion {
		t.Errorf("TLS 1.1: %v, want the alert protocol_version", err)
	}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		config := &tls.Config{ServerName: "a.test", RootCAs: e.roots(), MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}}
		_, err := visit(e.addr, config)
		if good := strings.Contains(suite.Name, "ECDHE_ECDSA") && !strings.Contains(suite.Name, "CBC") && !strings.Contains(suite.Name, "RC4"); good != (err == nil) && !strings.HasPrefix(suite.Name, "TLS_AES") && !strings.HasPrefix(suite.Name, "TLS_CHACHA") {
			t.Errorf("%s: %v", suite.Name, err)
		}
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	server := newAskServer(t, "a.test")
	o := Options{Dir: t.TempDir(), Internal: true, Ask: server.URL, Sites: sites("a.test", "b.test")}
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	m.Start(t.Context())
	eventually(t, "certificates", func() bool { _, ok := m.managed("b.test"); return ok })
	if err := m.Update(o); err != nil {
		t.Fatal(err)
	}
	m.plan.Load().ask.allows(t.Context(), "x.test")
	m.Close()
	m.Close()
	server.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	eventually(t, "goroutines gone", func() bool { return runtime.NumGoroutine() <= before })
	if locks, _ := filepath.Glob(filepath.Join(o.Dir, "locks", "*")); len(locks) != 0 {
		t.Errorf("locks left: %v", locks)
	}
}
