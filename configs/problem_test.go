package configs

import "testing"

func TestClosest(t *testing.T) {
	names := []string{"hosts", "to", "tls", "prefix", "tenant", "dataLayer", "handlers", "trusted_proxies"}
	for word, want := range map[string]string{
		"host": "hosts", "Hosts": "hosts", "hsots": "hosts", "perfix": "prefix", "tennant": "tenant", "datalayer": "dataLayer",
		"data_layer": "dataLayer", "handler": "handlers", "trusted-proxies": "trusted_proxies", "tsl": "tls",
		"": "", "colour": "", "upstream": "", "x": "",
	} {
		if got := closest(word, names); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "xbc", 1},
		{"abc", "abcd", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"hosts", "to", 4},
	} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("%q, %q: got %d, want %d", test.a, test.b, got, test.want)
		}
		if got := distance(test.b, test.a); got != test.want {
			t.Errorf("%q, %q: got %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

func TestProblemString(t *testing.T) {
	for want, p := range map[string]Problem{
		"f:1:2: a.b: wrong; mend": {"f", 1, 2, "a.b", "wrong", "mend"},
		"f:1:2: wrong; mend":      {"f", 1, 2, "", "wrong", "mend"},
		"--to: wrong; mend":       {"", 0, 0, "--to", "wrong", "mend"},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
