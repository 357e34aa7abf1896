package proxy

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// askFront has p answer a request from the secure or the plain listener.
func askFront(p *Proxy, secure bool, method, target, host string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	if secure {
		r.TLS = &tls.ConnectionState{ServerName: "a.test"}
	}
	w := httptest.NewRecorder()
	p.serve(w, r, secure)
	return w
}

func newFront(t *testing.T, change func(*Options)) *Proxy {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Alt-Svc", `h3="evil.test:443"`)
		w.Header().Set("Strict-Transport-Security", "max-age=1")
		servesPage(w, r)
	}))
	t.Cleanup(origin.Close)
	o := Options{
		Sites:  []Site{testSite(t, origin.URL, "a.test", "b.test", "::1")},
		Logger: slog.New(slog.DiscardHandler), HTTPSPort: 443, HTTP3: true, Metrics: NewMetrics(nil, nil),
	}
	change(&o)
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// TestRedirect: the plain listener leads to the secure one, for our hosts only
// (edge 32).
func TestRedirect(t *testing.T) {
	p := newFront(t, func(o *Options) {})
	for _, test := range []struct{ method, target, host, want string }{
		{"GET", "/x//y?a=%2f;b", "a.test", "https://a.test/x//y?a=%2f;b"},
		{"POST", "/", "A.test.:80", "https://a.test/"},
		{"GET", "/", "[::1]:80", "https://[::1]/"},
		{"GET", "/.ctlive/listener.js", "b.test", "https://b.test/.ctlive/listener.js"},
	} {
		w := askFront(p, false, test.method, test.target, test.host)
		if w.Code != http.StatusPermanentRedirect || w.Header().Get("Location") != test.want {
			t.Errorf("%s%s: %d %s, want %s", test.host, test.target, w.Code, w.Header().Get("Location"), test.want)
		}
	}
	if w := askFront(p, false, "GET", "/", "evil.test"); w.Code != http.StatusNotFound {
		t.Errorf("evil.test: %d %s", w.Code, w.Header().Get("Location"))
	}
	other := newFront(t, func(o *Options) { o.HTTPSPort = 8443 })
	for host, want := range map[string]string{"a.test:8080": "https://a.test:8443/", "[::1]": "https://[::1]:8443/"} {
		if got := askFront(other, false, "GET", "/", host).Header().Get("Location"); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

// TestChallengeComesFirst: the CA is answered before any redirect, for any host.
func TestChallengeComesFirst(t *testing.T) {
	p := newFront(t, func(o *Options) {
		o.Challenge = func(w http.ResponseWriter, r *http.Request) bool {
			acts := strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/token")
			if acts {
				w.WriteHeader(http.StatusOK)
			}
			return acts
		}
	})
	for target, want := range map[string]int{"/.well-known/acme-challenge/token": 200, "/.well-known/acme-challenge/x": 308} {
		if w := askFront(p, false, "GET", target, "a.test"); w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
}

// TestMisdirected: 421 only where the certificate does not cover the host (edge
// 31, 32).
func TestMisdirected(t *testing.T) {
	p := newFront(t, func(o *Options) {
		o.Covers = func(serverName, host string) bool { return serverName == "a.test" && host == "b.test" }
	})
	for host, want := range map[string]int{"a.test": 200, "b.test": 200, "[::1]": 421, "evil.test": 421} {
		if w := askFront(p, true, "GET", "/", host); w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
	}
}

// TestSecurityFields: Alt-Svc is ours, HSTS ours where it is configured (edge 72).
func TestSecurityFields(t *testing.T) {
	for _, test := range []struct {
		name        string
		change      func(*Options)
		altSvc, age string
	}{
		{"as it comes", func(o *Options) {}, `h3=":443"; ma=86400`, "max-age=1"},
		{"configured", func(o *Options) { o.Sites[0].HSTS = 24 * time.Hour }, `h3=":443"; ma=86400`, "max-age=86400"},
		{"without HTTP/3", func(o *Options) { o.HTTP3 = false }, "", "max-age=1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := askFront(newFront(t, test.change), true, "GET", "/", "a.test").Result().Header
			if got := strings.Join(h["Alt-Svc"], "|"); got != test.altSvc {
				t.Errorf("Alt-Svc: %s", got)
			}
			if got := strings.Join(h["Strict-Transport-Security"], "|"); got != test.age {
				t.Errorf("Strict-Transport-Security: %s", got)
			}
		})
	}
}

// TestMetrics: a request, its page and a refusal are counted.
func TestMetrics(t *testing.T) {
	end := time.Now().Add(time.Hour)
	m := NewMetrics(func() map[string]Validity {
		return map[string]Validity{"a.test": {NotBefore: end.Add(-24 * time.Hour), NotAfter: end}}
	}, func() error { return errors.New("the disk is full") })
	p := newFront(t, func(o *Options) { o.Metrics = m })
	p.Start(t.Context())
	askFront(p, true, "GET", "/", "a.test")
	askFront(p, true, "TRACE", "/", "a.test")
	m.Event("a.test", "ChatStarted", "stored")
	m.Hangup("handshake")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`ctlive_http_requests_total{code="200",site="a.test"} 1`,
		`ctlive_http_request_duration_seconds_count{site="a.test"} 1`,
		`ctlive_pages_total{reason="",result="injected",site="a.test"} 1`,
		`ctlive_events_total{site="a.test",type="ChatStarted",verdict="stored"} 1`,
		`ctlive_requests_refused_total{reason="method"} 1`,
		`ctlive_connections_refused_total{reason="handshake"} 1`,
		`ctlive_upstream_up{site="a.test",upstream="http://127.0.0.1:`,
		`ctlive_cert_expiry_seconds{host="a.test"} 35`,
		`ctlive_cert_lifetime_seconds{host="a.test"} 86400`,
		`ctlive_store_ready 0`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}
