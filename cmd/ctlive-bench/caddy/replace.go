package main

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(&replace{}) }

// replace replaces Search, the first time that it occurs in an HTML page. As the plugin does without
// its option stream, it keeps the page in memory until its end.
type replace struct {
	Search  string `json:"search"`
	Replace string `json:"replace"`

	buffers *sync.Pool
}

var (
	_ caddyhttp.MiddlewareHandler = (*replace)(nil)
	_ caddy.Provisioner           = (*replace)(nil)
)

func (*replace) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bench_replace", New: func() caddy.Module { return new(replace) }}
}

func (r *replace) Provision(caddy.Context) error {
	r.buffers = &sync.Pool{New: func() any { return new(bytes.Buffer) }}
	return nil
}

func (r *replace) ServeHTTP(w http.ResponseWriter, req *http.Request, next caddyhttp.Handler) error {
	buffer := r.buffers.Get().(*bytes.Buffer)
	buffer.Reset()
	defer r.buffers.Put(buffer)

	recorder := caddyhttp.NewResponseRecorder(w, buffer, isHTML)
	if err := next.ServeHTTP(recorder, req); err != nil || !recorder.Buffered() {
		return err
	}
	page := bytes.Replace(buffer.Bytes(), []byte(r.Search), []byte(r.Replace), 1)
	w.Header().Set("Content-Length", strconv.Itoa(len(page)))
	w.Header().Del("Accept-Ranges")
	w.WriteHeader(recorder.Status())
	_, err := w.Write(page)
	return err
}

func isHTML(_ int, h http.Header) bool { return strings.HasPrefix(h.Get("Content-Type"), "text/html") }
