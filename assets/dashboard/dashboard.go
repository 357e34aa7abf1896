// Package dashboard is the operator's page: static files that read the admin
// API next to them (/api/report, /api/rejected, /api/explain and /api/live) and
// nothing else, without a build step and without a request to another host.
// Charts are drawn by uPlot 1.6.32, whose files are in static/vendor as npm has them.
//
// What it shows was sent by visitors' browsers and is hostile. The page puts it
// into text nodes only, and its content security policy runs no inline script
// should that ever fail.
package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static
var embedded embed.FS

const index = "/index.html"

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// contentTypes by extension. The system's own table is left out: it differs by machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// file is an embedded file with what is known of it.
type file struct {
	body        []byte
	contentType string
	etag        string
}

// Handler serves the page at "/" and its files below. It answers GET and HEAD
// only, and checks no credentials.
func Handler() http.Handler {
	files := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		secure(w.Header())
		f, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

// serve leaves the page itself out of every cache. Its files may be kept, but
// are asked for anew: after an update, old and new ones must not meet.
func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	if r.URL.Path == "/" {
		h.Set("Cache-Control", "no-store")
	} else {
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", f.etag)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// load returns the embedded files by URL path. What cannot be read or has no
// content type is a mistake in this package.
func load() map[string]file {
	files := map[string]file{}
	err := fs.WalkDir(embedded, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := embedded.ReadFile(name)
		url := strings.TrimPrefix(name, "static")
		files[url] = file{body, contentTypes[path.Ext(name)], etag(body)}
		return err
	})
	if err != nil {
		panic(err)
	}
	files["/"] = files[index]
	delete(files, index)
	return files
}

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}
