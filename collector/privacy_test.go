package collector

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestIPMode(t *testing.T) {
	tests := []struct {
		mode IPMode
		addr string
		want string
	}{
		{"", "192.0.2.77", "192.0.2.0"},
		{TruncateIP, "192.0.2.77", "192.0.2.0"},
		{TruncateIP, "::ffff:192.0.2.77", "192.0.2.0"},
		{TruncateIP, "2001:db8:1:2:3:4:5:6", "2001:db8:1::"},
		{TruncateIP, "fe80::1%eth0", "fe80::"},
		{"misspelt", "192.0.2.77", "192.0.2.0"},
		{KeepIP, "192.0.2.77", "192.0.2.77"},
		{KeepIP, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6"},
		{DropIP, "192.0.2.77", ""},
	}
	for _, test := range tests {
		if got := test.mode.store(netip.MustParseAddr(test.addr)); got != test.want {
			t.Errorf("%q of %s: %q, want %q", test.mode, test.addr, got, test.want)
		}
	}
	if got := KeepIP.store(netip.Addr{}); got != "" {
		t.Errorf("no address: %q", got)
	}
}

func TestPeerAddr(t *testing.T) {
	for remote, want := range map[string]netip.Addr{
		"192.0.2.7:1234":     netip.MustParseAddr("192.0.2.7"),
		"[2001:db8::1]:1234": netip.MustParseAddr("2001:db8::1"),
		"@":                  {}, // a Unix socket
	} {
		if got := peerAddr(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%q: %v", remote, got)
		}
	}
}
