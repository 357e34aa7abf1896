package demo

import (
	"regexp"
	"testing"
)

var policy = regexp.MustCompile(`^default-src 'none'; script-src 'nonce-([A-Za-z0-9+/=]{22,})' 'strict-dynamic'; ` +
	`style-src 'self'; img-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'$`)

// Each answer has a nonce of its own, and its own scripts carry it.
func TestNonce(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		res, body := get(t, "GET", "/account")
		match := policy.FindStringSubmatch(res.Header.Get("Content-Security-Policy"))
		if match == nil {
			t.Fatalf("policy %q", res.Header.Get("Content-Security-Policy"))
		}
		if seen[match[1]] {
			t.Fatalf("nonce %s was used before", match[1])
		}
		seen[match[1]] = true

		scripts := 0
		for n := range parse(t, body).Descendants() {
			if n.Data != "script" {
				continue
			}
			scripts++
			if got := attribute(n, "nonce"); got != match[1] {
				t.Fatalf("script has nonce %q, policy has %q", got, match[1])
			}
		}
		if scripts != 1 {
			t.Fatalf("%d scripts", scripts)
		}
	}
}
