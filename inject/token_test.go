package inject

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestToken: the elements carry the token of the day, the page's policy stays as it is without one,
// and a page with another token is another representation.
func TestToken(t *testing.T) {
	const page = "<!doctype html><html><head><title>x</title></head></html>"
	token := "today"
	tag := testTag
	tag.Token = func() string { return token }
	injector := New(Options{Tag: tag, Patience: -1})
	get := func(ifNoneMatch string) (*http.Request, *http.Response, string) {
		t.Helper()
		r := request(http.MethodGet, "Sec-Fetch-Dest: document")
		if ifNoneMatch != "" {
			r.Header.Set("If-None-Match", ifNoneMatch)
		}
		x := injector.Request(r)
		res := response(page, `ETag: "v1"`, "Content-Security-Policy: script-src 'self'")
		x.Response(res)
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r, res, string(body)
	}
	_, first, body := get("")
	if n := strings.Count(body, `<script data-ctlive="today"`); n != 1 || strings.Contains(body, "<script data-ctlive>") {
		t.Errorf("%d elements carry the token: %s", n, body)
	}
	plain := response(page, `ETag: "v1"`, "Content-Security-Policy: script-src 'self'")
	New(Options{Tag: testTag, Patience: -1}).Request(request(http.MethodGet, "Sec-Fetch-Dest: document")).Response(plain)
	if got, want := first.Header.Get("Content-Security-Policy"), plain.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %q, without a token %q", got, want)
	}
	_, again, _ := get("")
	if first.Header.Get("Etag") != again.Header.Get("Etag") {
		t.Error("the validator changes without the token")
	}
	if r, _, _ := get(first.Header.Get("Etag")); r.Header.Get("If-None-Match") != `"v1"` {
		t.Errorf("the origin is asked with If-None-Match %q", r.Header.Get("If-None-Match"))
	}
	token = "tomorrow"
	r, next, body := get(first.Header.Get("Etag"))
	if r.Header.Get("If-None-Match") != "" || next.Header.Get("Etag") == first.Header.Get("Etag") {
		t.Errorf("a page with yesterday's token would be confirmed: %v, %v", r.Header, next.Header)
	}
	if !strings.Contains(body, `data-ctlive="tomorrow"`) {
		t.Errorf("page: %s", body)
	}
}
