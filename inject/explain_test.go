package inject

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// Every reason that an operator can meet in the log is explained, and no other.
func TestReasonsAreExplained(t *testing.T) {
	want := strings.Fields(`already amp attachment broken charset csp empty encoding excluded fetch frame method
		no-transform not-a-document not-html opted-out range status upgrade xhtml`)
	if got := slices.Sorted(maps.Keys(reasons)); !slices.Equal(got, want) {
		t.Errorf("explained are %q, want %q", got, want)
	}
}

// What an operator is told, a line per finding.
func TestExplain(t *testing.T) {
	type fields = []string
	const metaPolicy = `<!doctype html><head><meta http-equiv=content-security-policy content="connect-src `
	for _, test := range []struct {
		name   string
		page   string // "" is testPage
		coding string // that it is sent in
		status int    // 0 is 200
		req    fields // nil is a navigation
		res    fields
		want   fields // in this order, among others
	}{
		{name: "page", want: fields{
			"request: navigates to a document, by Sec-Fetch-Dest", "status: 200 OK", "type: text/html", "coding: none",
			"charset: not named anywhere", "policy: there is none", "validators: the origin sent none", "verdict: injected at byte 27"}},

		{name: "not HTML", res: fields{"Content-Type: application/json"},
			want: fields{"type: application/json", "verdict: left alone (not-html): only text/html"}},
		{name: "no type", res: fields{"Content-Type: "}, want: fields{"type: ", "verdict: left alone (not-html)"}},
		{name: "fragment", page: "<td>x", want: fields{"verdict: left alone (not-a-document): there is no HTML markup"}},
		{name: "attachment", res: fields{"Content-Disposition: attachment"}, want: fields{"verdict: left alone (attachment): it is saved"}},
		{name: "already", page: "<head><script data-ctlive>", want: fields{"verdict: left alone (already): it has a listener"}},
		{name: "opted out", res: fields{"CTLive: off"}, want: fields{"verdict: left alone (opted-out)"}},
		{name: "no-transform", res: fields{"Cache-Control: no-transform"}, want: fields{"verdict: left alone (no-transform)"}},
		{name: "excluded", req: fields{"Sec-Fetch-Dest: document", "Exclude: yes"},
			want: fields{"request: not touched: inject.include or inject.exclude", "verdict: left alone (excluded)"}},
		{name: "fetch", req: fields{"Sec-Fetch-Dest: empty"},
			want: fields{"request: not touched: the request does not navigate", "verdict: left alone (fetch)"}},
		{name: "redirect", status: 301, res: fields{"Location: /login"},
			want: fields{"status: 301 Moved Permanently", "status: it leads to /login", "verdict: left alone (status)"}},
		{name: "error page", status: 404, want: fields{"status: 404 Not Found", "verdict: injected"}},

		{name: "gzip is asked for", req: fields{"Sec-Fetch-Dest: document", "Accept-Encoding: gzip, br"},
			want: fields{`request: asks the origin for "gzip" instead of "gzip, br"`}},
		{name: "gzip", coding: "gzip", want: fields{"coding: gzip: markup is spliced in", "length: Content-Length ", "verdict: injected at byte 27"}},
		{name: "deflate", coding: "deflate", want: fields{"coding: deflate: markup is spliced in", "verdict: injected"}},
		{name: "br", coding: "br", want: fields{"coding: br: markup goes in by decoding and compressing anew", "verdict: injected at byte 27"}},
		{name: "zstd", coding: "zstd", want: fields{"coding: zstd: markup goes in by decoding", "verdict: injected"}},
		{name: "unknown coding", res: fields{"Content-Encoding: compress"},
			want: fields{"coding: compress: not known", "verdict: left alone (encoding)"}},
		{name: "two codings", res: fields{"Content-Encoding: gzip", "Content-Encoding: br"},
			want: fields{"coding: gzip, br: not known", "verdict: left alone (encoding)"}},
		{name: "no gzip at all", res: fields{"Content-Encoding: gzip"}, want: fields{"verdict: left alone (broken)"}},
		{name: "gzip of nothing", page: " ", status: 302, res: fields{"Content-Encoding: gzip", "Location: /"},
			want: fields{"verdict: left alone (status)"}},

		{name: "charset by Content-Type", res: fields{"Content-Type: text/html; charset=Latin1"}, want: fields{"charset: windows-1252 (Content-Type)"}},
		{name: "charset by BOM", page: "\ufeff<p>", want: fields{"charset: utf-8 (BOM)", "verdict: injected at byte 3"}},
		{name: "charset by meta", page: "<meta charset=utf-8>", want: fields{"charset: utf-8 (meta)", "verdict: injected"}},
		{name: "charset that the markup moves", page: "<head>" + strings.Repeat(" ", 900) + "<meta charset=utf-8>",
			want: fields{"charset: utf-8 (meta)", "charset: the markup moves the page's own declaration", "verdict: injected at byte 6"}},
		{name: "replacement", res: fields{"Content-Type: text/html; charset=iso-2022-kr"}, want: fields{"verdict: left alone (charset)"}},

		{name: "sandbox", res: fields{"Content-Security-Policy: sandbox"},
			want: fields{"policy: policy 1 of Content-Security-Policy: sandbox", "verdict: left alone (csp)"}},
		{name: "policy that is extended", res: fields{"Content-Security-Policy: script-src 'self'; connect-src 'none'"},
			want: fields{"policy: policy 1 of Content-Security-Policy: added 'sha256-", "policy: policy 1 of Content-Security-Policy: added http://www.example.com/.ctlive/events to connect-src", "verdict: injected"}},
		{name: "policy that allows it", res: fields{"Content-Security-Policy: img-src 'self'"}, want: fields{"policy: it allows the listener as it is"}},
		{name: "meta policy that blocks", page: metaPolicy + `x.test">`,
			want: fields{"policy: a <meta> in the page keeps the listener from reporting; allow http://www.example.com/.ctlive/events", "verdict: injected"}},
		{name: "meta policy in br", page: metaPolicy + `x.test">`, coding: "br", want: fields{"policy: a <meta> in the page keeps"}},
		{name: "meta policy in gzip", page: metaPolicy + `x.test">`, coding: "gzip", want: fields{"policy: a <meta> in the page keeps"}},
		{name: "meta policy by default-src", page: strings.Replace(metaPolicy, "connect", "default", 1) + `'none'">`,
			want: fields{"policy: a <meta> in the page keeps"}},
		{name: "meta policy that allows", page: metaPolicy + `'self'">`, want: fields{"policy: a <meta> in the page rules what the listener may connect to, and lets it"}},

		{name: "validator", res: fields{`ETag: "abc"`}, want: fields{`validators: ETag "abc" became "abc~cs.`}},
		{name: "time as validator", res: fields{"Last-Modified: Sun, 22 Nov 2026 12:00:00 GMT"}, want: fields{"validators: ETag W/\"1795348800~ct."}},
	} {
		t.Run(test.name, func(t *testing.T) {
			page := test.page
			if page == "" {
				page = testPage
			}
			if test.coding != "" {
				page = string(encode(t, test.coding, []byte(page)))
				test.res = append(test.res, "Content-Encoding: "+test.coding)
			}
			res := response(page, test.res...)
			if test.status != 0 {
				res.StatusCode = test.status
			}
			if test.req == nil {
				test.req = fields{"Sec-Fetch-Dest: document"}
			}
			findings, err := explainAnswer(test.req, res)
			if err != nil {
				t.Fatal(err)
			}
			checkFindings(t, findings, test.want)
		})
	}
}

