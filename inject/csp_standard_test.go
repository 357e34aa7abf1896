package inject

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A second reading of CSP Level 3, for tests: written from the text of the
// standard, step by step, and sharing nothing with the code under test.

// stdPolicy is a policy's directive set.
type stdPolicy map[string][]string

// stdParse is "parse a response's Content Security Policies" (2.2.2), of both
// dispositions.
func stdParse(h http.Header) (all []stdPolicy) {
	for _, name := range []string{"Content-Security-Policy", "Content-Security-Policy-Report-Only"} {
		for _, token := range strings.Split(strings.Join(h[name], ","), ",") {
			if p := stdParsePolicy(token); len(p) > 0 {
				all = append(all, p)
			}
		}
	}
	return all
}

var (
	stdSpace    = regexp.MustCompile(`[\t\n\f\r ]+`)
	stdNotASCII = regexp.MustCompile(`[^\x00-\x7f]`)
)

// stdParsePolicy is "parse a serialized CSP" (2.2.1).
func stdParsePolicy(serialized string) stdPolicy {
	p := stdPolicy{}
	for _, token := range strings.Split(serialized, ";") {
		token = strings.Trim(token, "\t\n\f\r ")
		if token == "" || stdNotASCII.MatchString(token) {
			continue
		}
		parts := stdSpace.Split(token, -1)
		name := strings.ToLower(parts[0])
		if _, there := p[name]; !there {
			p[name] = parts[1:]
		}
	}
	return p
}

// stdFallbacks is "get fetch directive fallback list" (6.8.3).
var stdFallbacks = map[string][]string{
	"script-src-elem": {"script-src-elem", "script-src", "default-src"},
	"script-src-attr": {"script-src-attr", "script-src", "default-src"},
	"style-src-elem":  {"style-src-elem", "style-src", "default-src"},
	"worker-src":      {"worker-src", "child-src", "script-src", "default-src"},
	"connect-src":     {"connect-src", "default-src"},
	"frame-src":       {"frame-src", "child-src", "default-src"},
	"img-src":         {"img-src", "default-src"},
	"eval":            {"script-src", "default-src"}, // 4.4.1, which names the two itself
}

// governing returns the directive that governs an effect, and its source list.
func (p stdPolicy) governing(effective string) (name string, list []string) {
	for _, name := range stdFallbacks[effective] {
		if list, ok := p[name]; ok {
			return name, list
		}
	}
	return "", nil
}

// stdRequest is a request with what the checks look at.
type stdRequest struct {
	effective        string // "script-src-elem", "worker-src", "img-src" …
	url              string
	nonce, integrity string
	parserInserted   bool
}

// allowsRequest is the pre-request check of the fetch directives (6.1). For a
// worker, script-src makes the checks of 6.7.1.1; what stands before and after
// it in the list of fallbacks looks at the URL alone.
func (p stdPolicy) allowsRequest(r stdRequest, origin *url.URL) bool {
	name, list := p.governing(r.effective)
	if name == "" {
		return true
	}
	if r.effective == "script-src-elem" || name == "script-src" {
		if stdNonce(r.nonce, list) || stdIntegrity(r.integrity, list) {
			return true
		}
		if stdKeyword(list, "'strict-dynamic'") {
			return !r.parserInserted
		}
	}
	return stdURL(r.url, list, origin)
}

// allowsInline is "does element match source list" (6.7.3.3) for the type
// "script", "script attribute", "navigation" or "style".
func (p stdPolicy) allowsInline(kind, source, nonce string, parserInserted bool) bool {
	effective := map[string]string{"script": "script-src-elem", "navigation": "script-src-elem",
		"script attribute": "script-src-attr", "style": "style-src-elem"}[kind]
	name, list := p.governing(effective)
	if name == "" || stdAllInline(list, kind) {
		return true
	}
	element := kind == "script" || kind == "style"
	if element && stdNonce(nonce, list) {
		return true
	}
	if !element && !stdKeyword(list, "'unsafe-hashes'") {
		return false
	}
	for _, e := range list {
		if strings.EqualFold(e, "'strict-dynamic'") && kind == "script" && !parserInserted {
			return true
		}
		if m := stdHashSource.FindStringSubmatch(e); m != nil && stdDigest(m[1], source) == strings.NewReplacer("-", "+", "_", "/").Replace(m[2]) {
			return true
		}
	}
	return false
}

// allowsEval is 4.4.1.
func (p stdPolicy) allowsEval() bool {
	name, list := p.governing("eval")
	return name == "" || stdKeyword(list, "'unsafe-eval'")
}

// stdAllInline is 6.7.3.2.
func stdAllInline(list []string, kind string) bool {
	all := false
	for _, e := range list {
		if stdNonceSource.MatchString(e) || stdHashSource.MatchString(e) {
			return false
		}
		if kind != "style" && strings.EqualFold(e, "'strict-dynamic'") {
			return false
		}
		all = all || strings.EqualFold(e, "'unsafe-inline'")
	}
	return all
}

