package certify

import (
	"net"
	"net/http"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// challengePath begins the path of every http-01 request (RFC 8555, section 8.3).
const challengePath = "/.well-known/acme-challenge/"

// Challenge answers r if it is an authority's validation, by http-01, of an order
// of ours that is under way, and reports whether it did. Whatever else asks for
// such a path costs one look in memory. It comes before redirects and logins.
func (m *Manager) Challenge(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, challengePath) || m.plan.Load().HTTPPort == 0 {
		return false
	}
	pending, ok := certmagic.GetACMEChallenge(bareHost(r.Host))
	if !ok || pending.Type != acme.ChallengeTypeHTTP01 {
		return false
	}
	return certmagic.SolveHTTPChallenge(m.zap, w, r, pending.Challenge)
}

// bareHost returns the host of a Host header in lower case, without port,
// brackets or trailing dot.
func bareHost(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(s, "[]"), "."))
}
