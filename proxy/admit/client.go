package admit

import (
	"net/http"
	"net/netip"
	"strings"
)

// What is believed of X-Forwarded-For. Every proxy on the way adds one entry.
const (
	maxHops     = 64
	maxHopBytes = 4 << 10
)

// A Client is the visitor a request comes from.
type Client struct {
	Addr  netip.Addr // IPv4 as such and without a zone; the zero value where the peer has no address
	Proto string     // "http" or "https": what the visitor speaks
	Host  string     // as the visitor sent it
}

// Identify returns who sent r. A peer that is not trusted is the visitor itself.
// A trusted one is believed in X-Forwarded-For, which is walked from right to
// left to the first address that is not trusted; in X-Forwarded-Proto and in
// X-Forwarded-Host. The field Forwarded (RFC 7239) is not read: where two
// fields say who the visitor is, one of them can be the visitor's own.
func (p *Policy) Identify(r *http.Request) Client {
	c := Client{Addr: peer(r), Proto: "http", Host: r.Host}
	if r.TLS != nil {
		c.Proto = "https"
	}
	if !p.trusts(c.Addr) {
		return c
	}
	if addr, ok := p.walk(r.Header["X-Forwarded-For"]); ok {
		c.Addr = addr
	}
	switch strings.ToLower(nearest(r.Header["X-Forwarded-Proto"])) {
	case "http", "ws": // proxies write these of a WebSocket
		c.Proto = "http"
	case "https", "wss":
		c.Proto = "https"
	}
	if host := nearest(r.Header["X-Forwarded-Host"]); host != "" {
		if _, ok := Host(host); ok {
			c.Host = host
		}
	}
	return c
}

func peer(r *http.Request) netip.Addr {
	addr, _ := netip.ParseAddrPort(r.RemoteAddr)
	return addr.Addr().Unmap().WithZone("")
}

func (p *Policy) trusts(addr netip.Addr) bool {
	for _, prefix := range p.Trusted {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// walk returns the first address from the right that is not trusted. It finds
// none where an entry in between is not an address: what stands left of it was
// vouched for by nobody.
func (p *Policy) walk(fields []string) (netip.Addr, bool) {
	hops, size := 0, 0
	for i := len(fields) - 1; i >= 0; i-- {
		for rest, entry, more := fields[i], "", true; more; {
			rest, entry, more = cutLast(rest)
			if hops, size = hops+1, size+len(entry)+1; hops > maxHops || size > maxHopBytes {
				return netip.Addr{}, false
			}
			if entry == "" {
				continue // RFC 9110 5.6.1.2
			}
			if addr, ok := parseHop(entry); !ok || !p.trusts(addr) {
				return addr, ok
			}
		}
	}
	return netip.Addr{}, false
}

// cutLast separates the last element of a list, and reports whether there are more.
func cutLast(list string) (rest, element string, more bool) {
	i := strings.LastIndexByte(list, ',')
	return list[:max(i, 0)], strings.Trim(list[i+1:], " \t"), i >= 0
}

// nearest returns the last element of a list: it is from the peer.
func nearest(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	_, element, _ := cutLast(fields[len(fields)-1])
	return element
}

// parseHop takes an address as proxies write it: with or without port, brackets
// and zone.
func parseHop(s string) (netip.Addr, bool) {
	if len(s) > len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%]:65535")+64 {
		return netip.Addr{}, false
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		address, port, closed := strings.Cut(inner, "]")
		if !closed || port != "" && (port[0] != ':' || !isPort(port[1:])) {
			return netip.Addr{}, false
		}
		s = address
	} else if address, port, ok := strings.Cut(s, ":"); ok && isPort(port) && strings.Contains(address, ".") {
		s = address
	}
	s, _, _ = strings.Cut(s, "%") // netip would keep every zone it sees for ever
	addr, err := netip.ParseAddr(s)
	return addr.Unmap(), err == nil
}
