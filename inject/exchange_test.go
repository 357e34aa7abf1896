package inject

import (
	"bytes"
	"cmp"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testTag is the markup of the tests: as long as the real one, within the rules.
var testTag = Tag{
	Inline: `(function(d,w){d.currentScript.remove();var q=[];w.addEventListener("message",function(e){q.push(e)});` +
		strings.Repeat(`q.limit=1e3;`, 50) + `})(document,window)`,
	Buffer:    `document.currentScript.remove();buffer()`,
	Src:       "/.ctlive/listener.1f2e3d.js",
	Integrity: "sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC",
	Events:    "/.ctlive/events",
}

var testMarkup = string(testTag.markup("", "", false))

// result is what a visitor gets.
type result struct {
	body    []byte
	err     error // that the body ended with
	header  http.Header
	length  int64
	trailer http.Header
	verdict Verdict
	asked   *http.Request // what the origin got
}

// fetch passes a request and its answer through in.
func fetch(t testing.TB, in *Injector, req *http.Request, res *http.Response) result {
	t.Helper()
	x := in.Request(req)
	x.Response(res)
	body, err := io.ReadAll(res.Body)
	if err := res.Body.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return result{body, err, res.Header, res.ContentLength, res.Trailer, x.Verdict(), req}
}

// navigate answers a browser's navigation with res.
func navigate(t testing.TB, in *Injector, res *http.Response) result {
	t.Helper()
	return fetch(t, in, request("GET", "Sec-Fetch-Dest: document"), res)
}

func request(method string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, "http://www.example.com/page", nil)
	r.Header = header(fields...)
	return r
}

// response answers with body, of known length, and fields, "200 OK" and
// "text/html" unless they say otherwise.
func response(body string, fields ...string) *http.Response {
	res := &http.Response{
		StatusCode:    200,
		Header:        header(append([]string{"Content-Type: text/html"}, fields...)...),
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
	if types := res.Header["Content-Type"]; len(types) > 1 {
		res.Header["Content-Type"] = types[1:]
	}
	res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return res
}

func (d document) response() *http.Response {
	return response(string(d.page), "Content-Type: "+d.contentType)
}

func header(fields ...string) http.Header {
	h := make(http.Header)
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		h.Add(name, value)
	}
	return h
}

const testPage = "<!doctype html><html><head><title>x</title></head><body><p>x</p></body></html>"

var testInjected = strings.Replace(testPage, "<head>", "<head>"+testMarkup, 1)

func newTestInjector() *Injector { return New(Options{Tag: testTag, Patience: -1}) }

func TestPageIsInjected(t *testing.T) {
	got := navigate(t, newTestInjector(), response(testPage))
	if string(got.body) != testInjected || got.err != nil {
		t.Fatalf("got %q, %v", got.body, got.err)
	}
	want := Verdict{Injected: true, Offset: 27, EncodingFrom: "none"}
	if !reflect.DeepEqual(got.verdict, want) {
		t.Errorf("verdict %+v, want %+v", got.verdict, want)
	}
}

