// Package proxy is the reverse proxy: it takes requests for several sites,
// answers what lies under each site's reserved path itself, and passes all else
// to the site's origin and back, with the listener added to its pages.
//
// A request flows one way: [Proxy] finds the site, the site its handler, the
// upstream the origin; the injector sees what comes back.
package proxy

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ctlive/inject"
)

// Options configure a Proxy.
type Options struct {
	Sites     []Site
	Logger    *slog.Logger // nil: slog.Default()
	AccessLog bool         // a line for each request
}

// A Site is a set of hosts with one origin.
type Site struct {
	Hosts    []string // canonical names; "*" serves every other host
	Upstream *url.URL // the origin: http or https, and a path that is put in front
	Prefix   string   // reserved path, begins and ends with "/"

	Injector *inject.Injector
	Listener http.Handler // serves {Prefix}listener*.js
	Events   http.Handler // serves {Prefix}events
}

// A Proxy is the http.Handler in front of all sites.
type Proxy struct {
	sites    map[string]*site // by canonical host
	catchAll *site            // nil: unknown hosts are refused
	log      accessLog
}

type site struct {
	Site
	name     string
	upstream *upstream
}

// New returns a Proxy for the sites. Two sites cannot have a host in common.
func New(o Options) (*Proxy, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	p := &Proxy{sites: make(map[string]*site), log: accessLog{o.Logger, o.AccessLog}}
	for _, s := range o.Sites {
		if err := p.add(&site{Site: s, name: s.Hosts[0], upstream: newUpstream(s, o.Logger)}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Proxy) add(s *site) error {
	for _, host := range s.Hosts {
		if p.sites[host] != nil {
			return fmt.Errorf("host %q belongs to two sites", host)
		}
		p.sites[host] = s
	}
	p.catchAll = p.sites["*"]
	return nil
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := &entry{ResponseWriter: w, start: time.Now()}
	defer p.log.write(e, r)
	s := p.site(r.Host)
	if s == nil {
		http.Error(e, "No such site here.", http.StatusNotFound)
		return
	}
	e.site = s.name
	s.ServeHTTP(e, r)
}

// site returns the site that serves a Host field, or nil.
func (p *Proxy) site(host string) *site {
	if s := p.sites[CanonicalHost(host)]; s != nil {
		return s
	}
	return p.catchAll
}

// ServeHTTP answers under the reserved path, or asks the origin.
//
// We compare paths ourselves: http.ServeMux would redirect "/a//b" to "/a/b",
// and those are different pages to the origin.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, reserved := strings.CutPrefix(r.URL.Path, s.Prefix)
	switch {
	case !reserved:
		s.upstream.ServeHTTP(w, r)
	case r.URL.EscapedPath() != s.Prefix+name: // some other spelling of it
		http.NotFound(w, r)
	case name == "events":
		s.Events.ServeHTTP(w, r)
	case strings.HasPrefix(name, "listener."):
		s.Listener.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

// CanonicalHost returns the form in which hosts are compared: in lower case,
// without a port and without the dot that may end a name.
func CanonicalHost(host string) string {
	u := url.URL{Host: host}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}
