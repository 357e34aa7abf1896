package collector

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// bodyTimeout is how long a sender may take for a body. 64 KiB in 30 s is a slow 2G line.
const bodyTimeout = 30 * time.Second

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// recycle gives buf back unless a large body has made it a burden.
func recycle(buf *bytes.Buffer) {
	if buf.Cap() <= 1<<20 {
		buf.Reset()
		bodies.Put(buf)
	}
}

// readBody reads r's body, as it came, into buf. Of a body that is larger than limit it reads
// nothing if the length is declared, and limit bytes if not. On an error buf holds what was read.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, buf *bytes.Buffer) error {
	if r.ContentLength > limit {
		return tooLarge(limit)
	}
	deadline := http.NewResponseController(w)
	deadline.SetReadDeadline(time.Now().Add(bodyTimeout)) // a recorder in a test cannot: no matter
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	if errors.As(err, new(*http.MaxBytesError)) {
		return tooLarge(limit)
	}
	if err != nil {
		// The deadline stays: it also bounds the server's wait for the rest of this body.
		return refuse(http.StatusBadRequest, "incomplete_body", "the body ended early")
	}
	deadline.SetReadDeadline(time.Time{})
	return nil
}

func tooLarge(limit int64) error {
	return refuse(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("a body holds at most %d bytes", limit))
}

// decodeBody returns the JSON text in raw, by the content type and encoding that h names. It is
// raw itself unless it was compressed, and never larger than limit.
func decodeBody(h http.Header, raw []byte, limit int64) ([]byte, error) {
	if !isJSONType(h.Get("Content-Type")) {
		return nil, refuse(http.StatusUnsupportedMediaType, "content_type", "send JSON as text/plain or application/json")
	}
	switch coding := strings.Join(h.Values("Content-Encoding"), ","); strings.ToLower(strings.TrimSpace(coding)) {
	case "", "identity":
		return raw, nil
	case "gzip":
		return gunzip(raw, limit)
	}
	return nil, refuse(http.StatusUnsupportedMediaType, "content_encoding", "send the body plain or in gzip")
}

// isJSONType reports whether a body of this Content-Type is taken for JSON. Parameters do not
// matter: JSON is UTF-8 (RFC 8259, 8.1). No type at all is taken too (RFC 9110, 8.3 leaves it to
// the recipient): a beacon of a typeless Blob comes like that.
func isJSONType(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "text/plain", "application/json", "":
		return true
	}
	return false
}

func gunzip(raw []byte, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "bad_gzip", "the body is not gzip")
	}
	text, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "bad_gzip", "the gzip body is broken or cut off")
	}
	if int64(len(text)) > limit {
		return nil, tooLarge(limit)
	}
	return text, nil
}
