package inject

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// cspSources is a source list, its expressions sorted by kind. Those that
// neither allow the markup nor keep anything from doing so ('unsafe-eval',
// 'report-sample', 'none' …) are left out.
type cspSources struct {
	nonces        []string // values of nonce-sources
	hashes        []string // hash-sources, spelled as cspHashes does
	urls          []string // scheme-sources and host-sources as written, and "*"
	self          bool
	unsafeInline  bool
	strictDynamic bool
}

// parseSources parses a serialized source list, which is a set (CSP3 2.3.1).
func parseSources(value string) (l cspSources) {
	seen := make(map[string]bool)
	for _, e := range cspFields(value) {
		if seen[e] {
			continue
		}
		seen[e] = true
		if len(e) > 2 && e[0] == '\'' && e[len(e)-1] == '\'' {
			l.addQuoted(e[1 : len(e)-1])
		} else {
			l.urls = append(l.urls, e)
		}
	}
	return l
}

// addQuoted adds the expression whose inside e is: a keyword, nonce or hash.
func (l *cspSources) addQuoted(e string) {
	kind, value, _ := strings.Cut(e, "-")
	kind = strings.ToLower(kind)
	switch keyword := strings.ToLower(e); {
	case keyword == "self":
		l.self = true
	case keyword == "unsafe-inline":
		l.unsafeInline = true
	case keyword == "strict-dynamic":
		l.strictDynamic = true
	case !isBase64Value(value):
	case kind == "nonce":
		l.nonces = append(l.nonces, value)
	case kind == "sha256", kind == "sha384", kind == "sha512":
		l.hashes = append(l.hashes, kind+"-"+fromBase64URL.Replace(value))
	}
}

var fromBase64URL = strings.NewReplacer("-", "+", "_", "/")

// isBase64Value reports whether s is what a nonce or a hash may be:
//
//	1*( ALPHA / DIGIT / "+" / "/" / "-" / "_" ) *2( "=" )
//
// One that is not makes no nonce-source, so 'unsafe-inline' works beside it.
func isBase64Value(s string) bool {
	body := strings.TrimRight(s, "=")
	foreign := func(r rune) bool { return !isHostChar(r) && r != '+' && r != '/' && r != '_' }
	return body != "" && len(s)-len(body) <= 2 && !strings.ContainsFunc(body, foreign)
}

// isHostChar reports whether r is of ALPHA / DIGIT / "-".
func isHostChar(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-'
}

// allowInline reports whether l allows every inline script (CSP3 6.7.3.2).
func (l cspSources) allowInline() bool {
	return l.unsafeInline && !l.strictDynamic && len(l.nonces) == 0 && len(l.hashes) == 0
}

// containHash reports whether l has one of hashes.
func (l cspSources) containHash(hashes ...string) bool {
	return slices.ContainsFunc(l.hashes, func(h string) bool { return slices.Contains(hashes, h) })
}

// allowURL reports whether l allows t for its URL (CSP3 6.7.2.7). It leaves
// 'strict-dynamic' to the caller.
func (l cspSources) allowURL(t cspTarget) bool {
	return l.self && t.self || slices.ContainsFunc(l.urls, t.matches)
}

// cspHashes returns the hashes of an inline script by which a list may allow
// it, as hash-sources without quotes.
func cspHashes(text string) [3]string {
	s256, s384, s512 := sha256.Sum256([]byte(text)), sha512.Sum384([]byte(text)), sha512.Sum512([]byte(text))
	encode := base64.StdEncoding.EncodeToString
	return [...]string{"sha256-" + encode(s256[:]), "sha384-" + encode(s384[:]), "sha512-" + encode(s512[:])}
}

// cspTarget is a URL that the markup asks for, taken apart for matching.
type cspTarget struct {
	scheme, host, port, path string // host is "" if no host-source can name it
	page                     string // scheme of the page, which a host-source without one takes
	self                     bool   // of the page's own origin
	source                   string // the narrowest expression that matches, "" if none does
}

// newCSPTarget takes apart raw, a URL that a page of the given origin asks for.
//
// The origin's host comes from the visitor's request. What is no host-char
// ("_", the brackets of an IPv6 address, a semicolon) cannot go into a policy:
// URLs of such a page are named by 'self'.
func newCSPTarget(origin, raw string) cspTarget {
	t := cspTarget{self: strings.HasPrefix(raw, origin+"/")}
	t.page, _, _ = strings.Cut(origin, "://")
	if t.self {
		t.source = "'self'"
	}
	u, err := url.Parse(raw)
	if err != nil || !isHostSource(u.Hostname()) {
		return t
	}
	t.scheme, t.host, t.port = u.Scheme, u.Hostname(), defaultPort(u.Scheme)
	t.path = delimiterEscaper.Replace(u.EscapedPath())
	t.source = t.scheme + "://" + t.host
	if p := u.Port(); p != "" && p != t.port {
		t.port = p
		t.source += ":" + p
	}
	t.source += t.path
	return t
}

// delimiterEscaper escapes what a path may hold and a policy may not.
var delimiterEscaper = strings.NewReplacer(";", "%3B", ",", "%2C")

// isHostSource reports whether a host-source can name the host s. For an IPv4
// address the standard says no, but browsers compare it as text.
func isHostSource(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isHostChar(r) && r != '.' })
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// matches reports whether e, a scheme-source, a host-source or "*", allows t
// (CSP3 6.7.2.8).
func (t cspTarget) matches(e string) bool {
	if e == "*" || t.host == "" {
		return e == "*"
	}
	if scheme, ok := strings.CutSuffix(e, ":"); ok {
		return schemeMatches(scheme, t.scheme)
	}
	scheme, rest, ok := strings.Cut(e, "://")
	if !ok {
		scheme, rest = t.page, e
	}
	slash := indexFrom(rest, 0, '/')
	host, port, ok := strings.Cut(rest[:slash], ":")
	if !ok {
		port = defaultPort(t.scheme)
	}
	return schemeMatches(scheme, t.scheme) && hostMatches(host, t.host) &&
		(port == "*" || port == t.port) && pathMatches(rest[slash:], t.path)
}

// schemeMatches reports whether an expression's scheme allows that of a URL:
// the same one, or its secure form.
func schemeMatches(pattern, scheme string) bool {
	return strings.EqualFold(pattern, scheme) || strings.EqualFold(pattern, "http") && scheme == "https"
}

// hostMatches reports whether pattern, a host, "*" or "*." and a parent domain,
// allows host.
func hostMatches(pattern, host string) bool {
	if parent, ok := strings.CutPrefix(pattern, "*"); ok && (parent == "" || parent[0] == '.') {
		return strings.HasSuffix(strings.ToLower(host), strings.ToLower(parent))
	}
	return strings.EqualFold(pattern, host)
}

// pathMatches reports whether pattern allows path: the whole of it, or its
// beginning if pattern ends with a slash (CSP3 6.7.2.12).
func pathMatches(pattern, path string) bool {
	if pattern == "" {
		return true
	}
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if last := len(want) - 1; want[last] == "" && len(got) > last {
		want, got = want[:last], got[:last]
	}
	return slices.EqualFunc(want, got, func(a, b string) bool {
		a, errA := url.PathUnescape(a)
		b, errB := url.PathUnescape(b)
		return errA == nil && errB == nil && a == b
	})
}
