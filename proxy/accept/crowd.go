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
	seats  Seats

	mu    sync.Mutex
	links map[*link]bool
}

func newCrowd(l Limits, exempt []netip.Prefix) *crowd {
	return &crowd{limits: l, exempt: exempt, seats: Seats{PerClient: l.PerClient}, links: make(map[*link]bool)}
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
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.links[l] || !c.seats.Take(addr) {
		return false
	}
	l.client = addr
	return true
}

func (c *crowd) leave(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.links, l)
	if l.client.IsValid() {
		c.seats.Leave(l.client)
		l.client = netip.Addr{}
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
