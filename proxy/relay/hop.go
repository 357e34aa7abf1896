package relay

import (
	"net/http"
	"net/textproto"
	"strings"
)

// removeHops takes out the fields that are for the next hop alone: those that
// Connection names, and those that it should have (RFC 9110 7.6.1).
func removeHops(h http.Header) {
	for _, field := range h["Connection"] {
		for name := range strings.SplitSeq(field, ",") {
			delete(h, textproto.CanonicalMIMEHeaderKey(strings.Trim(name, " \t")))
		}
	}
	for name := range h {
		if isHop(name) {
			delete(h, name)
		}
	}
}

func isHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}
