package inject

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// cspProbe is something that a page might do and that is not our markup.
type cspProbe struct {
	name    string
	allowed func(p stdPolicy) bool
}

var (
	cspPageHash = "'" + cspHashes("page()")[0] + "'"
	cspPageSRI  = cspHashes("page file")[1]
)

// cspProbes are tried on each policy before and after. They leave out what
// widen's comment admits: our file as a worker and our text as a handler.
func cspProbes(n cspNeeds, origin *url.URL) (probes []cspProbe) {
	nonces := []string{"", "one", "zero"}
	for _, kind := range []string{"script", "script attribute", "navigation", "style"} {
		for _, source := range []string{"page()", "evil()"} {
			for _, nonce := range nonces {
				for _, parsed := range []bool{true, false} {
					probes = append(probes, cspProbe{fmt.Sprint(kind, " ", source, " ", nonce, " ", parsed),
						func(p stdPolicy) bool { return p.allowsInline(kind, source, nonce, parsed) }})
				}
			}
		}
	}
	request := func(r stdRequest) {
		probes = append(probes, cspProbe{fmt.Sprintf("%+v", r), func(p stdPolicy) bool { return p.allowsRequest(r, origin) }})
	}
	for _, u := range cspProbeURLs {
		for _, nonce := range nonces {
			for _, integrity := range []string{"", cspPageSRI} {
				request(stdRequest{"script-src-elem", u, nonce, integrity, true})
				request(stdRequest{"script-src-elem", u, nonce, integrity, false})
			}
		}
		for _, effective := range []string{"worker-src", "connect-src", "img-src", "frame-src"} {
			request(stdRequest{effective: effective, url: u})
		}
	}
	listener, events := n.Origin+n.Src, n.Origin+n.Connect
	request(stdRequest{effective: "script-src-elem", url: events, parserInserted: true})
	request(stdRequest{effective: "connect-src", url: listener})
	request(stdRequest{effective: "img-src", url: listener})
	request(stdRequest{effective: "frame-src", url: listener})
	return append(probes, cspProbe{"eval", stdPolicy.allowsEval})
}

var cspProbeURLs = []string{
	"https://www.example.com/app.js",
	"https://www.example.com/.ctlive/",
	"https://www.example.com/.ctlive/listener.1f2e3d.js/x",
	"https://www.example.com/.ctlive/listener.1f2e3d.jsx",
	"https://www.example.com/.ctlive/events/x",
	"https://www.example.com:8443/.ctlive/listener.1f2e3d.js",
	"http://www.example.com/.ctlive/listener.1f2e3d.js",
	"http://www.example.com/.ctlive/events",
	"wss://www.example.com/.ctlive/events",
	"https://example.com/.ctlive/events",
	"https://sdk.example.org/",
	"https://sdk.example.org/livechat/acme/lib/",
	"https://cdn.example.net/lib/a.js",
	"data:text/javascript,evil()",
	"blob:https://www.example.com/1",
}

// cspNeedsMet returns what of the markup p blocks, "" for nothing.
func cspNeedsMet(p stdPolicy, n cspNeeds, v cspVerdict, origin *url.URL) string {
	text, listener := n.Inline, stdRequest{effective: "script-src-elem", url: n.Origin + n.Src}
	if v.TrustedTypes {
		text, listener.nonce, listener.integrity, listener.parserInserted = n.Buffer, v.Nonce, n.Integrity, true
	} else if n.NonceKept {
		listener.nonce = v.Nonce
	}
	sdk := stdRequest{effective: "script-src-elem", url: n.SDK, nonce: v.Nonce, parserInserted: true}
	_, scripts := p.governing("script-src-elem")
	switch {
	case !p.allowsInline("script", text, v.Nonce, true):
		return "the inline script"
	case !p.allowsRequest(listener, origin):
		return "the listener"
	case !p.allowsRequest(stdRequest{effective: "connect-src", url: n.Origin + n.Connect}, origin):
		return "the events"
	case n.SDK != "" && !stdKeyword(scripts, "'strict-dynamic'") && !p.allowsRequest(sdk, origin):
		return "the SDK"
	}
	return ""
}

// checkCSP rewrites in and holds the result against the standard.
func checkCSP(t *testing.T, in http.Header, n cspNeeds) {
	t.Helper()
	origin, err := url.Parse(n.Origin)
	if err != nil {
		t.Fatal(err)
	}
	out := in.Clone()
	v := rewriteCSP(out, n)
	if v.Skip {
		if !maps.EqualFunc(in, out, slices.Equal) {
			t.Fatalf("skipped, yet changed: %q", out)
		}
		return
	}
	before, after := stdParse(in), stdParse(out)
	if len(before) != len(after) {
		t.Fatalf("%d policies became %d:\n%q\n%q", len(before), len(after), in, out)
	}
	probes := cspProbes(n, origin)
	for i := range before {
		if blocked := cspNeedsMet(after[i], n, v, origin); blocked != "" {
			t.Errorf("%s is blocked\nin  %q\nout %q", blocked, in, out)
		}
		for _, probe := range probes {
			if b, a := probe.allowed(before[i]), probe.allowed(after[i]); b != a {
				t.Errorf("%s: allowed was %t, is %t\nin  %q\nout %q", probe.name, b, a, in, out)
			}
		}
	}
	checkCSPBytes(t, in, out)
	again := out.Clone()
	if w := rewriteCSP(again, n); !maps.EqualFunc(again, out, slices.Equal) || w.Nonce != v.Nonce {
		t.Errorf("a second time changes it\nin   %q\nout  %q\nthen %q", in, out, again)
	}
}