// Each reason by which a page is left alone, in at least two ways.
func TestLeftAlone(t *testing.T) {
	document := []string{"Sec-Fetch-Dest: document"}
	type fields = []string
	cases := []struct {
		name   string
		reason string
		method string // "" is GET
		req    fields // nil is a navigation
		status int    // 0 is 200
		body   string // "" is testPage
		res    fields
	}{
		{name: "method PUT", reason: "method", method: "PUT"},
		{name: "method DELETE", reason: "method", method: "DELETE"},
		{name: "method PROPFIND of an old client", reason: "method", method: "PROPFIND", req: fields{}},
		{name: "P36 HEAD", reason: "method", method: "HEAD"},

		{name: "P37 no content", reason: "status", status: 204},
		{name: "reset content", reason: "status", status: 205},
		{name: "P37 not modified", reason: "status", status: 304},
		{name: "early hints", reason: "status", status: 103},
		{name: "redirect", reason: "status", status: 302, res: fields{"Location: /"}},

		{name: "P23 plain text", reason: "not-html", res: fields{"Content-Type: text/plain"}},
		{name: "P19 JSON", reason: "not-html", res: fields{"Content-Type: application/json"}},
		{name: "P24 no type", reason: "not-html", res: fields{"Content-Type: "}},
		{name: "P24 no type, nosniff", reason: "not-html", res: fields{"Content-Type: ", "X-Content-Type-Options: nosniff"}},
		{name: "type of many", reason: "not-html", res: fields{"Content-Type: text/html", "Content-Type: text/plain"}},
		{name: "type that only begins like HTML", reason: "not-html", res: fields{"Content-Type: text/html5"}},
		{name: "event stream", reason: "not-html", res: fields{"Content-Type: text/event-stream"}},

		{name: "no-transform", reason: "no-transform", res: fields{"Cache-Control: no-transform"}},
		{name: "no-transform among others", reason: "no-transform", res: fields{"Cache-Control: max-age=1", "Cache-Control: public, NO-TRANSFORM"}},

		{name: "P20 attachment", reason: "attachment", res: fields{"Content-Disposition: attachment; filename=a.html"}},
		{name: "P20 attachment in odd case", reason: "attachment", res: fields{"Content-Disposition: ATTACHMENT"}},
		{name: "disposition unknown", reason: "attachment", res: fields{"Content-Disposition: save; filename=a.html"}},

		{name: "P38 partial content", reason: "range", status: 206, res: fields{"Content-Range: bytes 0-9/100"}},
		{name: "P38 partial content in parts", reason: "range", status: 206, res: fields{"Content-Type: multipart/byteranges; boundary=x"}},
		{name: "range not satisfiable", reason: "range", status: 416, res: fields{"Content-Range: bytes */100"}},

		{name: "P25 coding unknown", reason: "encoding", res: fields{"Content-Encoding: weird-encoding"}},
		{name: "P26 coding by dictionary", reason: "encoding", res: fields{"Content-Encoding: dcz"}},
		{name: "two codings", reason: "encoding", res: fields{"Content-Encoding: gzip, br"}},
		{name: "two codings in two fields", reason: "encoding", res: fields{"Content-Encoding: gzip", "Content-Encoding: gzip"}},

		{name: "replacement", reason: "charset", res: fields{"Content-Type: text/html; charset=iso-2022-kr"}},
		{name: "replacement by its name", reason: "charset", res: fields{"Content-Type: text/html; charset=replacement"}},

		{name: "P43 upgrade", reason: "upgrade", req: fields{"Upgrade: websocket", "Connection: Upgrade"}, status: 101},
		{name: "P43 upgrade of a socket", reason: "upgrade", req: fields{"Sec-Fetch-Dest: websocket"}, status: 101},
		{name: "upgrade unasked", reason: "upgrade", status: 101},

		{name: "script's fetch", reason: "fetch", req: fields{"Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors"}},
		{name: "script's fetch that says prefetch", reason: "fetch", req: fields{"Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors", "Purpose: prefetch"}},
		{name: "image", reason: "fetch", req: fields{"Sec-Fetch-Dest: image"}},
		{name: "embed", reason: "fetch", req: fields{"Sec-Fetch-Dest: embed"}},
		{name: "destination unknown", reason: "fetch", req: fields{"Sec-Fetch-Dest: future"}},
		{name: "XMLHttpRequest", reason: "fetch", req: fields{"X-Requested-With: XMLHttpRequest"}},
		{name: "htmx", reason: "fetch", req: fields{"HX-Request: true", "Accept: text/html"}},
		{name: "Turbo frame", reason: "fetch", req: fields{"Turbo-Frame: a", "Accept: text/html"}},
		{name: "Datastar", reason: "fetch", req: fields{"Datastar-Request: true"}},
		{name: "old browser's script", reason: "fetch", req: fields{"Accept: */*", "User-Agent: Mozilla/5.0"}},
		{name: "asks for JSON", reason: "fetch", req: fields{"Accept: application/json"}},

		{name: "frame", reason: "frame", req: fields{"Sec-Fetch-Dest: iframe"}},
		{name: "frame of a frameset", reason: "frame", req: fields{"Sec-Fetch-Dest: frame"}},
		{name: "fenced frame", reason: "frame", req: fields{"Sec-Fetch-Dest: fencedframe"}},

		{name: "opted out", reason: "opted-out", res: fields{"CTLive: off"}},
		{name: "opted out among others", reason: "opted-out", res: fields{"ctlive: x, OFF;q=1"}},

		{name: "already", reason: "already", body: "<head><script data-ctlive>1</script>"},
		{name: "already with a nonce", reason: "already", body: "<script nonce=x data-ctlive>1</script>"},

		{name: "P22 AMP", reason: "amp", body: "<!doctype html><html ⚡><head>"},
		{name: "P22 AMP in letters", reason: "amp", body: "<html lang=en amp><head>"},

		{name: "XHTML", reason: "xhtml", res: fields{"Content-Type: application/xhtml+xml"}},
		{name: "XHTML with charset", reason: "xhtml", res: fields{"Content-Type: Application/XHTML+xml; charset=utf-8"}},

		{name: "P17 fragment", reason: "not-a-document", body: "<tr><td>x</td></tr>"},
		{name: "P19 JSON as HTML", reason: "not-a-document", body: `{"a":"<p>"}`},

		{name: "policy of a sandbox", reason: "csp", res: fields{"Content-Security-Policy: sandbox"}},
		{name: "policy of two lines", reason: "csp", res: fields{"Content-Security-Policy: default-src *", "Content-Security-Policy: sandbox allow-forms"}},

		{name: "P30 empty in gzip", reason: "empty", body: "\x00", res: fields{"Content-Encoding: gzip"}},
		{name: "P30 empty in br", reason: "empty", body: "\x00", res: fields{"Content-Encoding: br"}},
		{name: "P30 empty in zstd", reason: "empty", body: "\x00", res: fields{"Content-Encoding: zstd"}},
		{name: "P45 just spaces", reason: "empty", body: " \n"},

		{name: "P28 not in its coding", reason: "broken", res: fields{"Content-Encoding: br"}},
		{name: "P29 gzip of another kind", reason: "broken", res: fields{"Content-Encoding: gzip"}},
		{name: "P27 neither zlib nor deflate", reason: "broken", res: fields{"Content-Encoding: deflate"}},
		{name: "zstd that is none", reason: "broken", res: fields{"Content-Encoding: zstd"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			body := cmp.Or(c.body, testPage)
			if body == "\x00" {
				body = ""
			}
			res := response(body, append(slices.Clone(c.res), `ETag: "abc"`, "Digest: x")...)
			res.StatusCode = cmp.Or(c.status, 200)
			want := res.Header.Clone()
			req := c.req
			if req == nil {
				req = document
			}
			got := fetch(t, newTestInjector(), request(cmp.Or(c.method, "GET"), req...), res)
			if got.verdict.Injected || got.verdict.Reason != c.reason {
				t.Errorf("verdict %+v, want %s", got.verdict, c.reason)
			}
			if string(got.body) != body || got.err != nil {
				t.Errorf("body %q, %v", got.body, got.err)
			}
			got.header.Del("Vary")
			if c.method != "HEAD" && !maps.EqualFunc(got.header, want, slices.Equal) {
				t.Errorf("header %v, want %v", got.header, want)
			}
		})
	}
}

