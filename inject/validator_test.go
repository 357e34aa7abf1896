package inject

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const testModified = "Sun, 06 Nov 1994 08:49:37 GMT" // 784111777

func TestInjectedETag(t *testing.T) {
	type fields = []string
	cases := []struct {
		name      string
		origin    fields
		recoded   bool
		want      string
		backAgain fields // what the origin is asked with
	}{
		{"strong", fields{`ETag: "abc"`}, false, `"abc~cs.V"`, fields{`If-None-Match: "abc"`}},
		{"strong, recoded", fields{`ETag: "abc"`}, true, `W/"abc~cs.V"`, fields{`If-None-Match: "abc"`}},
		{"weak", fields{`ETag: W/"abc"`}, false, `W/"abc~cw.V"`, fields{`If-None-Match: W/"abc"`}},
		{"empty", fields{`ETag: ""`}, false, `"~cs.V"`, fields{`If-None-Match: ""`}},
		{"odd characters", fields{`ETag: "a,b ~cw.x\é"`}, false, `"a,b ~cw.x\é~cs.V"`, fields{`If-None-Match: "a,b ~cw.x\é"`}},
		{"both", fields{`ETag: "abc"`, "Last-Modified: " + testModified}, false, `"abc~cs.V"`, fields{`If-None-Match: "abc"`}},
		{"time", fields{"Last-Modified: " + testModified}, false, `W/"784111777~ct.V"`, fields{"If-Modified-Since: " + testModified}},
		{"time before 1970", fields{"Last-Modified: Thu, 01 Jan 1953 00:00:00 GMT"}, true, `W/"-536457600~ct.V"`,
			fields{"If-Modified-Since: Thu, 01 Jan 1953 00:00:00 GMT"}},
		{"neither", nil, false, "", nil},
		{"malformed", fields{`ETag: abc`, "Last-Modified: yesterday"}, false, "", nil},
		{"malformed, time", fields{`ETag: "a"b"`, "Last-Modified: " + testModified}, false, `W/"784111777~ct.V"`,
			fields{"If-Modified-Since: " + testModified}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := injectedETag(header(c.origin...), "V", c.recoded)
			if got != c.want {
				t.Fatalf("got %s, want %s", got, c.want)
			}
			if got == "" {
				return
			}
			h := header("If-None-Match: "+got, "If-Modified-Since: "+testModified)
			known := mapConditions(h, "V")
			if want := header(c.backAgain...); !maps.EqualFunc(h, want, slices.Equal) {
				t.Errorf("mapped back to %v, want %v", h, want)
			}
			if len(known) != 1 || confirmed(known, header(c.origin...).Get("ETag")) != got {
				t.Errorf("conditions %v do not confirm %s", known, got)
			}
		})
	}
}

func TestP39Conditions(t *testing.T) {
	type fields = []string
	cases := []struct {
		name     string
		in, want fields
	}{
		{"not ours", fields{`If-None-Match: "abc"`}, nil},
		{"not ours, with time", fields{`If-None-Match: "abc"`, "If-Modified-Since: " + testModified}, nil},
		{"time from before the proxy", fields{"If-Modified-Since: " + testModified}, nil},
		{"older markup", fields{`If-None-Match: "abc~cs.U"`, "If-Modified-Since: " + testModified}, nil},
		{"any", fields{"If-None-Match: *"}, nil},
		{"list of ours", fields{`If-None-Match: "a~cs.V", W/"b~cw.V"`}, fields{`If-None-Match: "a"`, `If-None-Match: W/"b"`}},
		{"some ours", fields{`If-None-Match: "a", W/"b~cs.V" , "c~cs.U"`}, fields{`If-None-Match: "b"`}},
		{"in two lines", fields{`If-None-Match: "a~cs.V"`, `If-None-Match: "b~cs.V"`}, fields{`If-None-Match: "a"`, `If-None-Match: "b"`}},
		{"weakened on the way", fields{`If-None-Match: W/"a~cs.V"`}, fields{`If-None-Match: "a"`}},
		{"marked on the way", fields{`If-None-Match: "a~cs.V-gzip"`}, nil},
		{"of two proxies", fields{`If-None-Match: "a~cs.U~cw.V"`}, fields{`If-None-Match: W/"a~cs.U"`}},
		{"time that is none", fields{`If-None-Match: "x~ct.V"`}, nil},
		{"mark alone", fields{`If-None-Match: "~"`}, nil},
		{"precondition", fields{`If-Match: "a~cs.V", "b"`}, fields{`If-Match: "a", "b"`}},
		{"precondition, older markup", fields{`If-Match: "a~cs.U"`}, fields{`If-Match: "a"`}},
		{"precondition by time", fields{`If-Match: W/"1~ct.V"`}, fields{`If-Match: W/"1~ct.V"`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := header(c.in...)
			mapConditions(h, "V")
			if want := header(c.want...); !maps.EqualFunc(h, want, slices.Equal) {
				t.Errorf("got %v, want %v", h, want)
			}
		})
	}
}

