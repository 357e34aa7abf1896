package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kindTests are texts that kinds take, with their canonical form, and texts that
// they do not. {dir} is the folder that relative paths start from, and has a.js.
var kindTests = []struct {
	is   string
	good map[string]string // canonical form by text
	bad  []string
}{
	{"host", map[string]string{
		"*": "*", "Example.COM": "example.com", "example.com.": "example.com", "localhost": "localhost",
		"my_app.internal": "my_app.internal", "bücher.example": "xn--bcher-kva.example", "straße.example": "xn--strae-oqa.example",
		"例え.テスト": "xn--r8jz45g.xn--zckzah", "EXAMPLE。com": "example.com", "192.0.2.1": "192.0.2.1", "[2001:DB8::0:1]": "2001:db8::1", "::1": "::1",
	}, []string{
		"", ".", "a..b", "example.com..", "*.example.com", "**", "a:80", "[::1]:80", "fe80::1%eth0", "http://a.test", "a.test/", "a b", "a\tb", "a\x00b", "a,b",
		"user@a.test", strings.Repeat("a", 64) + ".test", strings.Repeat("a.", 127) + "test", "a%20b", "xn--a.test",
	}},
	{"upstream", map[string]string{
		"http://127.0.0.1:3000": "http://127.0.0.1:3000", "https://origin.example/": "https://origin.example", "HTTP://a.test": "http://a.test", "http://[::1]:80": "http://[::1]:80",
	}, []string{
		"", "a.test", "localhost:3000", "//a.test", "ftp://a.test", "http://", "http://:80", "http:a.test", "http://a.test:0x50", "http://a.test:65536",
		"http://a.test/x", "http://a.test/?", "http://a.test?x", "http://a.test#x", "http://u@a.test", "http://u:p@a.test", "http://a b", "http://a.test\n",
	}},
	{"address", map[string]string{
		":80": ":80", "127.0.0.1:0": "127.0.0.1:0", "[::]:443": "[::]:443", "localhost:9180": "localhost:9180",
	}, []string{"", "80", ":http", ":65536", ":-1", "a b:80", "::1:80", "*:80", "http://a:80"}},
	{"prefix", map[string]string{
		"/.ctlive/": "/.ctlive/", "/a/b/": "/a/b/", "/~x-y_z/": "/~x-y_z/",
	}, []string{"", "/", "//", "a/", "/a", "/a//b/", "/../", "/./", "/a/../b/", "/a b/", "/a?/", "/a#/", "/%61/", "/é/", "/a\n/"}},
	{"tenant", map[string]string{"acme": "acme", "a.b-c_d~1": "a.b-c_d~1", "0": "0"},
		[]string{"", ".", "..", ".a", "a/b", "a b", "a?b", "a#b", "a%2fb", "é", "a\"b", "a\n"}},
	{"sdk", map[string]string{
		"https://a.test/livechat/{tenant}/lib/livechatsdk.js":         "https://a.test/livechat/{tenant}/lib/livechatsdk.js",
		"http://a.test:8080/x/livechat/{tenant}/lib/livechatsdk.js?v": "http://a.test:8080/x/livechat/{tenant}/lib/livechatsdk.js?v",
	}, []string{
		"", "/livechat/{tenant}/lib/livechatsdk.js", "https://a.test/livechat/tenant/lib/livechatsdk.js", "https://a.test/sdk.js?/livechat/{tenant}/lib/livechatsdk.js",
		"https://a.test/livechat/{tenant}/lib/livechatsdk.min.js", "//a.test/livechat/{tenant}/lib/livechatsdk.js",
	}},
	{"origin", map[string]string{
		"https://A.test": "https://a.test", "https://a.test:443/": "https://a.test", "http://a.test:80": "http://a.test",
		"http://a.test:443": "http://a.test:443", "https://[::1]:8443": "https://[::1]:8443", "https://bücher.example": "https://xn--bcher-kva.example",
	}, []string{"", "*", "null", "a.test", "https://a.test/x", "https://*.a.test", "file://"}},
	{"network", map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3/8": "10.0.0.0/8", "10.0.0.1": "10.0.0.1/32", "2001:db8::/32": "2001:db8::/32", "::1": "::1/128",
	}, []string{"", "10.0.0.0/33", "10/8", "all", "fe80::1%eth0", "10.0.0.0/-1"}},
	{"url", map[string]string{"https://a.test/x?y": "https://a.test/x?y"}, []string{"", "a.test", "ftp://a.test", "https://", "https://a.test:99999"}},
	{"route", map[string]string{"/healthz": "/healthz", "/a?b=c": "/a?b=c"}, []string{"", "healthz", "http://a.test/", "//a.test/x", "/a b"}},
	{"pattern", map[string]string{"/**": "/**", "/admin/*": "/admin/*"}, []string{"", "**", "admin/*"}},
	{"email", map[string]string{"ops@example.com": "ops@example.com"}, []string{"", "ops", "Ops <ops@example.com>", "a@b, c@d"}},
	{"token", map[string]string{"0123456789abcde!": "0123456789abcde!"}, []string{"", "a1!", "0123456789 abcdef", "0123456789abcdefé", "0123456789abcdef\n"}},
	{"age", map[string]string{"0": "0s", "0s": "0s", "1s": "1s", "180d": "180d", "1h30m": "1h30m0s"}, []string{"", "0d", "-1s", "1", "1500ms", "off"}},
	{"name", map[string]string{"ctlive.events.{site}": "ctlive.events.{site}"}, []string{"", "a b"}},
	{"secret", map[string]string{"a b": "a b"}, []string{""}},
	{"nats", map[string]string{"nats://n1:4222, tls://n2": "nats://n1:4222, tls://n2"}, []string{"", "n1:4222", "nats://n1,", "http://n1"}},
	{"path", map[string]string{"x/../events": "{dir}/events", "/var//lib": "/var/lib"}, []string{"", "a\x00b"}},
	{"file", map[string]string{"./a.js": "{dir}/a.js"}, []string{"", "b.js", ".", os.DevNull}},
	{"implied|required", map[string]string{"required": "required"}, []string{"", "Required", "implied|required"}},
}

func TestKinds(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.js"), "")
	for _, test := range kindTests {
		t.Run(test.is, func(t *testing.T) {
			parse := kindOf(test.is).parse
			for text, want := range test.good {
				got, err := parse(text, dir)
				if err != nil || fmt.Sprint(got) != strings.ReplaceAll(want, "{dir}", dir) {
					t.Errorf("%q: got %v, %v; want %s", text, got, err, want)
				}
			}
			for _, text := range test.bad {
				if got, err := parse(text, dir); err == nil {
					t.Errorf("%q is taken as %v", text, got)
				}
			}
		})
	}
}

// What is canonical stays as it is.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"*", "Example.com.", "bücher.example", "[::1]", "xn--bcher-kva.example", "a_b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := parseHost(s)
		if err != nil {
			return
		}
		if twice, err := parseHost(once); err != nil || twice != once {
			t.Errorf("%q is %q, then %q, %v", s, once, twice, err)
		}
	})
}
