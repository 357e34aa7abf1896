// Package proxy is the reverse proxy: it takes requests for several sites,
// answers what lies under each site's reserved path itself, and passes all else
// to the site's origin and back, with the listener added to its pages.
//
// A request flows one way: package accept makes of a connection what net/http
// can be trusted with, package admit decides whether a request comes in, [Proxy]
// finds the site, the site its handler, package relay passes it on and the answer
// back, package balance finds the origin; the injector sees what comes back.
package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ctlive/inject"
	"ctlive/proxy/accept"
	"ctlive/proxy/admit"
)

// Options configure a Proxy.
type Options struct {
	Sites     []Site
	Trusted   []netip.Prefix // peers whose forwarded headers are believed
	HTTPSPort int            // where the secure listener is; 0: there is none, and pages are served without TLS
	HTTP3     bool           // the secure listener speaks HTTP/3, too
	Logger    *slog.Logger   // nil: slog.Default()
	AccessLog bool           // a line for each request
	LogQuery  bool           // with its query
	Metrics   *Metrics       // nil: nothing is counted

	// Page is told of each answer that the injector has decided on: result is
	// "injected", or "skipped" for a reason. Nil: nobody asks.
	Page func(site, result, reason string)

	// Challenge answers the requests of a certificate authority, and reports
	// whether r was one. Nil: there are none.
	Challenge func(w http.ResponseWriter, r *http.Request) bool

	// Covers reports whether the certificate shown to a visitor who asked for
	// serverName is good for host as well. Nil: it always is.
	Covers func(serverName, host string) bool
}

// A Site is a set of hosts with the same origins.
type Site struct {
	Hosts     []string   // canonical names; "*" serves every other host
	Upstreams []*url.URL // the origins: http or https, and host
	Policy    string     // of the choice between them: "least_conn" or "round_robin"
	Health    string     // path that tells whether an origin is well; "": it is not asked
	Every     time.Duration
	Prefix    string        // reserved path, begins and ends with "/"
	HSTS      time.Duration // max-age of Strict-Transport-Security; 0: what the origin says

	Injector *inject.Injector
	Listener http.Handler // serves {Prefix}listener*.js
	Events   http.Handler // serves {Prefix}events
}

// A Proxy is what stands in front of all sites.
type Proxy struct {
	Options
	sites    map[string]*site // by canonical host
	catchAll *site            // nil: unknown hosts are refused
	all      []*site
	admit    admit.Policy
	log      accessLog
	altSvc   []string // nil: none
	drain    *drain   // of the server
}

type site struct {
	Site
	name     string
	upstream *upstream
	hsts     string
}

// New returns a Proxy for the sites. Two sites cannot have a host in common.
// [Proxy.Start] sets it going.
func New(o Options) (*Proxy, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	p := &Proxy{
		Options: o, sites: make(map[string]*site), admit: admit.Policy{Trusted: o.Trusted},
		log: accessLog{o.Logger, o.AccessLog, o.LogQuery}, drain: newDrain(),
	}
	if o.HTTP3 {
		p.altSvc = []string{fmt.Sprintf(`h3=":%d"; ma=86400`, o.HTTPSPort)}
	}
	for _, s := range o.Sites {
		if err := p.add(s); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Proxy) add(options Site) error {
	s := &site{Site: options, name: options.Hosts[0]}
	s.upstream = newUpstream(s, p.Logger, p.Metrics)
	if s.HSTS > 0 {
		s.hsts = fmt.Sprintf("max-age=%d", int64(s.HSTS.Seconds()))
	}
	for _, host := range s.Hosts {
		if p.sites[host] != nil {
			return fmt.Errorf("host %q belongs to two sites", host)
		}
		p.sites[host] = s
	}
	p.all, p.catchAll = append(p.all, s), p.sites["*"]
	return nil
}

// Start sets the health checks going, until Close.
func (p *Proxy) Start(ctx context.Context) {
	for _, s := range p.all {
		s.upstream.pool.Start(ctx)
	}
}

// Close ends the health checks and the idle connections to the origins. Requests
// under way are not disturbed.
func (p *Proxy) Close() {
	for _, s := range p.all {
		s.upstream.pool.Close()
	}
}

// ServeHTTP serves the plain listener.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.serve(w, r, false) }

// serve serves a request from the secure listener, or from the plain one.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, secure bool) {
	v := &visit{ResponseWriter: w, proxy: p, start: time.Now()}
	v.attach(r)
	defer p.end(v, r)
	if p.altSvc != nil && secure {
		v.Header()["Alt-Svc"] = p.altSvc
	}
	p.dispatch(v, r, secure)
}

