package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTwoProxies: a page that passes two of us has one listener (C15).
func TestTwoProxies(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "script-src 'nonce-abc'")
		io.WriteString(w, "<!doctype html><html><head><title>x</title>")
	}))
	defer origin.Close()
	inner := startProxy(t, origin.URL, "")
	outer := startProxy(t, inner.url, "", "prefix: /.outer/")
	if page := body(t, get(t, outer.url+"/")); strings.Count(page, "data-ctlive") != 1 || !strings.Contains(page, "/.ctlive/") {
		t.Errorf("got %q", page)
	}
	outer.awaitLog(t, `"inject":"already"`)
}

// TestRevalidation: a browser that holds the injected page is told 304, one that
// holds the page from before the proxy stood here gets it anew.
func TestRevalidation(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, "<!doctype html><html><head><title>x</title>")
	}))
	defer origin.Close()
	p := startProxy(t, origin.URL, "")
	first := get(t, p.url+"/")
	etag := first.Header.Get("ETag")
	if etag == "" || etag == `"v1"` || !strings.Contains(body(t, first), "data-ctlive") {
		t.Fatalf("ETag %s", etag)
	}
	if again := get(t, p.url+"/", "If-None-Match", etag); again.StatusCode != http.StatusNotModified || again.Header.Get("ETag") != etag {
		t.Errorf("%s: %d, %s", etag, again.StatusCode, again.Header.Get("ETag"))
	}
	for _, stale := range []string{`"v1"`, strings.Replace(etag, "~cs.", "~cs.x", 1)} {
		if res := get(t, p.url+"/", "If-None-Match", stale); res.StatusCode != http.StatusOK || !strings.Contains(body(t, res), "data-ctlive") {
			t.Errorf("%s: %d", stale, res.StatusCode)
		}
	}
}