var cspNone = regexp.MustCompile(`(?i)'none'`)

// checkCSPBytes checks that each line of in is still there: all its bytes, in
// order, but for a lone 'none'.
func checkCSPBytes(t *testing.T, in, out http.Header) {
	t.Helper()
	for name, lines := range in {
		if len(out[name]) != len(lines) {
			t.Fatalf("%d lines of %s became %d", len(lines), name, len(out[name]))
		}
		for i, line := range lines {
			rest := out[name][i]
			for _, c := range []byte(cspNone.ReplaceAllString(line, "")) {
				at := strings.IndexByte(rest, c)
				if at < 0 {
					t.Fatalf("%q lost bytes in %q", line, out[name][i])
				}
				rest = rest[at+1:]
			}
		}
	}
}

var (
	cspSomeNames = []string{"default-src", "script-src", "script-src-elem", "script-src-attr", "connect-src", "style-src",
		"img-src", "worker-src", "child-src", "object-src", "Script-Src", "DEFAULT-SRC", "report-uri", "require-trusted-types-for"}
	cspSomeSources = []string{"'none'", "'self'", "'unsafe-inline'", "'unsafe-eval'", "'unsafe-hashes'", "'strict-dynamic'",
		"'report-sample'", "'nonce-one'", "'nonce-two'", "'NONCE-one'", "'nonce-'", "'nonce-a b'", cspPageHash, "'" + cspPageSRI + "'",
		"*", "https:", "http:", "data:", "www.example.com", "https://www.example.com/.ctlive/", "*.example.com", "cdn.example.net",
		"https://sdk.example.org", "https://cdn.example.net/lib/", "www.example.com:*", "https://*:443", "'script'", "'SELF'"}
	cspSomeSpace = []string{" ", " ", " ", "  ", "\t"}
)

// randomCSP makes up a header of a few policies.
func randomCSP(r *rand.Rand) http.Header {
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	h := make(http.Header)
	for range 1 + r.IntN(3) {
		var b strings.Builder
		for range 1 + r.IntN(5) {
			b.WriteString(pick(cspSomeNames))
			for range r.IntN(5) {
				b.WriteString(pick(cspSomeSpace) + pick(cspSomeSources))
			}
			b.WriteString(pick([]string{"; ", ";", " ;\t", ",", "; ; "}))
		}
		h.Add(cspHeaders[r.IntN(2)], b.String())
	}
	return h
}

func TestCSPProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		n := cspTestNeeds(cspCase{sdk: i%2 == 0, kept: i%3 == 0, stored: i%7 == 0})
		checkCSP(t, randomCSP(r), n)
		if t.Failed() {
			return
		}
	}
}

func TestCSPCasesByTheStandard(t *testing.T) {
	for _, c := range cspCases {
		t.Run(c.name, func(t *testing.T) {
			n := cspTestNeeds(c)
			checkCSP(t, cspHeader(cspExpand(c.in, n)), n)
		})
	}
}

// A policy that allows the markup as it is stays as it is.
func TestCSPNeedless(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	n := cspTestNeeds(cspCase{})
	origin, _ := url.Parse(n.Origin)
	unchanged := 0
	for range 5000 {
		in := http.Header{cspHeaders[0]: randomCSP(r)[cspHeaders[0]]}
		policies := stdParse(in)
		if len(policies) != 1 {
			continue
		}
		out := in.Clone()
		v := rewriteCSP(out, n)
		if v.Skip || cspNeedsMet(policies[0], n, v, origin) != "" {
			continue
		}
		unchanged++
		if !maps.EqualFunc(in, out, slices.Equal) {
			t.Fatalf("changed without need\nin  %q\nout %q", in, out)
		}
	}
	if unchanged < 100 {
		t.Errorf("only %d policies to try it on", unchanged)
	}
}

func FuzzRewriteCSP(f *testing.F) {
	for i, c := range cspCases {
		n := cspTestNeeds(c)
		h := cspHeader(cspExpand(c.in, n))
		f.Add(h.Get(cspHeaders[0]), h.Get(cspHeaders[1]), byte(i))
	}
	f.Fuzz(func(t *testing.T, enforced, report string, options byte) {
		n := cspTestNeeds(cspCase{sdk: options&1 != 0, kept: options&2 != 0, stored: options&4 != 0})
		checkCSP(t, http.Header{cspHeaders[0]: {enforced}, cspHeaders[1]: {report}}, n)
	})
}
