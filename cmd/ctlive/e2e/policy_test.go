package e2e

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var (
	//go:embed testdata/policy/page.html
	policyPage string
	//go:embed testdata/policy/prelude.js
	policyPrelude string
)

// policy is what governs a page of the tests.
type policy struct {
	name    string // and of the page's host
	headers string // one header line a line, report-only behind "ro:"
	meta    string // a policy in the page itself
	fate    fate
}

// In policies, SELF stands for the page's host and port, OTHER for a foreign
// one, HASH and HANDLER for the hashes of an inline script of the page and of
// its event handler.
var policies = []policy{
	{name: "no-policy"},

	{name: "unsafe-inline-other-host", headers: "script-src 'unsafe-inline' OTHER; style-src 'self'"},
	{name: "unsafe-inline-default", headers: "default-src 'unsafe-inline' OTHER"},
	{name: "unsafe-inline-off-by-hash", headers: "script-src 'self' 'unsafe-inline' HASH"},
	{name: "unsafe-inline-of-styles", headers: "default-src 'self' 'unsafe-inline' 'strict-dynamic'"},
	{name: "unsafe-inline-and-none", headers: "script-src 'none' 'unsafe-inline'"},

	{name: "self", headers: "script-src 'self'"},
	{name: "none", headers: "script-src 'none'"},
	{name: "default-none", headers: "default-src 'none'"},
	{name: "default-keywords", headers: "default-src 'self' 'unsafe-eval' 'report-sample' 'unsafe-hashes' HANDLER"},
	{name: "unsafe-hashes", headers: "script-src 'self' 'unsafe-hashes' HASH HANDLER"},
	{name: "elem-and-attr", headers: "script-src-attr 'unsafe-inline'; script-src-elem OTHER; script-src 'self' 'unsafe-inline'"},
	{name: "hash", headers: "script-src HASH"},

	{name: "nonce", headers: "script-src 'nonce-r4nd0m'"},
	{name: "nonce-in-default", headers: "default-src 'nonce-r4nd0m'"},
	{name: "nonce-in-elem", headers: "script-src 'self'; script-src-elem 'nonce-r4nd0m'"},
	{name: "nonce-of-another-policy", headers: "script-src 'self' 'unsafe-inline'\nscript-src 'self' 'nonce-r4nd0m'"},
	{name: "nonces-differ", headers: "script-src 'self' 'nonce-0ther'\nscript-src 'self' 'nonce-r4nd0m'"},

	{name: "strict-dynamic-nonce", headers: "object-src 'none'; script-src 'nonce-r4nd0m' 'unsafe-inline' 'unsafe-eval' 'strict-dynamic' https: http:; base-uri 'none'"},
	{name: "strict-dynamic-hash", headers: "script-src 'strict-dynamic' HASH"},

	{name: "two-headers", headers: "default-src 'self'\nscript-src 'self'; connect-src 'self'"},
	{name: "comma-separated", headers: "script-src 'self',default-src 'none' , img-src *"},
	{name: "report-only", headers: "ro: default-src 'none'"},
	{name: "report-only-beside-enforced", headers: "script-src 'self' 'unsafe-inline'\nro: script-src 'nonce-r4nd0m'; img-src 'none'"},
	{name: "helmet", headers: "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline'"},
	{name: "untidy", headers: " ;; SCRIPT-SRC\t'SELF'  ;Connect-Src 'none';script-src *; "},

	{name: "connect-none", headers: "connect-src 'none'"},

	{name: "trusted-types", headers: "require-trusted-types-for 'script'; trusted-types default"},
	{name: "trusted-types-report-only", headers: "ro: require-trusted-types-for 'script'"},
	{name: "trusted-types-self", headers: "require-trusted-types-for 'script'; script-src 'self'"},
	{name: "trusted-types-none", headers: "require-trusted-types-for 'script'; default-src 'none'"},
	{name: "trusted-types-nonce", headers: "require-trusted-types-for 'script'; script-src 'nonce-r4nd0m' 'strict-dynamic'"},
	{name: "trusted-types-strict-dynamic", headers: "require-trusted-types-for 'script'; script-src 'strict-dynamic' HASH"},

	{name: "sandbox-with-scripts-and-origin", headers: "sandbox allow-scripts allow-same-origin; script-src 'self'"},
	{name: "sandbox", headers: "sandbox", fate: untouched},
	{name: "sandbox-without-origin", headers: "sandbox allow-scripts", fate: untouched},
	{name: "sandbox-without-scripts", headers: "script-src 'self', Sandbox allow-same-origin", fate: untouched},

	{name: "meta-scripts-none", meta: "script-src 'none'"},
	{name: "meta-nonce", headers: "script-src 'self' 'nonce-r4nd0m'", meta: "script-src 'nonce-r4nd0m' 'strict-dynamic'"},
	{name: "meta-connect-none", meta: "connect-src 'none'", fate: mute},
}

