package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// content is a body that never changes, in each coding it can be sent in.
type content struct {
	mediaType string
	forms     map[string]form // by content coding; "" is the body as it is
}

// form is a body in one coding.
type form struct {
	body []byte
	etag string // strong, so different for each coding (RFC 9110 8.8.3.3)
}

// codings that we offer, the smallest result first.
var codings = []string{"br", "zstd", "gzip"}

// newContent compresses body as far as it goes: this happens once, and every visitor downloads it.
func newContent(mediaType string, body []byte) (*content, error) {
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:12])
	c := &content{mediaType, map[string]form{"": {body, `"` + tag + `"`}}}
	for _, coding := range codings {
		packed, err := compress(coding, body)
		if err != nil {
			return nil, err
		}
		c.forms[coding] = form{packed, `"` + tag + "-" + coding + `"`}
	}
	return c, nil
}

func compress(coding string, body []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := newWriter(coding, &out)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

func newWriter(coding string, w io.Writer) (io.WriteCloser, error) {
	switch coding {
	case "br":
		// A window of 256 KiB holds any listener; the default of 4 MiB would take as much memory for nothing.
		return brotli.NewWriterOptions(w, brotli.WriterOptions{Quality: brotli.BestCompression, LGWin: 18}), nil
	case "zstd":
		// The best level takes 47 MB more, at each reload and for each site, to save a few bytes.
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<18))
	default:
		return gzip.NewWriterLevel(w, gzip.BestCompression)
	}
}

// serve answers r with the form that r's Accept-Encoding prefers.
func (c *content) serve(w http.ResponseWriter, r *http.Request, cacheControl string) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	coding := negotiate(r.Header.Values("Accept-Encoding"), codings)
	f := c.forms[coding]
	h.Set("Cache-Control", cacheControl)
	h.Set("ETag", f.etag)
	h.Set("Vary", "Accept-Encoding")
	if matches(r.Header.Values("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", c.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(f.body)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if coding != "" {
		h.Set("Content-Encoding", coding)
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		w.Write(f.body) // a visitor who has gone is no error of ours
	}
}

// matches reports whether an If-None-Match field lists etag, by weak comparison (RFC 9110 13.1.2). Our own tags hold
// no comma, so cutting others at theirs does no harm.
func matches(fields []string, etag string) bool {
	for tag := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}
