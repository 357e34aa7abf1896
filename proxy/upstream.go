package proxy

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"ctlive/proxy/balance"
)

// upstream passes requests to the origins of a site.
type upstream struct {
	proxy httputil.ReverseProxy
	pool  *balance.Pool
	site  *site
	log   *slog.Logger
}

func newUpstream(s *site, log *slog.Logger, m *Metrics) *upstream {
	u := &upstream{site: s, log: log, pool: balance.New(balance.Options{
		Upstreams: s.Upstreams, Policy: s.Policy, Logger: log,
		HealthPath: s.Health, HealthHost: s.publicHost(), Every: s.Every,
		Up: func(origin string, up bool) { m.upstream(s.name, origin, up) },
	})}
	u.proxy = httputil.ReverseProxy{
		Rewrite:        u.rewrite,
		ModifyResponse: u.modify,
		ErrorHandler:   u.fail,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what matters comes through fail
		BufferPool:     &buffers,
		FlushInterval:  -1, // what the origin has sent, the visitor gets
		Transport:      u.pool,
	}
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) { u.proxy.ServeHTTP(w, r) }

// rewrite turns the visitor's request into the one for the origin.
func (u *upstream) rewrite(r *httputil.ProxyRequest) {
	v := visitOf(r.In)
	v.proxy.admit.Forward(r.In, r.Out.Header, v.client)
	v.exchange = u.site.Injector.Request(r.Out)
	address(r.Out.URL, r.In)
}

// address gives out the visitor's path and query as they were sent: only the
// origin knows what "%2F", "//" or ";" mean there.
func address(out *url.URL, in *http.Request) {
	out.RawQuery = in.URL.RawQuery
	sent, _, _ := strings.Cut(in.RequestURI, "?")
	if strings.HasPrefix(sent, "/") && sent != out.EscapedPath() && !strings.HasPrefix(sent, "//") {
		out.Opaque = sent // net/url would escape it otherwise
	}
}

// modify rewrites the origin's answer.
func (u *upstream) modify(res *http.Response) error {
	v := visitOf(res.Request)
	res.Header.Del("Alt-Svc") // the origin's other addresses lead past us
	if u.site.hsts != "" {
		res.Header.Del("Strict-Transport-Security")
	}
	endWithDrain(res, v.proxy.drain)
	v.exchange.Response(res)
	return nil
}

// fail answers for an origin that did not. The visitor gets the status, the log
// the cause.
func (u *upstream) fail(w http.ResponseWriter, r *http.Request, err error) {
	v, status := visitOf(r), statusOf(err)
	switch {
	case status < http.StatusInternalServerError: // the visitor's own request broke off
		v.refused = strings.ToLower(strings.ReplaceAll(http.StatusText(status), " ", "_"))
		v.Header().Set("Connection", "close")
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // the visitor has gone
	default:
		u.log.Warn("origin does not answer", "site", u.site.name, "status", status, "err", err)
	}
	v.fail(status)
}

// bufferPool lends the buffers that bodies are copied through.
type bufferPool struct{ sync.Pool }

var buffers = bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}

func (p *bufferPool) Get() []byte  { return p.Pool.Get().(*[32 << 10]byte)[:] }
func (p *bufferPool) Put(b []byte) { p.Pool.Put((*[32 << 10]byte)(b)) }
