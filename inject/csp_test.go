package inject

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// cspTestNeeds are the needs that c asks for.
func cspTestNeeds(c cspCase) cspNeeds {
	n := cspNeeds{
		Origin:    "https://www.example.com",
		Inline:    "document.currentScript.remove();load()",
		Buffer:    "document.currentScript.remove();buffer()",
		Src:       "/.ctlive/listener.1f2e3d.js",
		Integrity: "sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC",
		Connect:   "/.ctlive/events",
		NonceKept: c.kept,
		Stored:    c.stored,
	}
	if c.sdk {
		n.SDK = "https://sdk.example.org/livechat/acme/lib/livechatsdk.js"
	}
	return n
}

// cspExpand puts the expressions for n in place of their names.
func cspExpand(s string, n cspNeeds) string {
	hashes := cspHashes(n.Inline)
	return strings.NewReplacer(
		"HASHURL", "'"+strings.NewReplacer("+", "-", "/", "_").Replace(hashes[0])+"'",
		"HASH512", "'"+hashes[2]+"'",
		"HASH", "'"+hashes[0]+"'",
		"BUFFER", "'"+cspHashes(n.Buffer)[0]+"'",
		"SRI", "'"+n.Integrity+"'",
		"SRC", n.Origin+n.Src,
		"EVENTS", n.Origin+n.Connect,
		"SDKURL", n.SDK,
	).Replace(s)
}

// cspHeader makes a header of lines as they stand in a cspCase.
func cspHeader(lines string) http.Header {
	h := make(http.Header)
	if lines == "" {
		return h
	}
	for line := range strings.SplitSeq(lines, "\n") {
		if ro, ok := strings.CutPrefix(line, "ro: "); ok {
			h.Add("Content-Security-Policy-Report-Only", ro)
		} else {
			h.Add("Content-Security-Policy", line)
		}
	}
	return h
}

func TestRewriteCSP(t *testing.T) {
	names := make(map[string]bool)
	for _, c := range cspCases {
		if names[c.name] {
			t.Errorf("two cases are named %q", c.name)
		}
		names[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			n := cspTestNeeds(c)
			in := cspHeader(cspExpand(c.in, n))
			want := in.Clone()
			if c.want != "" {
				want = cspHeader(cspExpand(c.want, n))
			}
			got := in.Clone()
			v := rewriteCSP(got, n)
			if !maps.EqualFunc(got, want, slices.Equal) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			if v.Nonce != c.nonce || v.TrustedTypes != c.tt || v.Skip != c.skip {
				t.Errorf("verdict %+v", v)
			}
			if changed := !maps.EqualFunc(got, in, slices.Equal); !c.sdk && (changed || v.Skip) != (len(v.Changes) > 0) {
				t.Errorf("changes: %q", v.Changes)
			}
		})
	}
}

