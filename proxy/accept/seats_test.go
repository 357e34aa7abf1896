package accept

import (
	"net/netip"
	"testing"
)

// TestSeats: a client has so many places and no more, an IPv6 network counts as
// one client, and nothing is kept of who has left (edge 57).
func TestSeats(t *testing.T) {
	s := Seats{PerClient: 2}
	take := func(addr string) bool { return s.Take(netip.MustParseAddr(addr)) }
	for i, step := range []struct {
		addr string
		want bool
	}{
		{"192.0.2.1", true}, {"::ffff:192.0.2.1", true}, {"192.0.2.1", false}, {"192.0.2.2", true},
		{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false}, {"2001:db8:0:1::1", true},
	} {
		if got := take(step.addr); got != step.want {
			t.Errorf("step %d: %s has a place: %v", i, step.addr, got)
		}
	}
	for _, addr := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::9", "2001:db8::1", "2001:db8:0:1::1"} {
		s.Leave(netip.MustParseAddr(addr))
	}
	if len(s.taken) != 0 {
		t.Errorf("left behind: %v", s.taken)
	}
}
