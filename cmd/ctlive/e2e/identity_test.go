package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// identityAttacks try to tell the origin who the visitor is, in every protocol.
// That the origin is told the truth is invariant I4, which judge asserts.
var identityAttacks = []requestAttack{
	{35, "X-Forwarded-For", []string{"x-forwarded-for", "6.6.6.6"}, "", passed()},
	{35, "X-Forwarded-For twice", []string{"x-forwarded-for", "6.6.6.6", "x-forwarded-for", "7.7.7.7"}, "", passed()},
	{35, "X-Forwarded-Proto", []string{"x-forwarded-proto", "gopher"}, "", passed()},
	{35, "X-Forwarded-Host", []string{"x-forwarded-host", "evil.test"}, "", passed()},
	{35, "Forwarded", []string{"forwarded", "for=6.6.6.6;proto=https;host=evil.test"}, "", passed()},
	{35, "all, empty", []string{"x-forwarded-for", "", "x-forwarded-proto", "", "x-forwarded-host", ""}, "", passed()},
	{36, "X-Real-IP", []string{"x-real-ip", "6.6.6.6"}, "", passed()},
	{36, "True-Client-IP", []string{"true-client-ip", "6.6.6.6"}, "", passed()},
	{36, "CF-Connecting-IP", []string{"cf-connecting-ip", "6.6.6.6"}, "", passed()},
	{36, "X-Forwarded-Port", []string{"x-forwarded-port", "1"}, "", passed()},
	{36, "X-Forwarded-Prefix", []string{"x-forwarded-prefix", "/evil"}, "", passed()},
	{36, "X-Forwarded-Server", []string{"x-forwarded-server", "evil"}, "", passed()},
	{36, "X-Forwarded-Uri", []string{"x-forwarded-uri", "/evil"}, "", passed()},
	{36, "X-Forwarded-Method", []string{"x-forwarded-method", "DELETE"}, "", passed()},
	{36, "X-Forwarded-Scheme", []string{"x-forwarded-scheme", "https"}, "", passed()},
	{36, "X-Original-URL", []string{"x-original-url", "/admin"}, "", passed()},
	{36, "X-Rewrite-URL", []string{"x-rewrite-url", "/admin"}, "", passed()},
	{36, "X-HTTP-Method-Override", []string{"x-http-method-override", "DELETE"}, "", passed()},
	{36, "Proxy", []string{"proxy", "http://evil.test"}, "", passed()},
	{37, "X_Forwarded_For", []string{"x_forwarded_for", "6.6.6.6"}, "", passed().or(refused(400))},
	{37, "X-Forwarded_For", []string{"x-forwarded_for", "6.6.6.6"}, "", passed().or(refused(400))},
	{37, "X.Forwarded.For", []string{"x.forwarded.for", "6.6.6.6"}, "", passed().or(refused(400))},
	{37, "X.Edge.Auth", []string{"x.edge.auth", "evil"}, "", passed(without("X.Edge.Auth")).or(refused(400))},
	{37, "X_Edge_Auth", []string{"x_edge_auth", "evil"}, "", passed(without("X_Edge_Auth")).or(refused(400))},
	{37, "other signs in a name", []string{"x!#$%&'*+^`|~a", "evil"}, "", passed().or(refused(400))},
}

// TestAttackConnection: what the visitor lists in Connection is taken out of the
// request, but never what we say of the visitor (edge 38).
func TestAttackConnection(t *testing.T) {
	t.Parallel()
	b := besiege(t, false, newRecorder(t, nil))
	for _, listed := range []string{
		"close, X-Edge-Auth, X-Forwarded-For, Cookie", "X-Forwarded-For", "x-forwarded-proto, x-forwarded-host", "Host, Content-Length",
		"X-Forwarded-For,X-Forwarded-For", ",,X-Forwarded-For,,", "Cdn-Loop", "Transfer-Encoding", "\"X-Forwarded-For\"",
	} {
		since := b.origin.count()
		got := exchangeHTTP1(b.connect(t, false), submit("Connection: "+listed+"\r\nX-Forwarded-For: 6.6.6.6\r\nX-Edge-Auth: evil\r\nContent-Length: 5\r\n", "hello")+innocent(""), false)
		if got.status == http.StatusBadRequest {
			continue
		}
		r := b.origin.await(t, since, 1)[0]
		faults := r.complaints(identity{"127.0.0.1", "http"})
		if fault := all([]func(*recorded) string{content("hello"), field("Cdn-Loop", "ctlive")})(&r); fault != "" {
			faults = append(faults, fault)
		}
		if len(faults) > 0 || got.status != http.StatusOK {
			t.Errorf("Connection: %s: %d, %v in %q", listed, got.status, faults, r.head)
		}
	}
}

