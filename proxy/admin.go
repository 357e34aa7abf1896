package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Admin is the handler of the admin listener.
type Admin struct {
	Dashboard http.Handler // "/" and its files
	API       http.Handler // "/api/"
	Ready     func() error // nil while events can be stored
}

// ServeHTTP answers only requests that the operator meant: a page elsewhere must
// not read the figures through the operator's browser, neither by a request
// across sites nor by a name of its own that it points here (DNS rebinding).
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !isLocalHost(r.Host):
		http.Error(w, "The admin listener is reached by IP address or as localhost.", http.StatusMisdirectedRequest)
	case r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate":
		http.Error(w, "Requests from other sites are refused.", http.StatusForbidden)
	case r.URL.Path == "/healthz":
		w.Write([]byte("ok\n"))
	case r.URL.Path == "/readyz":
		a.ready(w)
	case strings.HasPrefix(r.URL.Path, "/api/"):
		a.API.ServeHTTP(w, r)
	default:
		a.Dashboard.ServeHTTP(w, r)
	}
}

func (a *Admin) ready(w http.ResponseWriter) {
	if err := a.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("ready\n"))
}

// isLocalHost reports whether a Host field names this machine by address, or as
// localhost: names that nobody can point elsewhere.
func isLocalHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	name = strings.Trim(name, "[]")
	_, err = netip.ParseAddr(name)
	return err == nil || strings.EqualFold(name, "localhost")
}