func TestInjectedDespite(t *testing.T) {
	type fields = []string
	cases := []struct {
		name   string
		method string
		req    fields
		status int
		res    fields
	}{
		{name: "navigation", req: fields{"Sec-Fetch-Dest: document"}},
		{name: "navigation of an old browser", req: fields{"Accept: text/html,*/*;q=0.8", "User-Agent: Mozilla/5.0"}},
		{name: "other programs", req: fields{"Accept: */*", "User-Agent: curl/8"}},
		{name: "nothing said", req: fields{}},
		{name: "prefetch by link", req: fields{"Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: no-cors", "Sec-Purpose: prefetch"}},
		{name: "prerender", req: fields{"Sec-Fetch-Dest: document", "Sec-Purpose: prefetch;prerender"}},
		{name: "prefetch of an old browser", req: fields{"Accept: */*", "User-Agent: Mozilla/5.0", "Purpose: prefetch"}},
		{name: "P44 form", method: "POST", req: fields{"Sec-Fetch-Dest: document"}},
		{name: "upgrade declined", req: fields{"Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"}},
		{name: "not found", req: fields{}, status: 404},
		{name: "P29 server error", req: fields{}, status: 500},
		{name: "choices", req: fields{}, status: 300},
		{name: "inline", req: fields{}, res: fields{"Content-Disposition: inline; filename=a.html"}},
		{name: "disposition without type", req: fields{}, res: fields{"Content-Disposition: filename=attachment"}},
		{name: "type with parameters", req: fields{}, res: fields{"Content-Type: Text/HTML ;a=b"}},
		{name: "type among junk", req: fields{}, res: fields{"Content-Type: text/plain, text/html", "Content-Type: */*, x"}},
		{name: "htmx says no", req: fields{"HX-Request: false"}},
		{name: "identity", req: fields{}, res: fields{"Content-Encoding: identity"}},
		{name: "another's option", req: fields{}, res: fields{"CTLive: offer"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			res := response(testPage, c.res...)
			res.StatusCode = cmp.Or(c.status, 200)
			got := fetch(t, newTestInjector(), request(cmp.Or(c.method, "GET"), c.req...), res)
			if !got.verdict.Injected || string(got.body) != testInjected {
				t.Errorf("verdict %+v, body %q", got.verdict, got.body)
			}
		})
	}
}

