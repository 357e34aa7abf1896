package certify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a self-signed certificate for names and its key to dir.
func writePair(t *testing.T, dir, base string, names ...string) Site {
	return writePairUntil(t, time.Now().Add(90*24*time.Hour), dir, base, names...)
}

func writePairUntil(t *testing.T, end time.Time, dir, base string, names ...string) Site {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: newSerial(), DNSNames: names, Subject: pkix.Name{CommonName: base},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "signer of " + base}}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s := Site{Hosts: names, CertFile: filepath.Join(dir, base+".pem"), KeyFile: filepath.Join(dir, base+".key")}
	write(t, s.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, s.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return s
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// served returns the certificate for name, whoever signed it.
func (e *edge) served(name string) *x509.Certificate {
	e.t.Helper()
	cert, err := visit(e.addr, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		e.t.Fatalf("visit %q: %v", name, err)
	}
	return cert
}

func TestOwnCertificate(t *testing.T) {
	site := writePair(t, t.TempDir(), "own", "a.test", "*.b.test")
	site.Hosts = []string{"a.test", "x.b.test"}
	e := newEdge(t, Options{Sites: []Site{site}})
	if e.served("a.test").Subject.CommonName != "own" || e.served("x.b.test").Subject.CommonName != "own" {
		t.Error("another certificate")
	}
	e.refuses("y.b.test") // the certificate would do, but no site has the host
	e.refuses("own")      // a common name is no host name
	for _, s := range e.Certificates() {
		if s.Issuer != "signer of own" || s.NotAfter.IsZero() || s.Err != "" {
			t.Errorf("status %+v", s)
		}
	}
}

func TestOwnCertificateForEveryHost(t *testing.T) {
	site := writePair(t, t.TempDir(), "own", "*.b.test")
	site.Hosts = []string{"*"}
	e := newEdge(t, Options{Sites: []Site{site}})
	e.served("any.b.test")
	e.refuses("b.test")
	e.refuses("c.test")
}

func TestFileIsReadAgain(t *testing.T) {
	for _, how := range []string{"written", "renamed over"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			site := writePair(t, dir, "own", "a.test")
			var told events
			e := newEdge(t, Options{Sites: []Site{site}, Event: told.note})
			e.Start(t.Context())
			first := e.served("a.test")
			if how == "written" {
				writePair(t, dir, "own", "a.test")
			} else {
				next := writePair(t, t.TempDir(), "own", "a.test")
				os.Rename(next.CertFile, site.CertFile)
				os.Rename(next.KeyFile, site.KeyFile)
			}
			eventually(t, "the new certificate", func() bool { return !e.served("a.test").Equal(first) })
			if told.count("loaded a.test") != 1 {
				t.Errorf("events %v", told.seen)
			}
		})
	}
}

func TestBadFileLeavesTheOneBefore(t *testing.T) {
	dir := t.TempDir()
	site := writePair(t, dir, "own", "a.test")
	var told events
	e := newEdge(t, Options{Sites: []Site{site}, Event: told.note, Logger: slog.New(slog.DiscardHandler)})
	e.Start(t.Context())
	first := e.served("a.test")
	write(t, site.CertFile, []byte("nonsense"))
	eventually(t, "an error in the status", func() bool { return e.Certificates()[0].Err != "" })
	if !e.served("a.test").Equal(first) || told.count("failed a.test") != 1 {
		t.Errorf("events %v", told.seen)
	}
	writePair(t, dir, "own", "a.test")
	eventually(t, "the error is gone", func() bool { return e.Certificates()[0].Err == "" })
	if e.served("a.test").Equal(first) {
		t.Error("the mended file is not in use")
	}
}

func TestUpdateOfFiles(t *testing.T) {
	dir := t.TempDir()
	a, b := writePair(t, dir, "one", "a.test"), writePair(t, dir, "two", "b.test")
	o := Options{Dir: t.TempDir(), Internal: true, Sites: []Site{a, b}}
	e := newEdge(t, o)
	e.Start(t.Context())
	e.served("b.test")

	o.Sites = []Site{a, {Hosts: []string{"b.test"}}} // b now comes from the authority
	if err := e.Update(o); err != nil {
		t.Fatal(err)
	}
	e.mustVisit("b.test")
	o.Sites = []Site{a, b} // and back
	if err := e.Update(o); err != nil {
		t.Fatal(err)
	}
	if e.served("b.test").Subject.CommonName != "two" || e.served("a.test").Subject.CommonName != "one" {
		t.Error("another certificate")
	}
	o.Sites = []Site{b}
	if err := e.Update(o); err != nil {
		t.Fatal(err)
	}
	e.refuses("a.test")
}

func TestFileErrorsNameFileAndFix(t *testing.T) {
	dir := t.TempDir()
	a, b := writePair(t, dir, "one", "a.test"), writePair(t, dir, "two", "b.test")
	write(t, filepath.Join(dir, "large"), make([]byte, maxPEM+1))
	for _, c := range []struct {
		name string
		site Site
		want []string
	}{
		{"another key", Site{a.Hosts, a.CertFile, b.KeyFile}, []string{"one.pem", "two.key", "name the key"}},
		{"swapped", Site{a.Hosts, a.KeyFile, a.CertFile}, []string{"one.pem", "one.key", "PEM"}},
		{"missing", Site{a.Hosts, filepath.Join(dir, "no.pem"), a.KeyFile}, []string{"no.pem", "no such file"}},
		{"missing key", Site{a.Hosts, a.CertFile, filepath.Join(dir, "no.key")}, []string{"no.key", "no such file"}},
		{"another host", Site{[]string{"c.test"}, a.CertFile, a.KeyFile}, []string{"one.pem", "a.test", "c.test"}},
		{"large", Site{a.Hosts, filepath.Join(dir, "large"), a.KeyFile}, []string{"large"}},
		{"no key named", Site{a.Hosts, a.CertFile, ""}, []string{"key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Dir: filepath.Join(dir, "data"), Sites: []Site{b, c.site}}
			_, err := New(o)
			if err == nil || Check(o) == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		t.Error("a folder was made for options that are wrong")
	}
}

func TestExpiryIsWarnedOf(t *testing.T) {
	for _, c := range []struct {
		left time.Duration
		want string
	}{
		{15 * 24 * time.Hour, ""},
		{13 * 24 * time.Hour, "expires soon"},
		{-time.Minute, "has expired"},
	} {
		var log strings.Builder
		site := writePairUntil(t, time.Now().Add(c.left), t.TempDir(), "own", "a.test")
		e := newEdge(t, Options{Sites: []Site{site}, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		log.Reset()
		e.warnOfExpiry()
		if got := log.String(); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%v left: %q", c.left, got)
		}
		e.Close()
	}
}