// What is no navigation must neither confirm an injected page nor lose the
// visitor's own conditions.
func TestConditionsOfOtherRequests(t *testing.T) {
	type fields = []string
	cases := []struct {
		name, method string
		in, want     fields
	}{
		{"own", "GET", fields{`If-None-Match: "a"`, "If-Modified-Since: " + testModified}, fields{`If-None-Match: "a"`, "If-Modified-Since: " + testModified}},
		{"of a page", "GET", fields{`If-None-Match: "a", "b~cs.V"`, "If-Modified-Since: " + testModified}, nil},
		{"of a page of old", "GET", fields{`If-None-Match: W/"1~ct.U"`}, nil},
		{"edited page", "PUT", fields{`If-Match: "a~cs.V"`}, fields{`If-Match: "a"`}},
		{"new page", "PUT", fields{"If-None-Match: *"}, fields{"If-None-Match: *"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			req := request(c.method, append([]string{"Sec-Fetch-Dest: empty"}, c.in...)...)
			newTestInjector().Request(req)
			req.Header.Del("Sec-Fetch-Dest")
			if want := header(c.want...); !maps.EqualFunc(req.Header, want, slices.Equal) {
				t.Errorf("got %v, want %v", req.Header, want)
			}
		})
	}
}

// The whole way: a page is fetched, revalidated, and the markup changes.
func TestP39Revalidation(t *testing.T) {
	origin := func(req *http.Request) *http.Response {
		res := response(testPage, `ETag: "abc"`, "Vary: Cookie", "Content-Security-Policy: script-src 'self'")
		if req.Header.Get("If-None-Match") == `"abc"` {
			res.StatusCode, res.ContentLength, res.Body = 304, 0, http.NoBody
			res.Header.Del("Content-Type")
			res.Header.Del("Content-Length")
		}
		return res
	}
	visit := func(in *Injector, fields ...string) result {
		req := request("GET", append(fields, "Sec-Fetch-Dest: document")...)
		x := in.Request(req)
		res := origin(req)
		x.Response(res)
		return result{header: res.Header, verdict: x.Verdict(), length: int64(res.StatusCode)}
	}
	in := newTestInjector()
	first := visit(in)
	etag := first.header.Get("ETag")
	again := visit(in, "If-None-Match: "+etag)
	if again.length != 304 || again.header.Get("ETag") != etag {
		t.Fatalf("status %d, ETag %s, want 304, %s", again.length, again.header.Get("ETag"), etag)
	}
	if got := strings.Join(again.header["Vary"], ", "); got != "Cookie, Sec-Fetch-Dest" {
		t.Errorf("Vary %q in the 304 takes the place of the page's", got)
	}
	if got, want := again.header.Get("Content-Security-Policy"), first.header.Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %q in the 304 takes the place of %q", got, want)
	}
	if again.header.Get("Accept-Ranges") != "none" {
		t.Error("the 304 offers ranges")
	}
	changed := testTag
	changed.Inline += ";1"
	if got := visit(New(Options{Tag: changed, Patience: -1}), "If-None-Match: "+etag); got.length != 200 || got.header.Get("ETag") == etag {
		t.Errorf("new markup: status %d, ETag %s", got.length, got.header.Get("ETag"))
	}
	if got := visit(in, `If-None-Match: "abc"`); got.length != 200 {
		t.Errorf("from before the proxy: status %d", got.length)
	}
}

// Which of several pages that the visitor holds is confirmed, the origin says.
func TestConfirmed(t *testing.T) {
	known := []condition{{`"a~cs.V"`, `"a"`}, {`W/"b~cw.V"`, `W/"b"`}, {`W/"1~ct.V"`, ""}}
	for etag, want := range map[string]string{`"a"`: `"a~cs.V"`, `"b"`: `W/"b~cw.V"`, `"c"`: "", "": `W/"1~ct.V"`} {
		if got := confirmed(known, etag); got != want {
			t.Errorf("%s: confirmed %s, want %s", etag, got, want)
		}
	}
}

func FuzzConditions(f *testing.F) {
	f.Add(`"a~cs.V", W/"b"`, `W/"1~ct.V"`)
	f.Add(`"\`, `*`)
	f.Fuzz(func(t *testing.T, match, noneMatch string) {
		h := http.Header{"If-Match": {match}, "If-None-Match": {noneMatch}}
		for _, c := range mapConditions(h, "V") {
			if etag, modified, version, ours := original(c.field); !ours || version != "V" || etag != c.etag || etag == "" && modified.IsZero() {
				t.Errorf("%q stands for %q, %v of %q", c.field, etag, modified, version)
			}
		}
		withoutInjected(h)
	})
}
