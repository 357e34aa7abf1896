package assets

import (
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*ListenerOptions)
		want string // in the error; "" for none
	}{
		{"good", func(o *ListenerOptions) {}, ""},
		{"other prefix", func(o *ListenerOptions) { o.Prefix = "/a/b-c/" }, ""},
		{"origin with port", func(o *ListenerOptions) { o.Origins = []string{"http://localhost:8080", "https://[::1]:1"} }, ""},
		{"prefix empty", func(o *ListenerOptions) { o.Prefix = "" }, `as in "/.ctlive/"`},
		{"prefix root", func(o *ListenerOptions) { o.Prefix = "/" }, `as in "/.ctlive/"`},
		{"prefix open", func(o *ListenerOptions) { o.Prefix = "/x" }, `begin and end it with "/"`},
		{"prefix relative", func(o *ListenerOptions) { o.Prefix = "x/" }, `begin and end it with "/"`},
		{"prefix with host", func(o *ListenerOptions) { o.Prefix = "//evil.example/" }, `begin and end it with "/"`},
		{"prefix quoted", func(o *ListenerOptions) { o.Prefix = `/"/` }, `letters, digits`},
		{"prefix up", func(o *ListenerOptions) { o.Prefix = "/a/../b/" }, `take out the "." or ".."`},
		{"prefix here", func(o *ListenerOptions) { o.Prefix = "/./" }, `take out the "." or ".."`},
		{"prefix like the SDK", func(o *ListenerOptions) { o.Prefix = "/livechatsdk.js/" }, "SDK finds its own script"},
		{"consent", func(o *ListenerOptions) { o.Consent = "maybe" }, `consent "maybe": set it to "implied" or "required"`},
		{"gpc", func(o *ListenerOptions) { o.GPC = "" }, `gpc "": set it to "respect" or "ignore"`},
		{"query", func(o *ListenerOptions) { o.Query = "drop" }, `query "drop": set it to "strip" or "keep"`},
		{"origin any", func(o *ListenerOptions) { o.Origins = []string{"*"} }, `as browsers do`},
		{"origin null", func(o *ListenerOptions) { o.Origins = []string{"null"} }, `as browsers do`},
		{"origin path", func(o *ListenerOptions) { o.Origins = []string{"https://a.example/"} }, `no path`},
		{"origin case", func(o *ListenerOptions) { o.Origins = []string{"https://A.example"} }, `lower case`},
		{"origin name", func(o *ListenerOptions) { o.Origins = []string{"https://bücher.example"} }, `xn--`},
		{"origin port", func(o *ListenerOptions) { o.Origins = []string{"https://a.example:443"} }, `leave out :443`},
		{"handlers binary", func(o *ListenerOptions) { o.Handlers = []byte{0xff} }, "save the file as UTF-8"},
		{"handlers NUL", func(o *ListenerOptions) { o.Handlers = []byte{0} }, "no script"},
		{"handlers large", func(o *ListenerOptions) { o.Handlers = make([]byte, maxHandlers+1) }, "stay below"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := plainOptions()
			c.set(&o)
			_, err := NewListener(o)
			if c.want == "" && err != nil {
				t.Fatal(err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestAllBadOptionsAtOnce(t *testing.T) {
	_, err := NewListener(ListenerOptions{Origins: []string{"x", "y"}})
	if err == nil || strings.Count(err.Error(), "\n") != 5 {
		t.Errorf("%v, want six problems", err)
	}
}
