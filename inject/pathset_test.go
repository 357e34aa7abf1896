package inject

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestPathSet(t *testing.T) {
	for _, c := range []struct{ pattern, in, out string }{
		{"", "", "/ /a"},
		{"/a", "/a", "/ /ab /a/ //a"},
		{"**", "/ /a /a/b /a\n/b", ""},
		{"/**", "/ /a /a/b", ""},
		{"/a/**", "/a/ /a/b /a/b/c", "/a /b/a/"},
		{"/**/a", "//a /b/a /b/c/a", "/a /a/b"},
		{"/*", "/ /a /a\n /\xff", "/a/ /a/b"},
		{"/*.html", "/.html /a.html", "/html /a/b.html /a.htm"},
		{"/aba**aba", "/abaaba /aba/aba", "/aba /ababa"},
		{"/a/*/c", "/a//c /a/b/c", "/a/c /a/b/b/c"},
		{"/*/*/c", "/a/b/c ///c", "/a/c /a/b/b/c"},
		{"/**/a/**", "/b/a/c /b/b/a/", "/a/c"},
		{"/***", "/ /a/b", ""},
	} {
		set := newPathSet([]string{"/never", c.pattern, "/*/*/never"})
		for _, path := range strings.Split(c.in, " ") {
			if !set.contains(path) {
				t.Errorf("%q does not match %q", c.pattern, path)
			}
		}
		for _, path := range strings.Fields(c.out) {
			if set.contains(path) {
				t.Errorf("%q matches %q", c.pattern, path)
			}
		}
	}
	if newPathSet(nil).contains("/") {
		t.Error("nothing matches something")
	}
}

// A glob matches what the pattern says as a regular expression.
func TestGlobs(t *testing.T) {
	random := func(letters string) string {
		b := make([]byte, rand.IntN(8))
		for i := range b {
			b[i] = letters[rand.IntN(len(letters))]
		}
		return string(b)
	}
	for range 100_000 {
		pattern, path := random("a/*"), random("a/")
		text := strings.NewReplacer("**", ".*", "*", "[^/]*").Replace(pattern)
		want := regexp.MustCompile("^" + text + "$").MatchString(path)
		if newPathSet([]string{pattern}).contains(path) != want {
			t.Fatalf("%q, %q: want %v", pattern, path, want)
		}
	}
}
