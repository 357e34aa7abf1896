package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Admin is the handler of the admin listener.
type Admin struct {
	Dashboard http.Handler // "/" and its files
	API       http.Handler // "/api/"
	Metrics   http.Handler // "/metrics"; nil: there are none
	Profiles  http.Handler // "/debug/pprof/"; nil: there are none
	Ready     func() error // nil while requests can be served and events stored
	Reload    func() error // "POST /reload": takes the configuration file anew; nil: there is none

	// Token must come with every request but those for /healthz and /readyz, as
	// a bearer token (RFC 6750) or as the password of Basic authentication,
	// which a browser asks for by itself. Empty: the listener is on loopback,
	// and whoever can connect may do all.
	Token string
}

// ServeHTTP answers only requests that the operator meant: a page elsewhere must
// not act through the operator's browser, neither by a request across sites nor
// by a name of its own that it points here (DNS rebinding).
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.Token == "" && !isLocalHost(r.Host):
		http.Error(w, "The admin listener is reached by IP address or as localhost.", http.StatusMisdirectedRequest)
	case fromElsewhere(r):
		http.Error(w, "Requests from other sites are refused.", http.StatusForbidden)
	case r.URL.Path == "/healthz":
		w.Write([]byte("ok\n"))
	case r.URL.Path == "/readyz":
		a.ready(w)
	case !a.authorized(r):
		w.Header().Set("WWW-Authenticate", `Basic realm="ctlive", charset="UTF-8"`)
		http.Error(w, "The admin token is needed: as a bearer token, or as the password with any user name.", http.StatusUnauthorized)
	default:
		a.serve(w, r)
	}
}

func (a *Admin) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/reload" && a.Reload != nil:
		a.reload(w, r)
	case r.URL.Path == "/metrics" && a.Metrics != nil:
		a.Metrics.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, "/debug/pprof/") && a.Profiles != nil:
		a.Profiles.ServeHTTP(w, r)
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

func (a *Admin) reload(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Reload with POST.", http.StatusMethodNotAllowed)
		return
	}
	if err := a.Reload(); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.Write([]byte("reloaded\n"))
}

// authorized reports whether r has the token. The comparison takes as long for
// any guess.
func (a *Admin) authorized(r *http.Request) bool {
	if a.Token == "" {
		return true
	}
	given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		_, given, _ = r.BasicAuth()
	}
	want, got := sha256.Sum256([]byte(a.Token)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// fromElsewhere reports whether a page of another site makes the request, except
// by a link that somebody follows.
func fromElsewhere(r *http.Request) bool {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return !read || r.Header.Get("Sec-Fetch-Mode") != "navigate"
	case "":
		// Browsers without Sec-Fetch-Site send Origin with a POST.
		origin := r.Header.Get("Origin")
		return origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host
	}
	return false
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