// fate is what becomes of the listener under a policy.
type fate int

const (
	reports   fate = iota
	untouched      // no script of ours could run or report: the page is the origin's
	mute           // the listener runs; a policy in the page, which the proxy leaves alone, blocks its requests
)

// TestPolicy: under every policy, what ran, what was blocked and what was
// reported is the same with the proxy as without it, and beyond that the
// listener hears every event of the page and reports it.
func TestPolicy(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(serveAnyHost))
	defer origin.Close()
	p := startProxy(t, origin.URL, "")
	ctx := browser(t)
	addScript(t, ctx, policyPrelude)

	sent := map[string]int{}      // events by page
	permitted := map[string]int{} // policies by what they permit
	visits := 0
	for _, policy := range policies {
		t.Run(policy.name, func(t *testing.T) {
			if policy.fate == untouched {
				compareAnswers(t, policy.name, origin.URL, p.url)
				return
			}
			direct := visit(t, ctx, policedURL(policy.name, origin.URL))
			proxied := visit(t, ctx, policedURL(policy.name, p.url))
			proxied.compare(t, direct, policy.fate)
			if policy.fate == reports {
				sent[policedURL(policy.name, p.url)] = len(proxied.Ran)
			}
			visits++
			for _, name := range direct.Ran {
				permitted[name]++
			}
		})
	}
	do(t, ctx, chromedp.Navigate("about:blank")) // the last page reports when it is left
	awaitPages(t, p.data, sent)

	for name, n := range permitted {
		if n == visits && name != "test" {
			t.Errorf("no policy blocks %q", name)
		}
	}
	if len(permitted) != 21 {
		t.Errorf("no policy permits some of the 21 things that a page tries: only %v", permitted)
	}
}

// policedURL returns the page under a policy on the server at base. Each has a
// host of its own, so that no page can report what another could not.
func policedURL(policy, base string) string {
	_, port, _ := strings.Cut(strings.TrimPrefix(base, "http://"), ":")
	return "http://" + policy + ".localhost:" + port + "/"
}

// addScript makes script run first in every page.
func addScript(t *testing.T, ctx context.Context, script string) {
	t.Helper()
	do(t, ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	}))
}

// visited is what prelude.js saw in a page.
type visited struct {
	Ran, Violations []string
	Listener        bool // the listener is there
	Left            int  // elements of ours
}

func visit(t *testing.T, ctx context.Context, url string) visited {
	t.Helper()
	do(t, ctx, chromedp.Navigate(url))
	return evaluate[visited](t, ctx, "return await probe()")
}

func (v visited) compare(t *testing.T, direct visited, f fate) {
	t.Helper()
	if !slices.Equal(v.Ran, direct.Ran) {
		t.Errorf("ran %q, without the proxy %q", v.Ran, direct.Ran)
	}
	if f == mute {
		v.Violations = slices.DeleteFunc(v.Violations, func(s string) bool {
			return strings.HasPrefix(s, "enforce connect-src http://SELF/.ctlive/events")
		})
	}
	if !slices.Equal(v.Violations, direct.Violations) {
		t.Errorf("violations %q, without the proxy %q", v.Violations, direct.Violations)
	}
	if !v.Listener || v.Left > 0 {
		t.Errorf("the listener runs: %t; %d elements of ours are left", v.Listener, v.Left)
	}
}

