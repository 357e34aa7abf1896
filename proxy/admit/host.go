package admit

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxHost  = 253 // bytes of a name in ASCII (RFC 1035 2.3.4)
	maxLabel = 63  // bytes of what stands between its dots
)

// checkHost wants one valid host. HTTP/2 and HTTP/3 may name it twice, alike.
func checkHost(r *http.Request) Fault {
	if _, ok := Host(r.Host); !ok {
		return Fault{http.StatusBadRequest, "host"}
	}
	for i, host := range r.Header["Host"] { // HTTP/1's has been taken out
		if i > 0 || !strings.EqualFold(host, r.Host) {
			return Fault{http.StatusBadRequest, "authority"}
		}
	}
	return Fault{}
}

// Host returns the form in which hosts are compared: in lower case, international
// names in their ASCII form, IPv6 addresses in their shortest form and without
// brackets; without a port and without the dot that may end a name. It reports
// whether host, which may have a port, is valid: a name of letters, digits, "-"
// and "_", or an IP address.
func Host(host string) (string, bool) {
	if strings.HasPrefix(host, "[") {
		return hostIPv6(host[1:])
	}
	name, port, found := strings.Cut(host, ":")
	if found && !isPort(port) {
		return "", false
	}
	name, ok := asciiName(strings.TrimSuffix(name, "."))
	if !ok || !isName(name) {
		return "", false
	}
	return strings.ToLower(name), true
}

func hostIPv6(rest string) (string, bool) {
	address, rest, closed := strings.Cut(rest, "]")
	port, found := strings.CutPrefix(rest, ":")
	if !closed || found && !isPort(port) || !found && rest != "" || strings.Contains(address, "%") {
		return "", false
	}
	ip, err := netip.ParseAddr(address)
	if err != nil || !ip.Is6() {
		return "", false
	}
	return ip.String(), true
}

// isPort reports whether p is one, or empty as RFC 3986 3.2.3 allows.
func isPort(p string) bool {
	if len(p) > len("65535") || strings.HasPrefix(p, "+") {
		return false
	}
	_, err := strconv.ParseUint(p, 10, 16)
	return p == "" || err == nil
}

// asciiName converts what has other than ASCII characters. The limit before is
// against the cost of Punycode, which grows with the square of the length.
func asciiName(name string) (string, bool) {
	for i := 0; i < len(name); i++ {
		if name[i] >= 0x80 {
			if len(name) > 2*maxHost || !utf8.ValidString(name) {
				return "", false
			}
			ascii, err := idna.Lookup.ToASCII(name)
			return strings.TrimSuffix(ascii, "."), err == nil
		}
	}
	return name, true
}

// isName reports whether name consists of labels. A hyphen may stand anywhere,
// and an underscore, too: there are such hosts.
func isName(name string) bool {
	label := 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '.' && label == 0:
			return false
		case c == '.':
			label = -1
		case !isAlphanumeric(c) && c != '-' && c != '_':
			return false
		}
		if label++; label > maxLabel {
			return false
		}
	}
	return label > 0 && len(name) <= maxHost
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
