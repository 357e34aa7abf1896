package demo

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// document is a body that does not change, with validators: a repeated request
// gets a 304, a range gets a 206.
type document struct {
	body        []byte
	contentType string
	etag        string
	modified    time.Time
}

// newDocument takes its content type from the extension of name.
func newDocument(name string, body []byte, modified time.Time) document {
	return document{
		body:        body,
		contentType: contentTypes[path.Ext(name)],
		etag:        etag(body),
		modified:    modified,
	}
}

func (d document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", d.contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", d.etag)
	http.ServeContent(w, r, "", d.modified, bytes.NewReader(d.body))
}

// compressed is a document that the origin keeps in gzip as well, and sends so
// to everybody who takes it. Each coding has its own strong ETag (RFC 9110 8.8.3.3).
type compressed struct {
	plain, gzip document
}

func newCompressed(plain document) compressed {
	var buf bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression) // the level is valid
	zw.Write(plain.body)                                     // a bytes.Buffer takes everything
	zw.Close()

	packed := plain
	packed.body = buf.Bytes()
	packed.etag = etag(packed.body)
	return compressed{plain: plain, gzip: packed}
}

func (c compressed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Accept-Encoding")
	if !acceptsGzip(r.Header.Values("Accept-Encoding")) {
		c.plain.ServeHTTP(w, r)
		return
	}
	h.Set("Content-Encoding", "gzip")
	// ServeContent leaves the length out when there is a coding.
	h.Set("Content-Length", strconv.Itoa(len(c.gzip.body)))
	c.gzip.ServeHTTP(w, r)
}

// acceptsGzip reports whether the values of Accept-Encoding allow gzip
// (RFC 9110 12.5.3). An explicit gzip wins over "*".
func acceptsGzip(values []string) bool {
	accepted := false
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		coding, params, _ := strings.Cut(item, ";")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return !zeroWeight(params)
		case "*":
			accepted = !zeroWeight(params)
		}
	}
	return accepted
}

// zeroWeight reports whether params is a weight of zero, such as "q=0.0".
func zeroWeight(params string) bool {
	name, value, ok := strings.Cut(strings.TrimSpace(params), "=")
	if !ok || !strings.EqualFold(name, "q") {
		return false
	}
	q, err := strconv.ParseFloat(value, 64)
	return err == nil && q == 0
}

// contentTypes by extension. The system's own table is left out: it differs by machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".svg":  "image/svg+xml",
}

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}
