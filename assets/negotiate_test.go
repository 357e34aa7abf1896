package assets

import "testing"

func TestNegotiate(t *testing.T) {
	for _, c := range []struct{ name, accept, want string }{
		{"absent", "", ""},
		{"browser", "gzip, deflate, br, zstd", "br"},
		{"old browser", "gzip, deflate", "gzip"},
		{"case and space", " GZIP ; Q=0.5 ", "gzip"},
		{"weights", "br;q=0.1, gzip;q=0.8, zstd;q=0.5", "gzip"},
		{"refused", "br;q=0, gzip;q=0.000, zstd", "zstd"},
		{"anything", "*", "br"},
		{"anything but", "br;q=0, *;q=0.1", "zstd"},
		{"nothing", "*;q=0", ""},
		{"plain is better", "gzip;q=0.5, identity", ""},
		{"plain is worse", "gzip, identity;q=0.5", "gzip"},
		{"plain as good", "gzip, identity", "gzip"},
		{"plain refused", "identity;q=0, zstd;q=0.1", "zstd"},
		{"unknown", "dcb, sdch", ""},
		{"bad weight", "br;q=x, gzip", "gzip"},
		{"large weight", "br;q=2, gzip", "gzip"},
		{"not a number", "br;q=nan, gzip;q=0.1", "gzip"},
		{"other parameter", "br;level=1, gzip", "gzip"},
		{"empty items", ",, gzip ,", "gzip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := negotiate([]string{c.accept}, codings); got != c.want {
				t.Errorf("%q: %q, want %q", c.accept, got, c.want)
			}
		})
	}
	if got := negotiate([]string{"gzip", "br"}, codings); got != "br" {
		t.Errorf("two fields: %q", got)
	}
}

// A coding is only sent to those who name it or anything.
func FuzzNegotiate(f *testing.F) {
	f.Add("gzip, br;q=0.5")
	f.Add("*;q=0.5, identity;q=nan")
	f.Fuzz(func(t *testing.T, accept string) {
		got := negotiate([]string{accept}, codings)
		if w := parseWeights(accept); got != "" && w.of(got) <= 0 {
			t.Errorf("%q: sent %q", accept, got)
		}
	})
}