// TestTrustedProxies: X-Forwarded-For is believed of trusted peers, and walked
// from right to left to the first address that is not one (edge 39, 40).
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	b := besiege(t, false, newRecorder(t, nil), "trusted_proxies: [127.0.0.1, 10.0.0.0/8, \"fd00::/8\"]")
	const peer = "127.0.0.1"
	for _, test := range []struct {
		name   string
		fields []string // values of X-Forwarded-For
		want   string
	}{
		{"none", nil, peer},
		{"one", []string{"9.9.9.9"}, "9.9.9.9"},
		{"two, the right one counts", []string{"1.1.1.1, 9.9.9.9"}, "9.9.9.9"},
		{"through another trusted one", []string{"1.1.1.1, 10.0.0.7"}, "1.1.1.1"},
		{"through many", []string{"6.6.6.6, 1.1.1.1, 10.0.0.7, fd00::1, 127.0.0.1"}, "1.1.1.1"},
		{"two fields", []string{"6.6.6.6, 1.1.1.1", "10.0.0.7"}, "1.1.1.1"},
		{"all trusted", []string{"10.0.0.8, 10.0.0.7"}, peer},
		{"empty", []string{""}, peer},
		{"only commas", []string{",, ,"}, peer},
		{"without spaces", []string{"6.6.6.6,1.1.1.1"}, "1.1.1.1"},
		{"port", []string{"9.9.9.9:1234"}, "9.9.9.9"},
		{"port of a trusted one", []string{"1.1.1.1, 10.0.0.7:99"}, "1.1.1.1"},
		{"brackets", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"brackets and port", []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{"zone", []string{"fe80::1%eth0"}, "fe80::1"},
		{"zone, brackets and port", []string{"[fe80::1%25eth0]:1"}, "fe80::1"},
		{"long form", []string{"2001:0DB8:0:0:0:0:0:1"}, "2001:db8::1"},
		{"IPv4 in IPv6", []string{"::ffff:9.9.9.9"}, "9.9.9.9"},
		{"trusted IPv4 in IPv6", []string{"1.1.1.1, ::ffff:10.0.0.7"}, "1.1.1.1"},
		{"no address", []string{"unknown"}, peer},
		{"no address on the right", []string{"1.1.1.1, unknown"}, peer},
		{"no address on the left", []string{"unknown, 9.9.9.9"}, "9.9.9.9"},
		{"no address behind a trusted one", []string{"1.1.1.1, x, 10.0.0.7"}, peer},
		{"octal", []string{"0177.0.0.1"}, peer},
		{"number", []string{"2130706433"}, peer},
		{"five parts", []string{"9.9.9.9.9"}, peer},
		{"two ports", []string{"9.9.9.9:1:2"}, peer},
		{"open bracket", []string{"[2001:db8::1"}, peer},
		{"quotes", []string{"\"9.9.9.9\""}, peer},
		{"markup", []string{"<script>, 9.9.9.9"}, "9.9.9.9"},
		{"a thousand hops", []string{"1.1.1.1" + strings.Repeat(", 10.0.0.7", 1000)}, peer},
	} {
		t.Run(test.name, func(t *testing.T) {
			var lines strings.Builder
			for _, value := range test.fields {
				fmt.Fprintf(&lines, "X-Forwarded-For: %s\r\n", value)
			}
			r := b.record(t, "127.0.0.1", fetch(lines.String()))
			if got := r.values("X-Forwarded-For"); !slices.Equal(got, []string{test.want}) {
				t.Errorf("the origin is told %q, want %q", got, test.want)
			}
		})
	}
	t.Run("protocol and host", func(t *testing.T) { testForwarded(t, b) })
}

// testForwarded: a trusted peer is believed in protocol and host, another is not.
func testForwarded(t *testing.T, b besieged) {
	claims := "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"
	for _, test := range []struct{ name, from, lines, addr, proto, host string }{
		{"trusted", "127.0.0.1", claims, "9.9.9.9", "https", "shop.test"},
		{"not trusted", "127.0.0.2", claims, "127.0.0.2", "http", "a.test"},
		{"nonsense", "127.0.0.1", "X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\n", "127.0.0.1", "http", "a.test"},
		{"says nothing", "127.0.0.1", "", "127.0.0.1", "http", "a.test"},
	} {
		r := b.record(t, test.from, fetch(test.lines))
		got := []string{strings.Join(r.values("X-Forwarded-For"), "+"), strings.Join(r.values("X-Forwarded-Proto"), "+"), strings.Join(r.values("X-Forwarded-Host"), "+")}
		if want := []string{test.addr, test.proto, test.host}; !slices.Equal(got, want) || len(r.values("Forwarded"))+len(r.values("X-Real-IP")) > 0 {
			t.Errorf("%s: the origin is told %q, want %q: %q", test.name, got, want, r.head)
		}
	}
}

