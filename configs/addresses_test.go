package configs

import "testing"

func TestClash(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{":80", ":80", true}, {":80", ":443", false}, {":80", "", false}, {"", "", false}, {":0", ":0", false},
		{"127.0.0.1:80", ":80", true}, {"127.0.0.1:80", "0.0.0.0:80", true}, {"[::]:80", "10.0.0.1:080", true},
		{"127.0.0.1:80", "127.0.0.2:80", false}, {"127.0.0.1:0", "127.0.0.1:0", false},
	} {
		if clash(test.a, test.b) != test.want || clash(test.b, test.a) != test.want {
			t.Errorf("%q and %q: not %v", test.a, test.b, test.want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "localhost:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "192.0.2.1:1": false, "localhost.example.com:1": false,
	} {
		if got := Loopback(addr); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}
