package demo

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"testing"
)

func TestRepeatedRequestIsNotModified(t *testing.T) {
	for name, c := range map[string]struct{ path, accept string }{
		"page":      {"/", ""},
		"page gzip": {"/shop", "gzip"},
		"plain":     {"/shop", "identity"},
		"library":   {SDKPath, ""},
		"picture":   {"/art/mark.svg", ""},
	} {
		t.Run(name, func(t *testing.T) {
			first, _ := get(t, "GET", c.path, "Accept-Encoding", c.accept)
			again, body := get(t, "GET", c.path, "Accept-Encoding", c.accept, "If-None-Match", first.Header.Get("ETag"))
			if again.StatusCode != http.StatusNotModified || body != "" {
				t.Errorf("status %d, %d bytes", again.StatusCode, len(body))
			}
			if again.Header.Get("ETag") != first.Header.Get("ETag") {
				t.Errorf("ETag %q, want %q", again.Header.Get("ETag"), first.Header.Get("ETag"))
			}
			other, _ := get(t, "GET", c.path, "Accept-Encoding", c.accept, "If-None-Match", `"other"`)
			if other.StatusCode != http.StatusOK {
				t.Errorf("another ETag: status %d", other.StatusCode)
			}
		})
	}
}

func TestShopIsCompressed(t *testing.T) {
	packed, body := get(t, "GET", "/shop", "Accept-Encoding", "br, gzip")
	plain, want := get(t, "GET", "/shop", "Accept-Encoding", "br")

	if got := packed.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding %q", got)
	}
	if got := packed.Header.Get("Content-Length"); got != strconv.Itoa(len(body)) {
		t.Errorf("Content-Length %q for %d bytes", got, len(body))
	}
	zr, err := gzip.NewReader(bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(zr)
	if err != nil || string(got) != want {
		t.Errorf("decoded %d bytes, %v; want the %d of the plain page", len(got), err, len(want))
	}
	if plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("ETag") == packed.Header.Get("ETag") {
		t.Errorf("codings share headers: %v, %v", plain.Header, packed.Header)
	}
	for _, res := range []*http.Response{packed, plain} {
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Vary %q", res.Header.Get("Vary"))
		}
	}
}

func TestShopRange(t *testing.T) {
	res, body := get(t, "GET", "/shop", "Accept-Encoding", "gzip", "Range", "bytes=0-9")
	if res.StatusCode != http.StatusPartialContent || len(body) != 10 || res.ContentLength != 10 {
		t.Errorf("status %d, %d bytes, length %d", res.StatusCode, len(body), res.ContentLength)
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"":                      false,
		"gzip":                  true,
		"GZip":                  true,
		"x-gzip":                true,
		"br, gzip;q=0.1":        true,
		"gzip;q=0":              false,
		"gzip; Q=0.000":         false,
		"gzip;q=0, *":           false,
		"*, gzip;q=0":           false,
		"*":                     true,
		"*;q=0":                 false,
		"identity":              false,
		"gzipped":               false,
		"br,zstd;q=0.5,gzip":    true,
		"deflate ,\tgzip ; q=1": true,
	} {
		if got := acceptsGzip([]string{header}); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}