// record sends a request from an address and returns what the origin sees of it.
func (b besieged) record(t *testing.T, from, request string) recorded {
	t.Helper()
	since := b.origin.count()
	if got := exchangeHTTP1(b.dialFrom(t, from), request+innocent(""), false); got.status != http.StatusOK {
		t.Fatalf("%v", got)
	}
	return b.origin.await(t, since, 1)[0]
}

// dialFrom connects to the plain listener from an address of this machine.
func (b besieged) dialFrom(t *testing.T, from string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	c, err := dialer.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// proxyV2 is a PROXY header of version 2.
func proxyV2(command, family byte, addresses ...byte) string {
	header := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, family)
	header = append(header, byte(len(addresses)>>8), byte(len(addresses)))
	return string(append(header, addresses...))
}

// TestProxyProtocol: with it on, the trusted peer's header is taken and must be
// there; who else connects is hung up on (edge 41).
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	b := besiege(t, false, newRecorder(t, nil), "proxy_protocol: true", "trusted_proxies: [127.0.0.1]")
	const hungUp = ""
	v4 := []byte{203, 0, 113, 9, 127, 0, 0, 1, 0x12, 0x34, 0, 80}
	for _, test := range []struct{ name, from, header, want string }{
		{"version 1", "127.0.0.1", "PROXY TCP4 203.0.113.9 127.0.0.1 1000 80\r\n", "203.0.113.9"},
		{"version 1, IPv6", "127.0.0.1", "PROXY TCP6 2001:db8::9 ::1 1000 80\r\n", "2001:db8::9"},
		{"version 1, unknown", "127.0.0.1", "PROXY UNKNOWN\r\n", "127.0.0.1"},
		{"version 2", "127.0.0.1", proxyV2(1, 0x11, v4...), "203.0.113.9"},
		{"version 2, speaks for itself", "127.0.0.1", proxyV2(0, 0), "127.0.0.1"},
		{"none", "127.0.0.1", "", hungUp},
		{"from a stranger", "127.0.0.2", "PROXY TCP4 203.0.113.9 127.0.0.1 1000 80\r\n", hungUp},
		{"none from a stranger", "127.0.0.2", "", hungUp},
		{"bare LF", "127.0.0.1", "PROXY TCP4 203.0.113.9 127.0.0.1 1000 80\n", hungUp},
		{"no address", "127.0.0.1", "PROXY TCP4 evil 127.0.0.1 1000 80\r\n", hungUp},
		{"wrong family", "127.0.0.1", "PROXY TCP4 2001:db8::9 ::1 1000 80\r\n", hungUp},
		{"port out of range", "127.0.0.1", "PROXY TCP4 203.0.113.9 127.0.0.1 99999 80\r\n", hungUp},
		{"lower case", "127.0.0.1", "proxy TCP4 203.0.113.9 127.0.0.1 1000 80\r\n", hungUp},
		{"too long", "127.0.0.1", "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n", hungUp},
		{"version 3", "127.0.0.1", strings.Replace(proxyV2(1, 0x11, v4...), "\x21\x11", "\x31\x11", 1), hungUp},
		{"version 2, addresses cut", "127.0.0.1", proxyV2(1, 0x11, v4[:6]...), hungUp},
		{"version 2, 64 KiB", "127.0.0.1", proxyV2(1, 0x11, append(v4, make([]byte, 60_000)...)...), hungUp},
	} {
		t.Run(test.name, func(t *testing.T) {
			claim := "X-Forwarded-For: 6.6.6.6\r\n"
			if test.want == "127.0.0.1" {
				claim = "" // the trusted peer itself would be believed
			}
			for _, cut := range []bool{false, len(test.header) < 1000} {
				since := b.origin.count()
				got := exchangeHTTP1(b.dialFrom(t, test.from), test.header+fetch(claim)+innocent(""), cut)
				if test.want == hungUp {
					if got.ends > 0 || !got.closed || b.origin.count() > since {
						t.Errorf("cut %t: %v, and the origin saw %v", cut, got, b.origin.since(since))
					}
					continue
				}
				if got.status != http.StatusOK {
					t.Fatalf("cut %t: %v", cut, got)
				}
				r := b.origin.await(t, since, 1)[0]
				for _, fault := range r.complaints(identity{test.want, "http"}) {
					t.Errorf("cut %t: %s", cut, fault)
				}
			}
		})
	}
	t.Run("twice", func(t *testing.T) {
		header := "PROXY TCP4 203.0.113.9 127.0.0.1 1000 80\r\n"
		if got := exchangeHTTP1(b.dialFrom(t, "127.0.0.1"), header+header+fetch(""), false); got.status != http.StatusBadRequest {
			t.Errorf("%v", got)
		}
	})
	t.Run("never comes", func(t *testing.T) {
		c := b.dialFrom(t, "127.0.0.1")
		io.WriteString(c, "PROXY ")
		if _, err := bufio.NewReader(c).ReadByte(); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the connection stays open")
		}
	})
}