func TestFramesOnDemand(t *testing.T) {
	in := New(Options{Tag: testTag, Frames: true})
	for _, destination := range []string{"iframe", "frame", "fencedframe"} {
		got := fetch(t, in, request("GET", "Sec-Fetch-Dest: "+destination), response(testPage))
		if !got.verdict.Injected {
			t.Errorf("%s: %+v", destination, got.verdict)
		}
	}
}

func TestIncludeAndExclude(t *testing.T) {
	in := New(Options{Tag: testTag, Include: []string{"/page", "/shop/**"}, Exclude: []string{"/shop/*/print", "/**/admin/**"}})
	for path, want := range map[string]string{
		"/page": "", "/shop/a": "", "/shop/a/b/c": "", "/shop/a/b/print": "",
		"/": "excluded", "/pages": "excluded", "/shop": "excluded", "/shop/a/print": "excluded",
		"/shop/admin/x": "excluded", "/shop/a\n/admin/x": "excluded",
	} {
		req := request("GET", "If-None-Match: x", "Range: bytes=0-9")
		req.URL.Path = path
		if got := fetch(t, in, req, response(testPage)); got.verdict.Reason != want {
			t.Errorf("%s: left alone for %q, want %q", path, got.verdict.Reason, want)
		}
		if kept := req.Header.Get("Range") != ""; kept != (want != "") {
			t.Errorf("%s: range kept: %v", path, kept)
		}
	}
}