// explainAnswer asks with the fields req, and "Exclude" for an excluded path.
func explainAnswer(req []string, res *http.Response) ([]Finding, error) {
	o := Options{Tag: testTag, Patience: -1}
	r := request("GET", req...)
	if r.Header.Get("Exclude") != "" {
		o.Exclude = []string{r.URL.Path}
	}
	return New(o).Explain(r, func(*http.Request) (*http.Response, error) { return res, nil })
}

// checkFindings checks that what is wanted is found, in this order. The verdict
// comes last.
func checkFindings(t *testing.T, findings []Finding, want []string) {
	t.Helper()
	var lines []string
	for _, f := range findings {
		lines = append(lines, f.Topic+": "+f.Text)
	}
	rest := lines
	for _, start := range want {
		at := slices.IndexFunc(rest, func(line string) bool { return strings.HasPrefix(line, start) })
		if at < 0 {
			t.Fatalf("no %q in its place among\n%s", start, strings.Join(lines, "\n"))
		}
		rest = rest[at+1:]
	}
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "verdict: ") {
		t.Errorf("the last line is %q", last)
	}
}

func TestExplainOriginDown(t *testing.T) {
	findings, err := New(Options{Tag: testTag}).Explain(request("GET"), func(*http.Request) (*http.Response, error) { return nil, errBroke })
	if !errors.Is(err, errBroke) || len(findings) == 0 {
		t.Errorf("got %v, %v", findings, err)
	}
}

// A page that breaks off has a verdict and an error.
func TestExplainOriginDies(t *testing.T) {
	res := response("")
	res.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(longPage())), iotest.ErrReader(errBroke)))
	findings, err := explainAnswer([]string{"Sec-Fetch-Dest: document"}, res)
	if !errors.Is(err, errBroke) {
		t.Errorf("got %v", err)
	}
	checkFindings(t, findings, []string{"verdict: injected at byte 27"})
}

// A stream that is no page may never end, and is not waited for.
func TestExplainStream(t *testing.T) {
	res := response("", "Content-Type: text/event-stream")
	res.Body = io.NopCloser(iotest.ErrReader(errors.New("the stream was read")))
	findings, err := explainAnswer([]string{"Sec-Fetch-Dest: document"}, res)
	if err != nil {
		t.Error(err)
	}
	checkFindings(t, findings, []string{"verdict: left alone (not-html)"})
}
