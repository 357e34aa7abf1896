package certify

import (
	"crypto/tls"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
)

func helloFor(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.X25519},
		CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
	}
}

func TestCanonical(t *testing.T) {
	long := strings.Repeat("a.", 124) + "abcde" // 253 bytes
	for _, c := range []struct{ in, want string }{
		{"a.test", "a.test"},
		{"A.TEST.", "a.test"},
		{"localhost", "localhost"},
		{"x_y-z.1.test", "x_y-z.1.test"},
		{"1.2.3.4.test", "1.2.3.4.test"},
		{"xn--bcher-kva.test", "xn--bcher-kva.test"},
		{long, long},
		{long + "f", ""},
		{strings.Repeat("a", 63) + ".test", strings.Repeat("a", 63) + ".test"},
		{strings.Repeat("a", 64) + ".test", ""},
		{"", ""}, {".", ""}, {"..", ""}, {"..x", ""}, {".x", ""}, {"x..", ""}, {"a..b", ""}, {"*", ""}, {"*.x", ""}, {"a.*", ""},
		{"1.2.3.4", ""}, {"123", ""}, {"a.123", ""}, {"::1", ""}, {"[::1]", ""}, {"a:1", ""}, {"a/b", ""}, {"a b", ""},
		{" a", ""}, {"a\x00", ""}, {"b\u00fccher.test", ""}, {"a%.test", ""}, {"\u212a.test", ""},
	} {
		if got := canonical(c.in); got != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"a.test", "A.B.", "*.x", "..x", "1.2.3.4", "x.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := canonical(s)
		if name == "" {
			return
		}
		if canonical(name) != name {
			t.Errorf("%q is not canonical", name)
		}
		if !strings.EqualFold(strings.TrimSuffix(s, "."), name) || net.ParseIP(name) != nil || strings.ContainsAny(name, "*/\\ :%") || len(name) > 253 {
			t.Errorf("%q became %q", s, name)
		}
	})
}

func TestCovers(t *testing.T) { // edge 31
	dir := t.TempDir()
	site := writePair(t, dir, "wild", "*.wild.test", "wild.test")
	site.Hosts = []string{"wild.test", "a.wild.test"}
	e := newEdge(t, Options{Internal: true, Sites: append(sites("a.test", "b.test"), site)})
	e.mustVisit("a.test")
	e.mustVisit("b.test")
	for _, c := range []struct {
		name, host string
		want       bool
	}{
		{"a.test", "a.test", true},
		{"A.Test", "a.test", true},
		{"a.test", "b.test", false},
		{"wild.test", "a.wild.test", true},
		{"a.wild.test", "wild.test", true},
		{"a.wild.test", "other.wild.test", true},
		{"a.wild.test", "deep.a.wild.test", false},
		{"a.wild.test", "a.test", false},
		{"", "a.test", false},
		{"a.test", "", false},
		{"unknown.test", "a.test", false},
	} {
		if got := e.Covers(c.name, c.host); got != c.want {
			t.Errorf("Covers(%q, %q) = %v", c.name, c.host, got)
		}
	}
}

func TestChallengeFlood(t *testing.T) { // edge 59
	e := newEdge(t, Options{CA: "https://127.0.0.1:1/dir", HTTPPort: 80, Sites: sites("a.test")})
	for _, target := range []string{"http://a.test" + challengePath + "x", "http://A.test:80" + challengePath + "x", "http://[::1]:80" + challengePath, "http://b.test/"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", target, nil)
		if e.Challenge(w, r) || w.Body.Len() > 0 {
			t.Errorf("%s: answered %q", target, w.Body)
		}
		if allocs := testing.AllocsPerRun(1000, func() { e.Challenge(w, r) }); allocs > 2 {
			t.Errorf("%s: %v allocations", target, allocs) // a look at the disk takes dozens
		}
	}
}

func TestAlienTLSALPNChallenge(t *testing.T) {
	e := newEdge(t, Options{Internal: true, Sites: sites("a.test")})
	_, err := visit(e.addr, &tls.Config{ServerName: "a.test", NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if alertOf(err) != unrecognizedName {
		t.Errorf("got %v", err)
	}
}

func BenchmarkGetCertificate(b *testing.B) {
	m, err := New(Options{Dir: b.TempDir(), Internal: true, Sites: sites("www.a.test")})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	for _, name := range []string{"www.a.test", "unknown.test"} {
		b.Run(name, func(b *testing.B) {
			hello := helloFor(name)
			m.getCertificate(hello)
			b.ReportAllocs()
			for b.Loop() {
				m.getCertificate(hello)
			}
		})
	}
}
