package nats

import (
	"strings"
	"testing"
)

func TestToken(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"plain", "ChatStarted", "ChatStarted"},
		{"host", "www.example.com", "www_example_com"},
		{"port", "localhost:8080", "localhost%3A8080"},
		{"underscore", "a_b", "a%5Fb"},
		{"percent", "a%5Fb", "a%255Fb"},
		{"wildcards", "*>", "%2A%3E"},
		{"blanks", " a\tb ", "%20a%09b%20"},
		{"control", "a\x00\r\nb\x7f", "a%00%0D%0Ab%7F"},
		{"beyond ASCII", "é", "%C3%A9"},
		{"empty", "", "%"},
		{"the erasures' site", "_", "%5F"},
		{"a lone dot", ".", "%2E"},
		{"two dots", "..", "__"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := token(tt.text); got != tt.want {
				t.Errorf("token(%q) = %q; want %q", tt.text, got, tt.want)
			}
		})
	}
}

// Different texts have different tokens, each a valid one and never that of the erasures.
func FuzzToken(f *testing.F) {
	f.Add("www.example.com", "www_example_com")
	f.Add("", "%")
	f.Add(".", "_")
	f.Add("%2E", ".")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := token(a), token(b)
		if a != b && x == y {
			t.Errorf("%q and %q are both %q", a, b, x)
		}
		if x == "" || x == erasedSite || strings.ContainsFunc(x, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(".*>", r) }) {
			t.Errorf("token(%q) = %q", a, x)
		}
	})
}

func TestSubject(t *testing.T) {
	for _, tt := range []struct{ name, pattern, filled, all string }{
		{"default", "ctlive.events.{site}.{type}", "ctlive.events.S.T", "ctlive.events.*.*"},
		{"other order", "x.{type}.y.{site}", "x.T.y.S", "x.*.y.*"},
		{"fixed", "events", "events", "events"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := parseSubject(tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.of("S", "T"); got != tt.filled {
				t.Errorf("got %q; want %q", got, tt.filled)
			}
			if got := s.all(); got != tt.all {
				t.Errorf("all: got %q; want %q", got, tt.all)
			}
		})
	}
}

func TestSubjectRefused(t *testing.T) {
	for _, pattern := range []string{"", "a..b", "a.", "{site}.x", "a.{site}-{type}", "a.{host}", "a.*", "a.>", "a b", "a.\x01", "a.é", "$JS.API", "_INBOX.x"} {
		if _, err := parseSubject(pattern); err == nil {
			t.Errorf("%q was taken", pattern)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		wide, narrow string
		want         bool
	}{
		{"a.*.*", "a.*.*", true},
		{"a.>", "a.*.*", true},
		{">", "a.*.*", true},
		{"*.*.*", "a.*.*", true},
		{"a.*.b", "a.*.*", false},
		{"a.*", "a.*.*", false},
		{"a.*.*.>", "a.*.*", false},
		{"a.*.*.*", "a.*.*", false},
		{"b.>", "a.*.*", false},
		{"a.b.*", "a.*.*", false},
	} {
		if got := covers(tt.wide, tt.narrow); got != tt.want {
			t.Errorf("covers(%q, %q) = %v", tt.wide, tt.narrow, got)
		}
	}
}
