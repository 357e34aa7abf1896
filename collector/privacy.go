package collector

import (
	"net/http"
	"net/netip"
)

// IPMode says how much of a client address is stored.
type IPMode string

const (
	KeepIP     IPMode = "keep"
	TruncateIP IPMode = "truncate" // IPv4 to /24, IPv6 to /48
	DropIP     IPMode = "drop"
)

// store returns what may be written of addr: nothing finer than m allows, nothing at all for an
// invalid address. Any value but [KeepIP] and [DropIP] truncates.
func (m IPMode) store(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() || m == DropIP {
		return ""
	}
	if m == KeepIP {
		return addr.String()
	}
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	return netip.PrefixFrom(addr, bits).Masked().Addr().String()
}

// objects reports whether the sender of a request with header h objects to being recorded, by Global
// Privacy Control or Do Not Track.
func objects(h http.Header) bool {
	return h.Get("Sec-GPC") == "1" || h.Get("DNT") == "1"
}

// peerAddr returns the address at the other end of r's connection; it believes no header.
func peerAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr()
}
