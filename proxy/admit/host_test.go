package admit

import (
	"net/netip"
	"strings"
	"testing"
)

// Edges 25 to 28.
func TestHost(t *testing.T) {
	long := strings.Repeat("a", 63)
	tests := []struct{ host, want string }{
		{"a.test", "a.test"},
		{"A.TEST", "a.test"},
		{"a.test.", "a.test"},
		{"a.test:443", "a.test"},
		{"A.test.:8080", "a.test"},
		{"a.test:", "a.test"},
		{"a.test:65535", "a.test"},
		{"my_app.r3---x-.test", "my_app.r3---x-.test"},
		{"localhost", "localhost"},
		{"127.0.0.1:80", "127.0.0.1"},
		{"[::1]", "::1"},
		{"[2001:DB8:0::1]:443", "2001:db8::1"},
		{"bücher.test", "xn--bcher-kva.test"},
		{"BÜCHER.test:443", "xn--bcher-kva.test"},
		{"bücher。test。", "xn--bcher-kva.test"},
		{"xn--BCHER-kva.test", "xn--bcher-kva.test"},
		{long + ".test", long + ".test"},
		{"", ""},
		{".", ""},
		{":80", ""},
		{".a.test", ""},
		{"a..test", ""},
		{"a.test..", ""},
		{"a.test:65536", ""},
		{"a.test:99999x", ""},
		{"a.test:+80", ""},
		{"a.test:-1", ""},
		{"a.test:80:80", ""},
		{"a.test:000080", ""},
		{"x@a.test", ""},
		{"a.test/x", ""},
		{"a.test,b.test", ""},
		{"a b", ""},
		{"a%2e.test", ""},
		{"a.test\x00", ""},
		{"a.test?x", ""},
		{"a.test#x", ""},
		{"a\\b", ""},
		{"*", ""},
		{"::1", ""},
		{"[::1", ""},
		{"[::1]x", ""},
		{"[::1]:x", ""},
		{"[fe80::1%25eth0]", ""},
		{"[fe80::1%eth0]", ""},
		{"[127.0.0.1]", ""},
		{"[a.test]", ""},
		{"a℀.test", ""}, // would become a/c
		{"\xff.test", ""},
		{long + "a.test", ""},
		{strings.Repeat("a.", 127), strings.Repeat("a.", 126) + "a"},
		{strings.Repeat("a.", 127) + "a", ""},
		{strings.Repeat("ü", 300), ""},
	}
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			if got, ok := Host(tt.host); got != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

// A canonical host is one: it is its own canonical form, and no part of a URL.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"A.Test.:80", "[::1]:1", "bücher.test", "a℀", "xn--a", "x@y", "a:b", "ß.test", "[::ffff:1.2.3.4]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		got, ok := Host(host)
		if !ok {
			if got != "" {
				t.Fatalf("%q is refused as %q", host, got)
			}
			return
		}
		if strings.ContainsAny(got, "/@,%?#\\ \r\n\x00[]") || got != strings.ToLower(got) || len(got) > maxHost {
			t.Fatalf("%q became %q", host, got)
		}
		again := got
		if ip, err := netip.ParseAddr(got); err == nil && ip.Is6() {
			again = "[" + got + "]"
		}
		if twice, ok := Host(again); !ok || twice != got {
			t.Fatalf("%q became %q and that %q", host, got, twice)
		}
	})
}
