package accept

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// crowd counts the open connections, in all and by client.
type crowd struct {
	limits Limits
	exempt []netip.Prefix // peers that speak for many clients

	mu      sync.Mutex
	links   map[*link]bool
	clients map[netip.Prefix]int
}

func newCrowd(l Limits, exempt []netip.Prefix) *crowd {
	return &crowd{limits: l, exempt: exempt, links: make(map[*link]bool), clients: make(map[netip.Prefix]int)}
}

// enter counts l. It reports whether there is a place for it.
func (c *crowd) enter(l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.links) >= c.limits.Connections {
		return false
	}
	c.links[l] = true
	return true
}

// seat counts l among its client's connections. It reports whether there is a
// place for it. A peer that is exempt is only counted when it has named the
// client.
func (c *crowd) seat(l *link, named bool) bool {
	addr := address(l.remote)
	if !addr.IsValid() || !named && contains(c.exempt, addr) {
		return true
	}
	client := clientOf(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.links[l] || c.clients[client] >= c.limits.PerClient {
		return false
	}
	c.clients[client]++
	l.client = client
	return true
}

func (c *crowd) leave(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.links, l)
	if !l.client.IsValid() {
		return
	}
	if c.clients[l.client]--; c.clients[l.client] == 0 {
		delete(c.clients, l.client)
	}
}

// disperse closes the sockets of all connections.
func (c *crowd) disperse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for l := range c.links {
		l.Conn.Close()
	}
}

func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.links)
}

// clientOf returns what a client's address is counted as: an IPv6 client has a
// whole /64 to choose from.
func clientOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// address returns the IP address of a, invalid if it has none.
func address(a net.Addr) netip.Addr {
	if a, ok := a.(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

func contains(in []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(in, func(p netip.Prefix) bool { return p.Contains(a) })
}