// What is asked of the origin.
func TestRequestToOrigin(t *testing.T) {
	type fields = []string
	const document, image = "Sec-Fetch-Dest: document", "Sec-Fetch-Dest: image"
	cases := []struct {
		name     string
		method   string
		in, want fields
	}{
		{"P33 gzip alone where it is taken", "GET",
			fields{document, "Accept-Encoding: gzip, deflate, br, zstd"}, fields{document, "Accept-Encoding: gzip"}},
		{"gzip in a second line", "GET",
			fields{document, "Accept-Encoding: br", "Accept-Encoding: GZIP;q=0.5"}, fields{document, "Accept-Encoding: gzip"}},
		{"gzip refused", "GET",
			fields{document, "Accept-Encoding: gzip;q=0, br"}, fields{document, "Accept-Encoding: gzip;q=0, br"}},
		{"no gzip", "GET", fields{document, "Accept-Encoding: br,zstd"}, fields{document, "Accept-Encoding: br, zstd"}},
		{"no dictionaries", "GET",
			fields{document, "Accept-Encoding: br, dcb, DCZ;q=1", "Available-Dictionary: :x:", "Dictionary-ID: \"a\""},
			fields{document, "Accept-Encoding: br"}},
		{"nothing but dictionaries", "GET", fields{document, "Accept-Encoding: dcb, dcz"}, fields{document, "Accept-Encoding: identity"}},
		{"no coding named", "GET", fields{document}, fields{document}},
		{"the visitor's list for all else", "GET",
			fields{image, "Accept-Encoding: gzip, br, dcb", "Available-Dictionary: :x:"},
			fields{image, "Accept-Encoding: gzip, br, dcb", "Available-Dictionary: :x:"}},
		{"P38 no ranges of pages", "GET", fields{document, "Range: bytes=0-9", `If-Range: "a"`}, fields{document}},
		{"ranges of all else", "GET", fields{image, "Range: bytes=0-9", `If-Range: "a"`}, fields{image, "Range: bytes=0-9", `If-Range: "a"`}},
		{"P36 HEAD asks as GET does", "HEAD", fields{document, "Range: bytes=0-9", "Accept-Encoding: gzip, br"}, fields{document, "Accept-Encoding: gzip"}},
		{"P44 a form's own conditions stay", "POST", fields{"If-None-Match: *", "Range: x"}, fields{"If-None-Match: *", "Range: x"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			req := request(c.method, c.in...)
			newTestInjector().Request(req)
			if want := header(c.want...); !maps.EqualFunc(req.Header, want, slices.Equal) {
				t.Errorf("asked with %v, want %v", req.Header, want)
			}
		})
	}
}

func TestVary(t *testing.T) {
	type fields = []string
	const rest = "Accept, X-Requested-With, HX-Request, Turbo-Frame, Datastar-Request, X-Pjax"
	cases := []struct {
		name           string
		req, res, want fields
	}{
		{"destination", fields{"Sec-Fetch-Dest: document"}, nil, fields{"Sec-Fetch-Dest"}},
		{"left alone by destination", fields{"Sec-Fetch-Dest: image"}, nil, fields{"Sec-Fetch-Dest"}},
		{"prefetch", fields{"Sec-Fetch-Dest: empty"}, nil, fields{"Sec-Fetch-Dest, Sec-Fetch-Mode, Sec-Purpose, Purpose"}},
		{"old request", fields{"Accept: text/html"}, nil, fields{"Sec-Fetch-Dest, " + rest}},
		{"other program", fields{"Accept: */*"}, nil, fields{"Sec-Fetch-Dest, " + rest + ", Sec-Purpose, Purpose, User-Agent"}},
		{"added to the origin's", fields{"Sec-Fetch-Dest: document"}, fields{"Vary: Cookie", "Vary: Accept-Encoding"},
			fields{"Cookie", "Accept-Encoding", "Sec-Fetch-Dest"}},
		{"once", fields{"Sec-Fetch-Dest: document"}, fields{"Vary: cookie, sec-fetch-dest"}, fields{"cookie, sec-fetch-dest"}},
		{"all", fields{"Sec-Fetch-Dest: document"}, fields{"Vary: *"}, fields{"*"}},
		{"not a page", fields{"Sec-Fetch-Dest: document"}, fields{"Content-Type: text/css"}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := fetch(t, newTestInjector(), request("GET", c.req...), response(testPage, c.res...))
			if vary := got.header["Vary"]; !slices.Equal(vary, c.want) {
				t.Errorf("Vary: %q, want %q", vary, c.want)
			}
		})
	}
}

// What an injected page says about itself.
func TestHeaderOfInjectedPage(t *testing.T) {
	res := response(testPage, "Content-MD5: x", "Digest: x", "Content-Digest: x", "Repr-Digest: x", "Use-As-Dictionary: match=x",
		"Accept-Ranges: bytes", `ETag: "abc"`, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "X-Other: y")
	got := navigate(t, newTestInjector(), res)
	version := testTag.version("")
	want := header("Content-Type: text/html", "Accept-Ranges: none", `ETag: "abc~cs.`+version+`"`,
		"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "X-Other: y", "Vary: Sec-Fetch-Dest",
		"Content-Length: "+strconv.Itoa(len(testInjected)))
	if !maps.EqualFunc(got.header, want, slices.Equal) {
		t.Errorf("header %v, want %v", got.header, want)
	}
}

