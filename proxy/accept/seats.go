package accept

import (
	"net/netip"
	"sync"
)

// Seats counts connections by client. Its zero value has no place for anybody.
type Seats struct {
	PerClient int // for an address, or for IPv6 a /64, which a client has to itself

	mu    sync.Mutex
	taken map[netip.Prefix]int
}

// Take counts a connection of addr. It reports whether there is a place for it;
// then Leave follows at its end.
func (s *Seats) Take(addr netip.Addr) bool {
	client := clientOf(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[client] >= s.PerClient {
		return false
	}
	if s.taken == nil {
		s.taken = make(map[netip.Prefix]int)
	}
	s.taken[client]++
	return true
}

// Leave gives the place of a connection of addr back.
func (s *Seats) Leave(addr netip.Addr) {
	client := clientOf(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[client]--; s.taken[client] <= 0 {
		delete(s.taken, client)
	}
}

// clientOf returns what a client's address is counted as: an IPv6 client has a
// whole /64 to choose from.
func clientOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}