func TestRewriteCSPOrigins(t *testing.T) {
	for _, c := range []struct{ name, origin, in, want string }{
		{"http", "http://www.example.com", "script-src 'none'", "script-src HASH SRC"},
		{"http page, https sources", "http://www.example.com", "script-src 'unsafe-inline' https: https://www.example.com", "script-src 'unsafe-inline' https: https://www.example.com SRC"},
		{"http page, host without scheme", "http://www.example.com", "script-src 'unsafe-inline' www.example.com", ""},
		{"port", "https://www.example.com:8443", "script-src 'unsafe-inline'", "script-src 'unsafe-inline' SRC"},
		{"port matched", "https://www.example.com:8443", "script-src 'unsafe-inline' www.example.com:8443", ""},
		{"port not named", "https://www.example.com:8443", "script-src 'unsafe-inline' www.example.com", "script-src 'unsafe-inline' www.example.com SRC"},
		{"port not of the scheme", "https://www.example.com:8443", "script-src 'unsafe-inline' www.example.com:443", "script-src 'unsafe-inline' www.example.com:443 SRC"},
		{"default port", "https://www.example.com:443", "script-src 'unsafe-inline'", "script-src 'unsafe-inline' https://www.example.com/.ctlive/listener.1f2e3d.js"},
		{"no dot", "http://localhost:8080", "script-src 'unsafe-inline'", "script-src 'unsafe-inline' SRC"},
		{"IPv4", "http://127.0.0.1:8080", "script-src 'unsafe-inline'", "script-src 'unsafe-inline' SRC"},
		{"IPv6", "http://[::1]:8080", "script-src 'unsafe-inline'", "script-src 'unsafe-inline' 'self'"},
		{"IPv6 and scheme", "http://[::1]:8080", "script-src 'unsafe-inline' http:", "script-src 'unsafe-inline' http: 'self'"},
		{"IPv6 and self", "http://[::1]:8080", "script-src 'unsafe-inline' 'self'", ""},
		{"IPv6 and star", "http://[::1]:8080", "script-src 'unsafe-inline' *", ""},
		{"underscore", "http://my_host", "script-src 'unsafe-inline'", "script-src 'unsafe-inline' 'self'"},
		{"hostile host", "http://a;script-src-elem *;", "script-src 'none'", "script-src HASH 'self'"},
		{"hostile host list", "http://a,b", "script-src 'none'", "script-src HASH 'self'"},
		{"host that can't be parsed", "http://%zz", "script-src 'none'", "script-src HASH 'self'"},
		{"no origin", "", "script-src 'none'", "script-src HASH 'self'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := cspTestNeeds(cspCase{})
			n.Origin = c.origin
			if c.want == "" {
				c.want = c.in
			}
			h := cspHeader(c.in)
			rewriteCSP(h, n)
			if got, want := h.Get("Content-Security-Policy"), cspExpand(c.want, n); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// A path may hold what ends a policy or a directive.
func TestRewriteCSPDelimitersInPath(t *testing.T) {
	n := cspTestNeeds(cspCase{})
	n.Src, n.Connect = "/a;b,c/listener.js", "/a;b,c/events"
	h := cspHeader("default-src 'none'")
	rewriteCSP(h, n)
	const want = "default-src 'none'; script-src-elem HASH https://www.example.com/a%3Bb%2Cc/listener.js; connect-src https://www.example.com/a%3Bb%2Cc/events"
	if got := h.Get("Content-Security-Policy"); got != cspExpand(want, n) {
		t.Errorf("got %q", got)
	}
	if v := rewriteCSP(h, n); len(v.Changes) > 0 {
		t.Errorf("not matched by its own expression: %q", v.Changes)
	}
}

func TestRewriteCSPChanges(t *testing.T) {
	for _, c := range []struct {
		name string
		cspCase
		want string
	}{
		{"in place", cspCase{in: "img-src *, script-src 'self'"},
			"policy 2 of Content-Security-Policy: added HASH to script-src, for the inline script"},
		{"copied", cspCase{in: "default-src 'none'\nro: script-src 'unsafe-inline'"},
			"policy 1 of Content-Security-Policy: added HASH to a new script-src-elem (otherwise a copy of default-src), for the inline script\n" +
				"policy 1 of Content-Security-Policy: added SRC to a new script-src-elem (otherwise a copy of default-src), for the listener\n" +
				"policy 1 of Content-Security-Policy: added EVENTS to a new connect-src (otherwise a copy of default-src), for the events\n" +
				"policy 1 of Content-Security-Policy-Report-Only: added SRC to script-src, for the listener"},
		{"skipped", cspCase{in: "img-src *\nsandbox"},
			"policy 2 of Content-Security-Policy: sandbox without allow-scripts lets no script run"},
		{"impossible", cspCase{in: "script-src https: 'strict-dynamic' HASH", sdk: true},
			"policy 1 of Content-Security-Policy: script-src blocks the SDK, and no source expression would allow it\n" +
				"left to the site: the frames, styles and connections of the SDK"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := cspTestNeeds(c.cspCase)
			v := rewriteCSP(cspHeader(cspExpand(c.in, n)), n)
			if got := strings.Join(v.Changes, "\n"); got != cspExpand(c.want, n) {
				t.Errorf("got\n%s\nwant\n%s", got, cspExpand(c.want, n))
			}
		})
	}
}

// The lines of h may be shared with a copy that somebody else holds.
func TestRewriteCSPSharedSlices(t *testing.T) {
	h := cspHeader("script-src 'self'")
	shared := maps.Clone(h)
	rewriteCSP(h, cspTestNeeds(cspCase{}))
	if got := shared.Get("Content-Security-Policy"); got != "script-src 'self'" {
		t.Errorf("the copy changed too: %q", got)
	}
}

// cspHostile are headers near the limit, each big in another way.
var cspHostile = map[string]string{
	"directives":  strings.Repeat("img-src *;", maxPolicies/10-8) + "script-src 'self'",
	"duplicates":  strings.Repeat("script-src 'self';", maxPolicies/18),
	"policies":    strings.Repeat("default-src,", maxPolicies/12),
	"commas":      strings.Repeat(",", maxPolicies),
	"semicolons":  strings.Repeat(";", maxPolicies),
	"hosts":       "default-src" + strings.Repeat(" a.b", maxPolicies/4-8),
	"nonces":      "script-src" + distinct(" 'nonce-%d'", maxPolicies/15),
	"hashes":      "script-src" + distinct(" 'sha256-%d'", maxPolicies/16),
	"nonce lists": distinct("script-src 'nonce-%d',", maxPolicies/28),
	"one path":    "script-src www.example.com" + strings.Repeat("/", maxPolicies-64),
	"space":       "script-src" + strings.Repeat(" ", maxPolicies-10),
}

// distinct repeats format n times with a number that counts up.
func distinct(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestRewriteCSPHostile(t *testing.T) {
	for name, in := range cspHostile {
		t.Run(name, func(t *testing.T) {
			if len(in) > maxPolicies {
				t.Fatalf("%d bytes are over the limit", len(in))
			}
			h := cspHeader(in)
			if v := rewriteCSP(h, cspTestNeeds(cspCase{})); v.Skip {
				t.Errorf("skipped: %q", v.Changes)
			}
			if got := len(h.Get("Content-Security-Policy")); got > 30*len(in) {
				t.Errorf("%d bytes became %d", len(in), got)
			}
		})
	}
	h := cspHeader("script-src 'self'\nro: " + strings.Repeat("x", maxPolicies))
	before := h.Clone()
	if v := rewriteCSP(h, cspTestNeeds(cspCase{})); !v.Skip || !maps.EqualFunc(h, before, slices.Equal) {
		t.Error("not left alone above the limit")
	}
}

func BenchmarkRewriteCSP(b *testing.B) {
	inputs := maps.Clone(cspHostile)
	for _, c := range cspCases {
		switch c.name {
		case "no header", "default policy of Helmet", "strict policy of Google's guide":
			inputs[c.name] = c.in
		}
	}
	n := cspTestNeeds(cspCase{})
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(inputs[name])))
			b.ReportAllocs()
			h := cspHeader(inputs[name])
			for b.Loop() {
				rewriteCSP(maps.Clone(h), n)
			}
		})
	}
}
