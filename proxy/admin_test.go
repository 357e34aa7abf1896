package proxy

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

type adminCase struct {
	name, method, host, path string
	header                   []string
	status                   int
	body                     string
}

func (c adminCase) run(t *testing.T, a *Admin) {
	t.Run(c.name, func(t *testing.T) {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Host = c.host
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) {
			t.Errorf("got %d %q, want %d %q", w.Code, w.Body, c.status, c.body)
		}
	})
}

func newTestAdmin(token string) *Admin {
	return &Admin{
		Dashboard: says("dashboard"), API: says("api"), Metrics: says("metrics"), Profiles: Profiles(), Token: token,
		Ready:  func() error { return errors.New("disk full") },
		Reload: func() error { return errors.New("ctlive.yaml:3:1: sites: no site") },
	}
}

func TestAdmin(t *testing.T) {
	for _, c := range []adminCase{
		{"dashboard", "GET", "127.0.0.1:9180", "/", nil, 200, "dashboard"},
		{"by name", "GET", "localhost:9180", "/", nil, 200, "dashboard"},
		{"by IPv6 address", "GET", "[::1]:9180", "/", nil, 200, "dashboard"},
		{"api", "GET", "127.0.0.1:9180", "/api/events", nil, 200, "api"},
		{"metrics", "GET", "127.0.0.1:9180", "/metrics", nil, 200, "metrics"},
		{"profiles", "GET", "127.0.0.1:9180", "/debug/pprof/goroutine?debug=1", nil, 200, "TestAdmin"},
		{"arguments are nobody's business", "GET", "127.0.0.1:9180", "/debug/pprof/cmdline", nil, 404, ""},
		{"alive", "GET", "127.0.0.1", "/healthz", nil, 200, "ok\n"},
		{"not ready", "GET", "127.0.0.1", "/readyz", nil, 503, "disk full\n"},
		{"rebound name", "GET", "evil.test:9180", "/api/events", nil, 421, ""},
		{"no host", "GET", "", "/", nil, 421, ""},
		{"another site's script", "GET", "127.0.0.1", "/api/events", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, ""},
		{"another port's script", "GET", "127.0.0.1", "/api/events", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"}, 403, ""},
		{"a link elsewhere", "GET", "127.0.0.1", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 200, "dashboard"},
		{"a form elsewhere", "POST", "127.0.0.1", "/reload", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 403, ""},
		{"a form elsewhere, older browser", "POST", "127.0.0.1:9180", "/reload", []string{"Origin", "http://evil.test"}, 403, ""},
		{"a sandboxed form", "POST", "127.0.0.1:9180", "/reload", []string{"Origin", "null"}, 403, ""},
		{"reload refused", "POST", "127.0.0.1:9180", "/reload", []string{"Origin", "http://127.0.0.1:9180"}, 422, "ctlive.yaml:3:1"},
		{"reload by GET", "GET", "127.0.0.1:9180", "/reload", nil, 405, ""},
	} {
		c.run(t, newTestAdmin(""))
	}
}

func TestAdminToken(t *testing.T) {
	const token = "0123456789abcdef"
	basic := func(password string) string {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth("anybody", password)
		return r.Header.Get("Authorization")
	}
	for _, c := range []adminCase{
		{"none", "GET", "admin.example.com", "/", nil, 401, ""},
		{"bearer", "GET", "admin.example.com", "/metrics", []string{"Authorization", "Bearer " + token}, 200, "metrics"},
		{"basic", "GET", "admin.example.com", "/api/stats", []string{"Authorization", basic(token)}, 200, "api"},
		{"profiles", "GET", "admin.example.com", "/debug/pprof/goroutine", nil, 401, ""},
		{"wrong", "GET", "admin.example.com", "/", []string{"Authorization", "Bearer " + token + "0"}, 401, ""},
		{"wrong basic", "GET", "admin.example.com", "/", []string{"Authorization", basic("")}, 401, ""},
		{"on loopback, too", "GET", "127.0.0.1:9180", "/", nil, 401, ""},
		{"a load balancer asks", "GET", "10.0.0.1:9180", "/healthz", nil, 200, "ok\n"},
		{"another site with the browser's password", "POST", "admin.example.com", "/reload", []string{"Authorization", basic(token), "Sec-Fetch-Site", "cross-site"}, 403, ""},
	} {
		c.run(t, newTestAdmin(token))
	}
}
