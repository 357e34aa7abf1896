package certify

import (
	"context"
	"net"
	"net/http"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// challengePath begins the path of every http-01 request (RFC 8555, section 8.3).
const challengePath = "/.well-known/acme-challenge/"

// Challenge answers r if it is an authority's validation, by http-01, of an order
// that is under way, and reports whether it did. Whatever else asks for such a path
// costs one look in memory, or where the storage is shared a wait for the next of
// few looks at that. It comes before redirects and logins.
func (m *Manager) Challenge(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, challengePath) || m.plan.Load().HTTPPort == 0 {
		return false
	}
	pending, ok := m.pending(r.Context(), bareHost(r.Host))
	if !ok || pending.Type != acme.ChallengeTypeHTTP01 {
		return false
	}
	return certmagic.SolveHTTPChallenge(m.zap, w, r, pending)
}

// pending returns the challenge under way for name, which may be an edge's that
// shares our storage.
func (m *Manager) pending(ctx context.Context, name string) (acme.Challenge, bool) {
	if ours, ok := certmagic.GetACMEChallenge(name); ok {
		return ours.Challenge, true
	}
	p := m.plan.Load()
	if m.peers == nil || p.root != nil || p.source(name) != issued && p.ask == nil {
		return acme.Challenge{}, false
	}
	return m.peers.find(ctx, name)
}

// bareHost returns the host of a Host header in lower case, without port,
// brackets or trailing dot.
func bareHost(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(s, "[]"), "."))
}
