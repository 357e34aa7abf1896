package configs

import (
	"net"
	"net/netip"
	"strconv"
)

// addresses checks what the listeners mean to each other.
func (d *decoder) addresses(c *Config) {
	http, https, admin := c.Listen.HTTP, c.Listen.HTTPS, c.Admin.Listen
	if http == "" && https == "" {
		d.object("listen", "http and https are both empty", "set one of them, such as http: \":80\"")
	}
	if clash(http, https) {
		d.object("listen.https", "http and https share this address", "choose another port for one of them, such as https: \":443\"")
	}
	if clash(admin, http) || clash(admin, https) {
		d.object("admin.listen", "visitors and the admin listener share this address", "choose another port for one of them")
	}
	if !Loopback(admin) && c.Admin.Token == "" && d.sound("admin.token") {
		d.object("admin.listen", "anybody who reaches this address could read the events", "set admin.token, or listen on 127.0.0.1:9180")
	}
}

// clash reports whether two listeners cannot both have their address: the port is
// the same, and the host, or one of them takes every host. Port 0 is a new one
// each time.
func clash(a, b string) bool {
	hostA, portA := split(a)
	hostB, portB := split(b)
	return portA != 0 && portA == portB && (hostA == hostB || hostA == "" || hostB == "")
}

// split returns the host, "" for every host, and the port of addr, which is an
// address or empty.
func split(addr string) (host string, port uint64) {
	host, text, _ := net.SplitHostPort(addr)
	port, _ = strconv.ParseUint(text, 10, 16)
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = ""
	}
	return host, port
}

// Loopback reports whether only this machine can connect to addr.
func Loopback(addr string) bool {
	host, _ := split(addr)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
