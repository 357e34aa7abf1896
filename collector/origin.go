package collector

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// fromSite reports whether r comes from a page of the site, as far as the browser says: a program
// that is no browser sends neither header and passes. "Origin: null" (a sandboxed frame, a file)
// does not.
func fromSite(r *http.Request, site Site) bool {
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return false
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	u, err := url.Parse(origins[0])
	if err != nil || len(origins) > 1 || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	return site.owns(u.Host, r.Host)
}

// owns reports whether a page at the authority origin belongs to the site that was asked as host:
// it is that very host and port, or another host of the site at that or a default port. Schemes
// are not compared, because TLS may end in front of us.
func (s Site) owns(origin, host string) bool {
	name, port := splitHost(origin)
	hostName, hostPort := splitHost(host)
	if name == hostName {
		return port == hostPort
	}
	named := slices.ContainsFunc(s.Hosts, func(h string) bool {
		own, _ := splitHost(h)
		return own == name
	})
	return named && (port == "" || port == hostPort)
}

// splitHost returns the canonical name and the port of an authority; a default port is "".
func splitHost(authority string) (name, port string) {
	name, port, err := net.SplitHostPort(authority)
	if err != nil {
		name, port = strings.Trim(authority, "[]"), ""
	}
	if port == "80" || port == "443" {
		port = ""
	}
	return strings.TrimSuffix(strings.ToLower(name), "."), port
}