// dispatch is the way of a request through the proxy.
func (p *Proxy) dispatch(v *visit, r *http.Request, secure bool) {
	if refusal := p.admit.Check(r, faultOf(r), secure); refusal != nil {
		v.refuse(refusal)
		return
	}
	if !secure && p.Challenge != nil && p.Challenge(v, r) {
		return
	}
	v.client = p.admit.Identify(r)
	host, _ := admit.Host(r.Host)
	switch v.site = p.site(host); {
	case v.site == nil && secure:
		v.fail(http.StatusMisdirectedRequest)
	case v.site == nil:
		v.fail(http.StatusNotFound)
	case secure && p.Covers != nil && r.TLS.ServerName != host && !p.Covers(r.TLS.ServerName, host):
		v.fail(http.StatusMisdirectedRequest)
	case !secure && p.HTTPSPort != 0 && v.client.Proto != "https":
		http.Redirect(v, r, p.secureURL(host, r), http.StatusPermanentRedirect)
	default:
		v.site.serve(v, r)
	}
}

// faultOf returns what was wrong with r on the wire.
func faultOf(r *http.Request) admit.Fault {
	if f := accept.FaultOf(r); f != nil {
		return admit.Fault{Status: f.Status, Reason: f.Reason}
	}
	return admit.Fault{}
}

// secureURL returns where r's resource is with TLS.
func (p *Proxy) secureURL(host string, r *http.Request) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p.HTTPSPort != 443 {
		host = net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(p.HTTPSPort))
	}
	return "https://" + host + r.URL.RequestURI()
}

func (p *Proxy) end(v *visit, r *http.Request) {
	p.log.write(v, r)
	p.Metrics.request(v)
	if result, reason := v.outcome(); p.Page != nil && result != "" {
		p.Page(v.siteName(), result, reason)
	}
}

// site returns the site that serves a host in its canonical form, or nil.
func (p *Proxy) site(host string) *site {
	if s := p.sites[host]; s != nil {
		return s
	}
	return p.catchAll
}

// publicHost returns a host that the site's origin serves, "" where none is named.
func (s *site) publicHost() string {
	if s.name == "*" {
		return ""
	}
	return s.name
}

// serve answers under the reserved path, or asks the origin.
//
// We compare paths ourselves: http.ServeMux would redirect "/a//b" to "/a/b",
// and those are different pages to the origin.
func (s *site) serve(v *visit, r *http.Request) {
	if s.hsts != "" && r.TLS != nil {
		v.Header().Set("Strict-Transport-Security", s.hsts)
	}
	name, reserved := strings.CutPrefix(r.URL.Path, s.Prefix)
	switch {
	case !reserved:
		s.upstream.ServeHTTP(v, r)
	case r.URL.EscapedPath() != s.Prefix+name: // some other spelling of it
		http.NotFound(v, r)
	case name == "events":
		s.Events.ServeHTTP(v, r)
	case strings.HasPrefix(name, "listener."):
		s.Listener.ServeHTTP(v, r)
	default:
		http.NotFound(v, r)
	}
}

// Upstream is an origin of a site.
type Upstream struct {
	Site, URL string
	Up        bool // it is believed to answer
}

// Upstreams returns all origins, site by site.
func (p *Proxy) Upstreams() []Upstream {
	var all []Upstream
	for _, s := range p.all {
		for _, u := range s.upstream.pool.Status() {
			all = append(all, Upstream{s.name, u.URL, u.Up})
		}
	}
	return all
}

// ClientAddr returns the address of the visitor that r comes from, as far as
// trusted proxies vouch for it.
func ClientAddr(r *http.Request) netip.Addr { return visitOf(r).client.Addr }
