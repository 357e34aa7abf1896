package accept

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
)

// edge 57: caps hold at accepting, and a place that is given up can be taken.
func TestCaps(t *testing.T) {
	for _, tt := range []struct {
		reason string
		limits Limits
	}{
		{"connections", Limits{Connections: 3}},
		{"connections_per_client", Limits{PerClient: 3}},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			e := newEdge(t, false, nil, func(o *Options) { o.Limits = tt.limits })
			var conns []net.Conn
			for range 3 {
				conns = append(conns, e.dial())
				served(t, conns[len(conns)-1])
			}
			fourth := e.dial()
			if _, err := fourth.Read(make([]byte, 1)); err == nil {
				t.Error("a fourth connection is served")
			}
			e.waitRefused(tt.reason)
			conns[0].Close()
			for range 3000 {
				if e.crowd.size() < 3 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			served(t, e.dial())
		})
	}
}

func served(t *testing.T, c net.Conn) {
	t.Helper()
	send(t, c, good, 1<<20)
	if got, err := answers(t, c, 1); err != nil || got[0].status != 200 {
		t.Fatal(got, err)
	}
}

func TestClientOf(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1/32",
		"::ffff:192.0.2.1":     "192.0.2.1/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::ffff":   "2001:db8:1:2::/64",
		"fe80::1%eth0":         "fe80::/64",
	} {
		a := address(net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(in), 1)))
		if got := clientOf(a).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// A load balancer is not counted as one client.
func TestExempt(t *testing.T) {
	e := newEdge(t, false, nil, func(o *Options) {
		o.Limits.PerClient = 1
		o.Proxied = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	for range 4 {
		served(t, e.dial())
	}
}

func header(t *testing.T, version byte, source string) string {
	t.Helper()
	from := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(source))
	var b bytes.Buffer
	if _, err := proxyproto.HeaderProxyFromAddrs(version, from, &net.TCPAddr{IP: from.IP, Port: 443}).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// edge 41: a PROXY header is taken from a trusted peer, which must send one.
func TestProxyHeader(t *testing.T) {
	local := "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	long := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff"
	tests := []struct{ name, header, trusted, want string }{
		{"version 1", header(t, 1, "192.0.2.7:5000"), "127.0.0.0/8", "192.0.2.7:5000"},
		{"version 1 IPv6", header(t, 1, "[2001:db8::1]:5000"), "127.0.0.0/8", "[2001:db8::1]:5000"},
		{"version 2", header(t, 2, "192.0.2.7:5000"), "127.0.0.0/8", "192.0.2.7:5000"},
		{"version 2 IPv6", header(t, 2, "[2001:db8::1]:5000"), "127.0.0.0/8", "[2001:db8::1]:5000"},
		{"version 1 unknown", "PROXY UNKNOWN\r\n", "127.0.0.0/8", "127.0.0.1"},
		{"version 2 local", local, "127.0.0.0/8", "127.0.0.1"},
		{"untrusted peer", header(t, 1, "192.0.2.7:5000"), "10.0.0.0/8", ""},
		{"missing", "", "127.0.0.0/8", ""},
		{"slow", "PROXY TCP4 192.0", "127.0.0.0/8", ""},
		{"oversized version 1", "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n", "127.0.0.0/8", ""},
		{"oversized version 2", long, "127.0.0.0/8", ""},
		{"garbage", "PROXY TCP4 a b c d\r\n", "127.0.0.0/8", ""},
		{"twice", header(t, 1, "192.0.2.7:5000") + header(t, 1, "192.0.2.8:5000"), "127.0.0.0/8", "400"},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 1 << 20} {
			t.Run(tt.name, func(t *testing.T) {
				e := newEdge(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) }),
					func(o *Options) {
						o.ProxyProtocol, o.Proxied = true, []netip.Prefix{netip.MustParsePrefix(tt.trusted)}
						o.Limits.ProxyHeader = 200 * time.Millisecond
					})
				conn := e.dial()
				send(t, conn, tt.header, size)
				if tt.name != "slow" {
					send(t, conn, good, 1<<20)
				}
				got, _ := answers(t, conn, 1)
				switch {
				case tt.want == "":
					if len(got) != 0 {
						t.Fatal(got)
					}
					e.waitRefused("proxy_header")
				case tt.want == "400":
					if len(got) != 1 || got[0].status != 400 {
						t.Fatal(got)
					}
				case len(got) != 1 || !strings.HasPrefix(got[0].body, tt.want):
					t.Fatal(got)
				}
			})
		}
	}
}

// With PROXY headers a client is counted by what they say.
func TestProxiedCaps(t *testing.T) {
	e := newEdge(t, false, nil, func(o *Options) {
		o.ProxyProtocol, o.Proxied = true, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		o.Limits.PerClient = 1
	})
	for _, source := range []string{"[2001:db8::1]:5000", "[2001:db8:0:1::1]:5000", "192.0.2.7:5000"} {
		conn := e.dial()
		send(t, conn, header(t, 2, source), 1<<20)
		served(t, conn)
	}
	conn := e.dial()
	send(t, conn, header(t, 2, "[2001:db8::2]:5000"), 1<<20)
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a second connection from a /64 is served")
	}
	e.waitRefused("connections_per_client")
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := proxyHeader(bytes.NewReader(in))
		if err == nil && (!bytes.HasPrefix(in, b) || len(b) > maxProxyV2+16) {
			t.Errorf("%q from %q", b, in)
		}
	})
}