func TestContentLength(t *testing.T) {
	utf16 := func(s string) string { return string(inUnits([]byte(s), littleEndian)) }
	cases := []struct {
		name string
		res  *http.Response
		want int64
	}{
		{"P34 grows by the markup", response(testPage), int64(len(testInjected))},
		{"P35 in bytes", response("\ufeff<p>é"), int64(len("\ufeff<p>é") + len(testMarkup))},
		{"P35 in UTF-16", response(utf16(testPage), "Content-Type: text/html; charset=utf-16"), 2 * int64(len(testInjected))},
		{"left alone", response("plain"), 5},
		{"P34 unknown when recoded", response(string(encode(t, "br", []byte(testPage))), "Content-Encoding: br"), -1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := navigate(t, newTestInjector(), c.res)
			want := strconv.FormatInt(c.want, 10)
			if c.want < 0 {
				want = ""
			} else if int64(len(got.body)) != c.want {
				t.Errorf("%d bytes, want %d", len(got.body), c.want)
			}
			if got.length != c.want || got.header.Get("Content-Length") != want {
				t.Errorf("length %d and %q, want %d", got.length, got.header.Get("Content-Length"), c.want)
			}
		})
	}
}

// HEAD is answered with the header that GET would get, as far as a header tells.
func TestP36Head(t *testing.T) {
	answer := func() *http.Response {
		return response(testPage, `ETag: "abc"`, "Digest: x", "Content-Security-Policy: script-src 'self'")
	}
	get := navigate(t, newTestInjector(), answer())
	res := answer()
	res.Body = http.NoBody
	head := fetch(t, newTestInjector(), request("HEAD", "Sec-Fetch-Dest: document"), res)
	get.header.Del("Content-Length") // whether there is a body to inject shows only in the body
	if !maps.EqualFunc(head.header, get.header, slices.Equal) {
		t.Errorf("HEAD %v\nGET  %v", head.header, get.header)
	}
	if head.length != -1 || head.verdict.Reason != "method" {
		t.Errorf("length %d, verdict %+v", head.length, head.verdict)
	}
	plain := fetch(t, newTestInjector(), request("HEAD"), response("", "Content-Type: text/css", `ETag: "abc"`))
	if plain.header.Get("ETag") != `"abc"` || plain.length != 0 {
		t.Errorf("not a page: %v, length %d", plain.header, plain.length)
	}
}

func TestTrailers(t *testing.T) {
	res := response(testPage)
	res.ContentLength = -1
	res.Trailer = header("Digest: x", "Content-MD5: y", "Server-Timing: z")
	got := navigate(t, newTestInjector(), res)
	if want := header("Server-Timing: z"); !maps.EqualFunc(got.trailer, want, slices.Equal) {
		t.Errorf("trailer %v, want %v", got.trailer, want)
	}
	res = response("plain")
	res.Trailer = header("Digest: x")
	if got := navigate(t, newTestInjector(), res); got.trailer.Get("Digest") == "" {
		t.Error("a page that is left alone lost its digest")
	}
}

// Rule 6: what the markup moves out of a browser's sight is said in the header.
func TestP56LostDeclaration(t *testing.T) {
	at := func(offset int, declaration string) string {
		return "<!doctype html><head>" + strings.Repeat(" ", offset-21) + declaration
	}
	room := prescanLength - len(testMarkup)
	const meta = "<meta charset=windows-1251>"
	cases := []struct {
		name, body, contentType, want string
	}{
		{"in sight", at(room-len(meta), meta), "text/html", "text/html"},
		{"just out of sight", at(room-len(meta)+1, meta), "text/html", "text/html; charset=windows-1251"},
		{"at the end", at(prescanLength-len(meta), meta), "text/html", "text/html; charset=windows-1251"},
		{"never in sight", at(prescanLength-len(meta)+1, meta), "text/html", "text/html"},
		{"by http-equiv", at(900, `<meta http-equiv=content-type content="a;charset=sjis">`), "text/html", "text/html; charset=shift_jis"},
		{"UTF-16 means UTF-8", at(900, "<meta charset=utf-16>"), "text/html", "text/html; charset=utf-8"},
		{"P58 header stays", at(900, meta), "text/html; charset=utf-8", "text/html; charset=utf-8"},
		{"header of no use", at(900, meta), "text/html; charset=none; x=y", "text/html; charset=windows-1251"},
		{"BOM", "\ufeff" + at(900, meta), "text/html", "text/html"},
		{"unknown", at(900, "<meta charset=none>"), "text/html", "text/html"},
		{"another is found", at(300, "<!--")[:300] + "--><meta charset=koi8-r>" + at(650, meta)[300:], "text/html", "text/html; charset=koi8-r"},
		{"left alone", "{" + at(900, meta), "text/html", "text/html"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := navigate(t, newTestInjector(), response(c.body, "Content-Type: "+c.contentType))
			if contentType := got.header.Get("Content-Type"); contentType != c.want {
				t.Errorf("Content-Type: %s, want %s", contentType, c.want)
			}
			if told := got.verdict.Charset != ""; told != (c.want != c.contentType) {
				t.Errorf("verdict %+v", got.verdict)
			}
		})
	}
}