// compareAnswers requires the same policies and the same page of both servers.
func compareAnswers(t *testing.T, policy, origin, proxy string) {
	t.Helper()
	direct, proxied := getPoliced(t, policy, origin), getPoliced(t, policy, proxy)
	for _, name := range []string{"Content-Security-Policy", "Content-Security-Policy-Report-Only"} {
		if !slices.Equal(proxied.Header[name], direct.Header[name]) {
			t.Errorf("%s: %q, without the proxy %q", name, proxied.Header[name], direct.Header[name])
		}
	}
	if got, want := body(t, proxied), body(t, direct); got != want || want == "" {
		t.Errorf("the page is %s\nwithout the proxy %s", got, want)
	}
}

// getPoliced gets a page without a look-up of its host.
func getPoliced(t *testing.T, policy, base string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = policy + ".localhost"
	r.Header.Set("Sec-Fetch-Dest", "document")
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// awaitPages waits until the store has the given number of events for each URL.
func awaitPages(t *testing.T, data string, want map[string]int) {
	t.Helper()
	var got map[string]int
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		got = map[string]int{}
		for _, e := range stored(t, data) {
			got[e.URL]++
		}
		if maps.Equal(got, want) {
			return
		}
	}
	for url := range want {
		if got[url] != want[url] {
			t.Errorf("%s: %d of %d events are stored", url, got[url], want[url])
		}
		delete(got, url)
	}
	if len(got) > 0 {
		t.Errorf("events of pages that cannot report: %v", got)
	}
}

// serveAnyHost is an origin that answers under any host. The page at / has the
// policy that its host is named after.
func serveAnyHost(w http.ResponseWriter, r *http.Request) {
	answers := map[string]struct{ mediaType, body string }{
		"/script.js":  {"text/javascript", fmt.Sprintf("ran(%q)", strings.ReplaceAll(r.URL.RawQuery, "%20", " "))},
		"/worker.js":  {"text/javascript", "postMessage(1)"},
		"/style.css":  {"text/css", "p { order: 9 }"},
		"/image.svg":  {"image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`},
		"/frame.html": {"text/html", "<!doctype html><body id=framed>"},
		"/data":       {"text/plain", "data"},
	}
	if r.URL.Path == "/" {
		servePoliced(w, r)
	} else if answer, ok := answers[r.URL.Path]; ok {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Type", answer.mediaType)
		io.WriteString(w, answer.body)
	} else {
		w.WriteHeader(http.StatusNoContent)
	}
}

func servePoliced(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(r.Host, ".")
	i := slices.IndexFunc(policies, func(p policy) bool { return p.name == name })
	if i < 0 {
		http.NotFound(w, r)
		return
	}
	p := policies[i]
	_, port, _ := net.SplitHostPort(r.Context().Value(http.LocalAddrContextKey).(net.Addr).String())
	fill := strings.NewReplacer("SELF", r.Host, "OTHER", "other.localhost:"+port,
		"HASH", hashSource(`ran("inline script with hash")`), "HANDLER", hashSource("ran('handler')"))
	for line := range strings.SplitSeq(p.headers, "\n") {
		name := "Content-Security-Policy"
		if reported, ok := strings.CutPrefix(line, "ro:"); ok {
			name, line = "Content-Security-Policy-Report-Only", reported
		}
		w.Header().Add(name, fill.Replace(line))
	}
	meta := ""
	if p.meta != "" {
		meta = `<meta http-equiv="Content-Security-Policy" content="` + p.meta + `">`
	}
	w.Header().Set("Content-Type", "text/html")
	io.WriteString(w, strings.Replace(fill.Replace(policyPage), "META", meta, 1))
}

func hashSource(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
