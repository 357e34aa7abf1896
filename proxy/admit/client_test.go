package admit

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(cidrs ...string) (list []netip.Prefix) {
	for _, cidr := range cidrs {
		list = append(list, netip.MustParsePrefix(cidr))
	}
	return list
}

var behindProxies = &Policy{Trusted: prefixes("10.0.0.0/8", "fd00::/8")}

// Edges 35, 39 and 40: X-Forwarded-For, by lines, and who is found.
func TestIdentifyAddress(t *testing.T) {
	tests := []struct {
		name, peer string
		fields     []string
		want       string
	}{
		{"NoField", "10.0.0.1:5", nil, "10.0.0.1"},
		{"UntrustedPeer", "192.0.2.1:5", []string{"1.1.1.1"}, "192.0.2.1"},
		{"RightToLeft", "10.0.0.1:5", []string{"1.1.1.1, 9.9.9.9"}, "9.9.9.9"},
		{"ThroughTrusted", "10.0.0.1:5", []string{"1.1.1.1, 9.9.9.9, 10.3.3.3,fd00::1"}, "9.9.9.9"},
		{"OverLines", "10.0.0.1:5", []string{"1.1.1.1, 9.9.9.9", "10.3.3.3"}, "9.9.9.9"},
		{"AllTrusted", "10.0.0.1:5", []string{"10.1.1.1, 10.2.2.2"}, "10.0.0.1"},
		{"Empty", "10.0.0.1:5", []string{""}, "10.0.0.1"},
		{"EmptyElements", "10.0.0.1:5", []string{"9.9.9.9, ,", " "}, "9.9.9.9"},
		{"NotAnAddress", "10.0.0.1:5", []string{"9.9.9.9, unknown"}, "10.0.0.1"},
		{"NotAnAddressFurtherLeft", "10.0.0.1:5", []string{"unknown, 9.9.9.9"}, "9.9.9.9"},
		{"NotAnAddressBehindTrusted", "10.0.0.1:5", []string{"1.1.1.1, _hidden, 10.2.2.2"}, "10.0.0.1"},
		{"Port", "10.0.0.1:5", []string{"9.9.9.9:4711"}, "9.9.9.9"},
		{"BadPort", "10.0.0.1:5", []string{"9.9.9.9:99999"}, "10.0.0.1"},
		{"Brackets", "10.0.0.1:5", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"BracketsAndPort", "10.0.0.1:5", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"NoBrackets", "10.0.0.1:5", []string{"2001:DB8::1"}, "2001:db8::1"},
		{"OpenBracket", "10.0.0.1:5", []string{"[2001:db8::1"}, "10.0.0.1"},
		{"Zone", "10.0.0.1:5", []string{"fe80::1%eth0"}, "fe80::1"},
		{"ZoneInBrackets", "10.0.0.1:5", []string{"[fe80::1%eth0]:1"}, "fe80::1"},
		{"Mapped", "10.0.0.1:5", []string{"::ffff:9.9.9.9"}, "9.9.9.9"},
		{"MappedTrusted", "10.0.0.1:5", []string{"9.9.9.9, ::ffff:10.2.2.2"}, "9.9.9.9"},
		{"MappedPeer", "[::ffff:10.0.0.1]:5", []string{"9.9.9.9"}, "9.9.9.9"},
		{"ManyHops", "10.0.0.1:5", []string{"9.9.9.9" + strings.Repeat(",10.0.0.2", 63)}, "9.9.9.9"},
		{"TooManyHops", "10.0.0.1:5", []string{"9.9.9.9" + strings.Repeat(",10.0.0.2", 64)}, "10.0.0.1"},
		{"TenThousand", "10.0.0.1:5", []string{strings.Repeat("10.0.0.2,", 10000)}, "10.0.0.1"},
		{"LongEntry", "10.0.0.1:5", []string{strings.Repeat("1", 5000)}, "10.0.0.1"},
		{"NoPeer", "@", []string{"9.9.9.9"}, "invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{"X-Forwarded-For": tt.fields}}
			if got := behindProxies.Identify(r).Addr.String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestIdentifyProtoAndHost(t *testing.T) {
	tests := []struct {
		name, peer  string
		secure      bool
		proto, host []string
		want        Client
	}{
		{"Plain", "192.0.2.1:5", false, nil, nil, Client{Proto: "http", Host: "a.test"}},
		{"Secure", "192.0.2.1:5", true, nil, nil, Client{Proto: "https", Host: "a.test"}},
		{"Untrusted", "192.0.2.1:5", false, []string{"https"}, []string{"evil.test"}, Client{Proto: "http", Host: "a.test"}},
		{"Trusted", "10.0.0.1:5", false, []string{"https"}, []string{"B.test:81"}, Client{Proto: "https", Host: "B.test:81"}},
		{"TrustedPlain", "10.0.0.1:5", true, []string{"HTTP"}, nil, Client{Proto: "http", Host: "a.test"}},
		{"WebSocket", "10.0.0.1:5", false, []string{"wss"}, nil, Client{Proto: "https", Host: "a.test"}},
		{"Nearest", "10.0.0.1:5", false, []string{"http", "http, https"}, []string{"x.test, b.test"}, Client{Proto: "https", Host: "b.test"}},
		{"Nonsense", "10.0.0.1:5", true, []string{"gopher"}, []string{"b.test/x"}, Client{Proto: "https", Host: "a.test"}},
		{"Empty", "10.0.0.1:5", true, []string{""}, []string{""}, Client{Proto: "https", Host: "a.test"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.peer, Host: "a.test", Header: http.Header{"X-Forwarded-Proto": tt.proto, "X-Forwarded-Host": tt.host}}
			if tt.secure {
				r.TLS = new(tls.ConnectionState)
			}
			got := behindProxies.Identify(r)
			if got.Addr = (netip.Addr{}); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// However many entries there are, none is allocated.
func TestIdentifyDoesNotAllocate(t *testing.T) {
	r := &http.Request{RemoteAddr: "10.0.0.1:5", Header: http.Header{
		"X-Forwarded-For": {strings.Repeat("10.0.0.2:80, [fd00::1%eth0]:4, ", 30)},
	}}
	if n := testing.AllocsPerRun(100, func() { behindProxies.Identify(r) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever stands left of what a trusted proxy has written changes nothing.
func FuzzIdentify(f *testing.F) {
	f.Add("1.1.1.1", "")
	f.Add("10.0.0.1, [::1]:80", "unknown")
	f.Add(strings.Repeat(",", 5000), "fe80::1%x")
	f.Fuzz(func(t *testing.T, left, line string) {
		for _, fields := range [][]string{{left + ",9.9.9.9, 10.0.0.2"}, {left, line, "9.9.9.9"}, {line + left + ", 9.9.9.9:80", "10.0.0.2"}} {
			r := &http.Request{RemoteAddr: "10.0.0.1:5", Header: http.Header{"X-Forwarded-For": fields}}
			if got := behindProxies.Identify(r).Addr; got != netip.MustParseAddr("9.9.9.9") {
				t.Fatalf("%q: got %v", fields, got)
			}
		}
		r := &http.Request{RemoteAddr: "192.0.2.1:5", Host: "a.test", Header: http.Header{
			"X-Forwarded-For": {left}, "X-Forwarded-Proto": {line}, "X-Forwarded-Host": {line, left},
		}}
		if got, want := behindProxies.Identify(r), (Client{netip.MustParseAddr("192.0.2.1"), "http", "a.test"}); got != want {
			t.Fatalf("an untrusted peer is %+v", got)
		}
		r.RemoteAddr = "10.0.0.1:5"
		c := behindProxies.Identify(r)
		if _, ok := Host(c.Host); !c.Addr.IsValid() || c.Addr.Zone() != "" || c.Addr.Is4In6() || !ok || c.Proto != "http" && c.Proto != "https" {
			t.Fatalf("got %+v", c)
		}
	})
}
