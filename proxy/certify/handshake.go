package certify

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// getCertificate returns the certificate for hello, after an order if it takes
// one. With neither a certificate nor an error, crypto/tls sends the alert
// unrecognized_name; an error becomes internal_error.
func (m *Manager) getCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if forChallenge(hello) {
		return m.challengeCertificate(hello)
	}
	p := m.plan.Load()
	name := p.subject(hello)
	if name == "" {
		return nil, nil
	}
	if cert := m.find(p, name, hello); cert != nil {
		return cert, nil
	}
	if !m.mayObtain(p, name, hello) {
		return nil, nil
	}
	if err := m.await(contextOf(hello), name); err != nil {
		return nil, err
	}
	return m.find(p, name, hello), nil
}

// contextOf returns the context of the handshake, which callers outside
// crypto/tls cannot set.
func contextOf(hello *tls.ClientHelloInfo) context.Context {
	if ctx := hello.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

// subject returns the name to find a certificate for, "" if none will do.
func (p *plan) subject(hello *tls.ClientHelloInfo) string {
	if hello.ServerName != "" {
		return canonical(hello.ServerName)
	}
	// Browsers send no name when they visit an IP address (RFC 6066, section 3).
	ip := localAddr(hello.Conn)
	if name := ip.String(); ip.IsValid() && (p.listed[name] != unlisted || p.root != nil && ip.IsLoopback()) {
		return name
	}
	return ""
}

func localAddr(c net.Conn) netip.Addr {
	if c == nil || c.LocalAddr() == nil {
		return netip.Addr{}
	}
	at, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// canonical returns the host name s in lower case and without its trailing dot,
// "" if it is none: an IP address, a wildcard, empty labels, characters beyond
// letters, digits, hyphen and underscore, or longer than DNS allows (RFC 1035,
// section 2.3.4).
func canonical(s string) string {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 {
		return ""
	}
	label, letters := 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && label > 0:
			label, letters = 0, false
			continue
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '_':
			letters = true
		case '0' <= c && c <= '9':
		default:
			return ""
		}
		if label++; label > 63 {
			return ""
		}
	}
	if label == 0 || !letters { // no top-level domain is a number: that is an IPv4 address
		return ""
	}
	return strings.ToLower(s)
}

// find returns the certificate in memory for name.
func (m *Manager) find(p *plan, name string, hello *tls.ClientHelloInfo) *tls.Certificate {
	from := p.source(name)
	if from == unlisted && !m.known(name) {
		return nil
	}
	choices := m.cache.AllMatchingCertificates(name)
	if from != filed {
		choices = obtained(choices, from == issued)
	}
	cert, err := certmagic.DefaultCertificateSelector(hello, choices)
	if err != nil || from != filed && cert.Expired() {
		return nil
	}
	return &cert.Certificate
}

// obtained returns those of certs that were not read from files; if there are
// none, and orAny, all of them: a certificate that another site has for a whole
// domain is better than a wait.
func obtained(certs []certmagic.Certificate, orAny bool) []certmagic.Certificate {
	var kept []certmagic.Certificate
	for _, cert := range certs {
		if !cert.HasTag(fromFile) {
			kept = append(kept, cert)
		}
	}
	if len(kept) == 0 && orAny {
		return certs
	}
	return kept
}

// mayObtain reports whether a handshake may make us obtain a certificate for
// name, which is not in memory.
func (m *Manager) mayObtain(p *plan, name string, hello *tls.ClientHelloInfo) bool {
	if from := p.source(name); from != unlisted {
		return from == issued
	}
	if p.root != nil && (p.anyName() || local(name)) {
		return m.issuing.Allow()
	}
	if p.ask == nil || !strings.Contains(name, ".") {
		return false
	}
	allowed, err := p.ask.allows(contextOf(hello), name)
	if err != nil {
		m.log.Debug("ask whether a host may have a certificate", "host", name, "error", err)
	}
	return allowed
}

// local reports whether name is this machine, seen from itself.
func local(name string) bool {
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && ip.IsLoopback()
}

// forChallenge reports whether hello comes from an authority that validates a
// name with tls-alpn-01 (RFC 8737, section 3).
func forChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acmez.ACMETLS1Protocol
}

// challengeCertificate answers a pending challenge.
func (m *Manager) challengeCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	pending, ok := m.pending(contextOf(hello), hello.ServerName)
	if !ok || pending.Type != acme.ChallengeTypeTLSALPN01 {
		return nil, nil
	}
	return acmez.TLSALPN01ChallengeCert(pending)
}

// Covers reports whether the certificate that serverName gets, "" for a
// handshake without a name, is also valid for host, which is canonical. A
// browser that has seen this certificate may use its connection for host too
// (RFC 9113, section 9.1.1); a client for whom it is not valid has lost its way.
func (m *Manager) Covers(serverName, host string) bool {
	if serverName == host {
		return true
	}
	name := canonical(serverName)
	if name == host {
		return host != ""
	}
	return name == "" && m.coversNameless(host) || name != "" && m.covers(name, host)
}

// coversNameless answers for a client that sent no name: it got the certificate
// of an address, which is that of the address it connected to.
func (m *Manager) coversNameless(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil && m.covers(host, host)
}

func (m *Manager) covers(name, host string) bool {
	p := m.plan.Load()
	choices := m.cache.AllMatchingCertificates(name)
	if from := p.source(name); from != filed {
		choices = obtained(choices, from == issued)
	}
	for _, cert := range choices {
		if cert.Leaf != nil && cert.Leaf.VerifyHostname(host) == nil {
			return true
		}
	}
	return false
}
