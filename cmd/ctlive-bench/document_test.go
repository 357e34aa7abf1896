package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ctlive/cmd/ctlive-bench/rival"
)

// A document has its size, is always the same, and is as compressible as a page of the web.
func TestDocument(t *testing.T) {
	for _, size := range documentSizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			page := newDocument(size * 1000)
			if len(page) != size*1000 || !bytes.Equal(page, newDocument(size*1000)) {
				t.Errorf("%d bytes, or not the same twice", len(page))
			}
			if n := bytes.Count(page, []byte(rival.Head)); n != 1 {
				t.Errorf("%d × %s", n, rival.Head)
			}
			if z, err := encodeAs("gzip", page); err != nil || len(z) > len(page)/2 || len(z) < len(page)/8 {
				t.Errorf("gzip: %d bytes, %v", len(z), err)
			}
		})
	}
}

func TestOrigin(t *testing.T) {
	o, err := newOrigin()
	if err != nil {
		t.Fatal(err)
	}
	for accept, coding := range map[string]string{"gzip": "gzip", "br": "br", "zstd": "zstd", "identity": "identity", "": "identity", "deflate, br, gzip": "br"} {
		t.Run(accept, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, documentPath(5), nil)
			r.Header.Set("Accept-Encoding", accept)
			w := httptest.NewRecorder()
			o.ServeHTTP(w, r)
			got, err := decodeAs(coding, w.Body)
			if err != nil || !bytes.Equal(got, newDocument(5000)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if header := w.Header().Get("Content-Encoding"); header != strings.TrimPrefix(coding, "identity") {
				t.Errorf("Content-Encoding %q", header)
			}
		})
	}
	w := httptest.NewRecorder()
	o.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("another path: %d", w.Code)
	}
}