// The grammar of 2.3.1.
var (
	stdNonceSource  = regexp.MustCompile(`^'(?i:nonce)-([A-Za-z0-9+/_-]+={0,2})'$`)
	stdHashSource   = regexp.MustCompile(`^'((?i)sha256|sha384|sha512)-([A-Za-z0-9+/_-]+={0,2})'$`)
	stdSchemeSource = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):$`)
	stdHostSource   = regexp.MustCompile(`^(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(\*|(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.?)(?::([0-9]+|\*))?(/[A-Za-z0-9._~%!$&'()*+=:@/-]*)?$`)
)

var (
	stdZeros  = regexp.MustCompile(`^0+([0-9])`)
	stdEscape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
)

func stdKeyword(list []string, keyword string) bool {
	return slices.ContainsFunc(list, func(e string) bool { return strings.EqualFold(e, keyword) })
}

// stdNonce is 6.7.2.3.
func stdNonce(nonce string, list []string) bool {
	return nonce != "" && slices.ContainsFunc(list, func(e string) bool {
		m := stdNonceSource.FindStringSubmatch(e)
		return m != nil && m[1] == nonce
	})
}

// stdIntegrity is 6.7.2.4 for a single piece of metadata.
func stdIntegrity(metadata string, list []string) bool {
	return metadata != "" && slices.ContainsFunc(list, func(e string) bool {
		m := stdHashSource.FindStringSubmatch(e)
		return m != nil && strings.ToLower(m[1])+"-"+m[2] == metadata
	})
}

func stdDigest(algorithm, source string) string {
	var sum []byte
	switch strings.ToLower(algorithm) {
	case "sha256":
		s := sha256.Sum256([]byte(source))
		sum = s[:]
	case "sha384":
		s := sha512.Sum384([]byte(source))
		sum = s[:]
	case "sha512":
		s := sha512.Sum512([]byte(source))
		sum = s[:]
	}
	return base64.StdEncoding.EncodeToString(sum)
}

// stdURL is 6.7.2.7, without redirects.
func stdURL(raw string, list []string, origin *url.URL) bool {
	u, err := url.Parse(raw)
	if err != nil {
		panic(err) // the tests' own URLs
	}
	if len(list) == 1 && strings.EqualFold(list[0], "'none'") {
		return false
	}
	return slices.ContainsFunc(list, func(e string) bool { return stdExpression(u, e, origin) })
}

// stdExpression is 6.7.2.8.
func stdExpression(u *url.URL, e string, origin *url.URL) bool {
	if e == "*" {
		return u.Scheme == "http" || u.Scheme == "https" || u.Scheme == origin.Scheme
	}
	if m := stdSchemeSource.FindStringSubmatch(e); m != nil {
		return stdScheme(m[1], u.Scheme)
	}
	if m := stdHostSource.FindStringSubmatch(e); m != nil {
		scheme, host, port, path := m[1], m[2], m[3], m[4]
		if scheme == "" {
			scheme = origin.Scheme
		}
		return stdScheme(scheme, u.Scheme) && u.Host != "" && stdHost(host, u.Hostname()) &&
			stdPort(port, u) && stdPath(path, u.EscapedPath())
	}
	if strings.EqualFold(e, "'self'") {
		if u.Scheme == origin.Scheme && u.Host == origin.Host {
			return true
		}
		return u.Hostname() == origin.Hostname() && (u.Port() == origin.Port() || stdDefault(u) && stdDefault(origin)) &&
			(u.Scheme == "https" || u.Scheme == "wss" || origin.Scheme == "http" && (u.Scheme == "http" || u.Scheme == "ws"))
	}
	return false
}

var stdDefaultPorts = map[string]string{"http": "80", "ws": "80", "https": "443", "wss": "443"}

func stdDefault(u *url.URL) bool { return u.Port() == "" || u.Port() == stdDefaultPorts[u.Scheme] }

// stdScheme is 6.7.2.9.
func stdScheme(a, b string) bool {
	a = strings.ToLower(a)
	return a == b || a == "http" && b == "https" || a == "ws" && (b == "wss" || b == "http" || b == "https") ||
		a == "wss" && b == "https"
}

// stdHost is 6.7.2.10.
func stdHost(pattern, host string) bool {
	if pattern == "*" {
		return true
	}
	if strings.HasPrefix(pattern, "*.") {
		return strings.HasSuffix(strings.ToLower(host), strings.ToLower(pattern[1:]))
	}
	return strings.EqualFold(pattern, host)
}

// stdPort is 6.7.2.11.
func stdPort(input string, u *url.URL) bool {
	port := u.Port()
	if port == stdDefaultPorts[u.Scheme] {
		port = "" // a URL record has no default port
	}
	input = stdZeros.ReplaceAllString(input, "$1")
	return input == "*" || input == port || port == "" && input == stdDefaultPorts[u.Scheme]
}

// stdPath is 6.7.2.12.
func stdPath(a, b string) bool {
	if a == "" || a == "/" && b == "" {
		return true
	}
	exact := !strings.HasSuffix(a, "/")
	listA, listB := strings.Split(a, "/"), strings.Split(b, "/")
	if len(listA) > len(listB) || exact && len(listA) != len(listB) {
		return false
	}
	if !exact {
		listA = listA[:len(listA)-1]
	}
	for i, piece := range listA {
		if stdDecode(piece) != stdDecode(listB[i]) {
			return false
		}
	}
	return true
}

// stdDecode percent-decodes as the URL Standard does: what is no escape stays.
func stdDecode(s string) string {
	return stdEscape.ReplaceAllStringFunc(s, func(e string) string {
		c, _ := url.PathUnescape(e)
		return c
	})
}
