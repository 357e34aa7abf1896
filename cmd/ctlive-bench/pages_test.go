package main

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"time"
)

// A page has its size, and is about as compressible as pages are.
func TestNewPage(t *testing.T) {
	page := newPage(pageSize)
	if len(page) != pageSize || !bytes.HasSuffix(page, []byte("</html>\n")) {
		t.Errorf("%d bytes, ending in %q", len(page), page[len(page)-20:])
	}
	var coded bytes.Buffer
	z := gzip.NewWriter(&coded)
	z.Write(page)
	z.Close()
	if ratio := float64(coded.Len()) / pageSize; ratio < 0.2 || ratio > 0.5 {
		t.Errorf("gzip makes it %.2f as large", ratio)
	}
}

// serve returns the address of an origin that serves page and ends with the test.
func serve(t *testing.T, page string) (addr string) {
	t.Helper()
	url, stop, err := startOrigin([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop() })
	return strings.TrimPrefix(url, "http://")
}

func TestPageToken(t *testing.T) {
	tests := map[string]struct{ page, want string }{
		"token":     {`<head><script data-ctlive="aB3_-9">x</script>`, "aB3_-9"},
		"nonce too": {`<head><script data-ctlive="aB3_-9" nonce="n">x</script>`, "aB3_-9"},
		"first one": {`<script data-ctlive="a">x</script><script data-ctlive="b" src="/y"></script>`, "a"},
		"none":      {`<head><script data-ctlive>x</script>`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := pageToken(t.Context(), serve(t, test.page)); got != test.want || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	if _, err := pageToken(t.Context(), serve(t, "<head><script>x</script>")); err == nil {
		t.Error("no error for a page that is not injected")
	}
}

func TestReadPages(t *testing.T) {
	addr := serve(t, "<p>page</p>")
	times, err := readPages(t.Context(), addr, 200*time.Millisecond)
	if err != nil || times.n != pageRate/5 {
		t.Errorf("%d pages, %v", times.n, err)
	}
	if _, err := readPages(t.Context(), "127.0.0.1:1", time.Second); err == nil {
		t.Error("no error without a server")
	}
}
