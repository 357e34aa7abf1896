package admit

import (
	"net/http"
	"net/url"
	"strings"
)

const (
	maxMethod = 32      // bytes; the longest registered one, UPDATEREDIRECTREF, has 17
	maxTarget = 8 << 10 // bytes; RFC 9112 3 asks for 8,000
)

// checkMethod takes any method that looks like one: there are more than we know.
func checkMethod(r *http.Request) Fault {
	switch m := r.Method; {
	case m == http.MethodConnect || m == http.MethodTrace || m == "PRI":
		return Fault{http.StatusMethodNotAllowed, "method"}
	case len(m) > maxMethod:
		return Fault{http.StatusNotImplemented, "method"} // RFC 9112 3
	case !isMethod(m):
		return Fault{http.StatusBadRequest, "method"}
	}
	return Fault{}
}

// isMethod is narrower than RFC 9110 9.1: methods differ by case, and origins
// that forget it are fooled by "get".
func isMethod(m string) bool {
	for i := 0; i < len(m); i++ {
		c := m[i]
		if !('A' <= c && c <= 'Z') && !(i > 0 && (c == '-' || c == '_' || '0' <= c && c <= '9')) {
			return false
		}
	}
	return m != ""
}

// checkTarget takes the forms of RFC 9112 3.2 that make sense for a reverse proxy.
func checkTarget(r *http.Request) Fault {
	switch t := r.RequestURI; {
	case len(t) > maxTarget:
		return Fault{http.StatusRequestURITooLong, "target_length"}
	case !isVisible(t):
		return Fault{http.StatusBadRequest, "target"}
	case strings.HasPrefix(t, "/"):
		return Fault{}
	case r.ProtoMajor == 1 && t == "*" && r.Method == http.MethodOptions:
		return Fault{}
	case r.ProtoMajor == 1 && isAbsolute(r.URL):
		return Fault{}
	}
	return Fault{http.StatusBadRequest, "target"}
}

// isVisible reports whether t has no space and no control character, with which
// HTTP/2 could write a second request line to an origin that speaks HTTP/1.
func isVisible(t string) bool {
	for i := 0; i < len(t); i++ {
		if t[i] <= ' ' || t[i] == 0x7f {
			return false
		}
	}
	return true
}

// isAbsolute reports whether u names a host that net/http has taken for the
// request's own (RFC 9112 3.2.2).
func isAbsolute(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.Opaque == ""
}
