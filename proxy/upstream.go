package proxy

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"ctlive/proxy/balance"
	"ctlive/proxy/relay"
)

// upstream passes requests to the origins of a site.
type upstream struct {
	relay *relay.Relay
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
	u.relay = relay.New(relay.Options{Transport: u.pool, Request: u.request, Response: u.response, Fail: u.fail})
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) { u.relay.ServeHTTP(w, r) }

// request turns in, the visitor's request, into out, the one for the origin.
func (u *upstream) request(out, in *http.Request) {
	v := visitOf(in)
	out.Header = v.proxy.admit.Forward(in, v.client)
	v.exchange = u.site.Injector.Request(out)
	address(out.URL, in)
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

// response rewrites the origin's answer.
func (u *upstream) response(res *http.Response) {
	v := visitOf(res.Request)
	res.Header.Del("Alt-Svc") // the origin's other addresses lead past us
	if u.site.hsts != "" {
		res.Header.Del("Strict-Transport-Security")
	}
	endWithDrain(res, v.proxy.drain)
	v.exchange.Response(res)
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
