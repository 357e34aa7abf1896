package proxy

import (
	"errors"
	"net/http/httptest"
	"testing"
)

func TestAdmin(t *testing.T) {
	for _, test := range []struct {
		name, host, path string
		header           []string
		status           int
		body             string
	}{
		{"dashboard", "127.0.0.1:9180", "/", nil, 200, "dashboard"},
		{"by name", "localhost:9180", "/", nil, 200, "dashboard"},
		{"by IPv6 address", "[::1]:9180", "/", nil, 200, "dashboard"},
		{"api", "127.0.0.1:9180", "/api/events", nil, 200, "api"},
		{"alive", "127.0.0.1", "/healthz", nil, 200, "ok\n"},
		{"not ready", "127.0.0.1", "/readyz", nil, 503, "disk full\n"},
		{"rebound name", "evil.test:9180", "/api/events", nil, 421, ""},
		{"no host", "", "/", nil, 421, ""},
		{"another site's script", "127.0.0.1", "/api/events", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, ""},
		{"a link elsewhere", "127.0.0.1", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 200, "dashboard"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := &Admin{Dashboard: says("dashboard"), API: says("api"), Ready: func() error { return errors.New("disk full") }}
			r := httptest.NewRequest("GET", test.path, nil)
			r.Host = test.host
			for i := 0; i < len(test.header); i += 2 {
				r.Header.Set(test.header[i], test.header[i+1])
			}
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			if w.Code != test.status || test.body != "" && w.Body.String() != test.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, test.status, test.body)
			}
		})
	}
}
