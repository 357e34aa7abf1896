package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"ctlive/inject"
)

const (
	dialTimeout = 5 * time.Second

	// idleTimeout is shorter than what origins keep idle connections for, or a
	// request meets one that is just being closed. Node's 5 s are too short to
	// stay below; the transport tries such a request again.
	idleTimeout = 55 * time.Second

	// idleConns is how many idle connections an origin is allowed: a burst
	// beyond it dials anew each time.
	idleConns = 256

	// maxResponseHeader is more than any browser accepts, in bytes.
	maxResponseHeader = 256 << 10
)

// upstream passes requests to the origin of a site.
type upstream struct {
	proxy httputil.ReverseProxy
	site  Site
	log   *slog.Logger
}

func newUpstream(s Site, log *slog.Logger) *upstream {
	u := &upstream{site: s, log: log}
	u.proxy = httputil.ReverseProxy{
		Rewrite:        u.rewrite,
		ModifyResponse: u.modify,
		ErrorHandler:   u.fail,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BufferPool:     &buffers,
		FlushInterval:  -1, // what the origin has sent, the visitor gets
		Transport:      newTransport(),
	}
	return u
}

// newTransport returns one for a single site: a pool of connections that sites
// shared would carry one site's trouble to the others.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // the environment must not choose another way to the origin
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // the visitor's Accept-Encoding counts, not ours
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
}

// A visit is what one request carries from its way out to its way back.
type visit struct{ exchange *inject.Exchange }

type visitKey struct{}

func visitOf(r *http.Request) *visit { return r.Context().Value(visitKey{}).(*visit) }

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{}
	if e, ok := w.(*entry); ok {
		e.visit = v
	}
	u.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
}

// rewrite turns the visitor's request into the one for the origin.
func (u *upstream) rewrite(r *httputil.ProxyRequest) {
	r.SetXForwarded()
	r.Out.Header.Del("Expect") // 100 Continue is between the visitor and us
	visitOf(r.In).exchange = u.site.Injector.Request(r.Out)
	u.address(r.Out.URL, r.In)
}

// address points out at the origin, with the visitor's path and query as they
// were sent: only the origin knows what "%2F", "//" or ";" mean there.
func (u *upstream) address(out *url.URL, in *http.Request) {
	to := u.site.Upstream
	base := strings.TrimSuffix(to.EscapedPath(), "/")
	out.Scheme, out.Host, out.RawQuery = to.Scheme, to.Host, in.URL.RawQuery
	out.Path, out.RawPath = strings.TrimSuffix(to.Path, "/")+in.URL.Path, base+in.URL.EscapedPath()
	sent, _, _ := strings.Cut(in.RequestURI, "?")
	if sent = base + sent; strings.HasPrefix(in.RequestURI, "/") && sent != out.EscapedPath() && !strings.HasPrefix(sent, "//") {
		out.Opaque = sent // net/url would escape it otherwise
	}
}

// modify rewrites the origin's answer.
func (u *upstream) modify(res *http.Response) error {
	res.Header.Del("Alt-Svc") // the origin's other addresses lead past us
	visitOf(res.Request).exchange.Response(res)
	return nil
}

// fail answers for an origin that did not. The visitor gets the status, the log
// the cause.
func (u *upstream) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the visitor has gone
	}
	u.log.Warn("origin does not answer", "site", u.site.Hosts[0], "status", status, "err", err)
	http.Error(w, http.StatusText(status), status)
}

// statusOf says whose fault err is, in the terms of RFC 9110 15.5 and 15.6.
func statusOf(err error) int {
	var timeout net.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// bufferPool lends the buffers that bodies are copied through.
type bufferPool struct{ sync.Pool }

var buffers = bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}

func (p *bufferPool) Get() []byte  { return p.Pool.Get().(*[32 << 10]byte)[:] }
func (p *bufferPool) Put(b []byte) { p.Pool.Put((*[32 << 10]byte)(b)) }
