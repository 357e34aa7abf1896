package collector

import (
	"net/http/httptest"
	"testing"
)

func TestFromSite(t *testing.T) {
	tests := []struct {
		name, host, origin, fetchSite string
		want                          bool
	}{
		{"no browser", "www.example.com", "", "", true},
		{"own host", "www.example.com", "https://www.example.com", "same-origin", true},
		{"TLS ends in front", "www.example.com", "https://www.example.com:443", "", true},
		{"case and dot", "WWW.example.com.", "https://www.Example.com", "", true},
		{"own port", "www.example.com:8443", "https://www.example.com:8443", "", true},
		{"sister host", "www.example.com", "https://example.com", "same-site", true},
		{"sister host, same port", "www.example.com:8080", "http://example.com:8080", "", true},
		{"unlisted host that was asked", "localhost:8080", "http://localhost:8080", "", true},
		{"IPv6", "[::1]:8080", "http://[::1]:8080", "", true},

		{"cross-site", "www.example.com", "", "cross-site", false},
		{"cross-site with own origin", "www.example.com", "https://www.example.com", "cross-site", false},
		{"null", "www.example.com", "null", "", false},
		{"other host", "www.example.com", "https://evil.example", "same-site", false},
		{"other port", "www.example.com", "https://www.example.com:8443", "", false},
		{"sister host, other port", "www.example.com:8080", "http://example.com:9090", "", false},
		{"host as suffix", "www.example.com", "https://evil-example.com", "", false},
		{"subdomain", "www.example.com", "https://x.www.example.com", "", false},
		{"other scheme", "www.example.com", "chrome-extension://www.example.com", "", false},
		{"no URL", "www.example.com", "https://%zz", "", false},
		{"text", "www.example.com", "www.example.com", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", nil)
			r.Host = test.host
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			if test.fetchSite != "" {
				r.Header.Set("Sec-Fetch-Site", test.fetchSite)
			}
			if got := fromSite(r, testSite); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
	t.Run("two origins", func(t *testing.T) {
		r := httptest.NewRequest("POST", "https://www.example.com/", nil)
		r.Header["Origin"] = []string{"https://www.example.com", "https://evil.example"}
		if fromSite(r, testSite) {
			t.Error("taken")
		}
	})
}