// Policy and markup fit each other.
func TestPolicyOfPage(t *testing.T) {
	policy := func(res *http.Response) string { return res.Header.Get("Content-Security-Policy") }
	res := response(testPage, "Content-Security-Policy: script-src 'nonce-abc'; connect-src 'self'")
	got := navigate(t, newTestInjector(), res)
	if !bytes.Contains(got.body, []byte(`<head><script data-ctlive nonce="abc">`)) {
		t.Errorf("P52: no nonce in %.80q", got.body)
	}
	res = response(testPage, "Content-Security-Policy: require-trusted-types-for 'script'")
	got = navigate(t, newTestInjector(), res)
	if want := testTag.Buffer + `</script><script data-ctlive async integrity="` + testTag.Integrity + `" src="` + testTag.Src + `">`; !bytes.Contains(got.body, []byte(want)) {
		t.Errorf("trusted types: %.300q", got.body)
	}
	res = response(testPage, "Content-Security-Policy: script-src 'none'")
	got = navigate(t, newTestInjector(), res)
	if policy(res) == "script-src 'none'" || len(got.verdict.Policy) == 0 {
		t.Errorf("policy %q, verdict %+v", policy(res), got.verdict)
	}
	res = response("plain", "Content-Security-Policy: script-src 'none'")
	got = navigate(t, newTestInjector(), res)
	if policy(res) != "script-src 'none'" || len(got.verdict.Policy) > 0 {
		t.Errorf("left alone, but policy %q, verdict %+v", policy(res), got.verdict)
	}
	res = response(testPage, "Content-Security-Policy: sandbox")
	if got = navigate(t, newTestInjector(), res); len(got.verdict.Policy) == 0 {
		t.Errorf("no explanation in %+v", got.verdict)
	}
}

// An operator's own markup goes in as it is, and the policy is the operator's.
func TestOwnMarkup(t *testing.T) {
	in := New(Options{Tag: Tag{HTML: "<script src=a></script>"}})
	res := response(testPage, "Content-Security-Policy: script-src 'none'")
	got := navigate(t, in, res)
	if !bytes.Contains(got.body, []byte("<head><script src=a></script><title>")) || res.Header.Get("Content-Security-Policy") != "script-src 'none'" {
		t.Errorf("body %q, header %v", got.body, res.Header)
	}
}

func TestTagCheck(t *testing.T) {
	for name, c := range map[string]struct {
		tag  Tag
		fits bool
	}{
		"real":             {testTag, true},
		"own":              {Tag{HTML: "<script>1<2</script>"}, true},
		"less-than":        {Tag{Inline: "1<2"}, false},
		"less-than later":  {Tag{Buffer: "1<2"}, false},
		"P35 not ASCII":    {Tag{Inline: "'é'"}, false},
		"own is not ASCII": {Tag{HTML: "<p>é"}, false},
		"NUL":              {Tag{Src: "/\x00"}, false},
	} {
		if err := c.tag.Check(); (err == nil) != c.fits {
			t.Errorf("%s: %v", name, err)
		}
	}
}
