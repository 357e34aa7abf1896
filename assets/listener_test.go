package assets

import (
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

func plainOptions() ListenerOptions {
	return ListenerOptions{Prefix: "/.ctlive/", Consent: "implied", GPC: "respect", Query: "strip"}
}

func newListener(t *testing.T, o ListenerOptions) *Listener {
	t.Helper()
	l, err := NewListener(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// get asks l for path; headers are "Name: value".
func get(l *Listener, method, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every page pays for these bytes. The listener had 1,985 before it accounted for every message that it hears, with the
// reason of each loss, the origin of what it refused and the errors of handlers: some 230 bytes that tell an operator
// what no other part of ctlive can know.
func TestSizeLimits(t *testing.T) {
	l := newListener(t, plainOptions())
	n := len(body(t, get(l, "GET", l.Path(), "Accept-Encoding: br")))
	if t.Logf("the listener has %d bytes in brotli", n); n > 2300 {
		t.Errorf("the listener has %d bytes in brotli, over 2,300", n)
	}
	n = len("<script data-ctlive>" + l.Inline() + "</script>")
	if t.Logf("the inline element has %d bytes", n); n > 400 {
		t.Errorf("the inline element has %d bytes, over 400", n)
	}
}

func TestInlineScriptsFitAnyPage(t *testing.T) {
	l := newListener(t, plainOptions())
	for name, js := range map[string]string{"inline": l.Inline(), "buffer": l.Buffer()} {
		t.Run(name, func(t *testing.T) {
			for i := range len(js) {
				if c := js[i]; c < ' ' || c > '~' || c == '<' {
					t.Errorf("byte %#x at %d", c, i)
				}
			}
			if strings.Count(js, `"`)%2 != 0 || strings.Count(js, `'`)%2 != 0 || strings.Contains(js, "`") {
				t.Errorf("quotes are not balanced: %s", js)
			}
			if strings.Contains(js, "livechatsdk.js") {
				t.Error("the CTLive SDK would take this script for its own")
			}
			if got := strings.Contains(js, `"`+l.Path()+`"`); got != (name == "inline") {
				t.Errorf("loads the listener: %v", got)
			}
		})
	}
}

func TestPathFollowsTheBundle(t *testing.T) {
	plain := newListener(t, plainOptions())
	if ok, _ := regexp.MatchString(`^/\.ctlive/listener\.[0-9a-f]{16}\.js$`, plain.Path()); !ok {
		t.Errorf("path %q", plain.Path())
	}
	if same := newListener(t, plainOptions()); same.Path() != plain.Path() || same.Inline() != plain.Inline() {
		t.Error("the same options gave another script")
	}
	for name, change := range map[string]func(*ListenerOptions){
		"consent":    func(o *ListenerOptions) { o.Consent = "required" },
		"gpc":        func(o *ListenerOptions) { o.GPC = "ignore" },
		"query":      func(o *ListenerOptions) { o.Query = "keep" },
		"data layer": func(o *ListenerOptions) { o.DataLayer = true },
		"origins":    func(o *ListenerOptions) { o.Origins = []string{"https://chat.example.com"} },
		"handlers":   func(o *ListenerOptions) { o.Handlers = []byte("ctlive.on('*', console.log)") },
	} {
		o := plainOptions()
		change(&o)
		if newListener(t, o).Path() == plain.Path() {
			t.Errorf("%s: the path stayed the same", name)
		}
	}
}

func TestBundle(t *testing.T) {
	o := plainOptions()
	o.Origins = []string{"https://chat.example.com:8443"}
	o.Consent, o.DataLayer, o.Handlers = "required", true, []byte("work() // é")
	l := newListener(t, o)
	js := body(t, get(l, "GET", l.Path()))
	const want = `{const config={"events":"/.ctlive/events","origins":["https://chat.example.com:8443"],"consentRequired":true},` +
		`handlers=[ctlive=>{ctlive.on("*",`
	if !strings.HasPrefix(js, want) || !strings.Contains(js, `import(`) || !strings.HasSuffix(js, "}") {
		t.Errorf("bundle %.400s", js)
	}
	if got, want := body(t, get(l, "GET", l.Path()+"?handlers")), "export default ctlive=>{work() // é\n}"; got != want {
		t.Errorf("handlers %s, want %s", got, want)
	}
	sum := sha512.Sum384([]byte(js))
	if want := "sha384-" + base64.StdEncoding.EncodeToString(sum[:]); l.Integrity() != want {
		t.Errorf("integrity %s, want %s", l.Integrity(), want)
	}
}

func TestServe(t *testing.T) {
	o := plainOptions()
	o.Handlers = []byte("work()")
	l := newListener(t, o)
	const immutable, revalidate = "public, max-age=31536000, immutable", "no-cache"
	for _, c := range []struct {
		name, method, path string
		status             int
		cache              string
	}{
		{"current", "GET", l.Path(), 200, immutable},
		{"head", "HEAD", l.Path(), 200, immutable},
		{"with query", "GET", l.Path() + "?x", 200, immutable},
		{"handlers", "GET", l.Path() + "?handlers", 200, "private, max-age=31536000, immutable"},
		{"handlers unhashed", "GET", "/.ctlive/listener.js?handlers", 200, "private, no-cache"},
		{"handlers elsewhere", "GET", "/.ctlive/other.js?handlers", 404, ""},
		{"unhashed", "GET", "/.ctlive/listener.js", 200, revalidate},
		{"stale hash", "GET", "/.ctlive/listener.0123456789abcdef.js", 200, revalidate},
		{"short hash", "GET", "/.ctlive/listener.0123.js", 404, ""},
		{"no hash", "GET", "/.ctlive/listener.0123456789ABCDEF.js", 404, ""},
		{"other file", "GET", "/.ctlive/other.js", 404, ""},
		{"other folder", "GET", "/listener.js", 404, ""},
		{"below", "GET", "/.ctlive/x/listener.js", 404, ""},
		{"prefix", "GET", "/.ctlive/", 404, ""},
		{"post", "POST", l.Path(), 405, ""},
		{"options", "OPTIONS", "/.ctlive/listener.js", 405, ""},
		{"post elsewhere", "POST", "/.ctlive/other.js", 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := get(l, c.method, c.path)
			if res.StatusCode != c.status || res.Header.Get("Cache-Control") != c.cache {
				t.Fatalf("status %d, Cache-Control %q; want %d, %q", res.StatusCode, res.Header.Get("Cache-Control"), c.status, c.cache)
			}
			if got := res.Header.Get("Allow"); (c.status == 405) != (got == "GET, HEAD") {
				t.Errorf("Allow %q", got)
			}
			if c.status != 200 {
				return
			}
			for name, want := range map[string]string{
				"Content-Type":                 "text/javascript; charset=utf-8",
				"X-Content-Type-Options":       "nosniff",
				"Cross-Origin-Resource-Policy": "same-origin",
				"Vary":                         "Accept-Encoding",
			} {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if n := len(body(t, res)); (n == 0) != (c.method == "HEAD") || res.ContentLength == 0 {
				t.Errorf("%d bytes of body, Content-Length %d", n, res.ContentLength)
			}
		})
	}
}

func TestNoHandlersAreServedWhereNoneAreSet(t *testing.T) {
	l := newListener(t, plainOptions())
	if res := get(l, "GET", l.Path()+"?handlers"); res.StatusCode != 404 {
		t.Errorf("status %d", res.StatusCode)
	}
	if js := body(t, get(l, "GET", l.Path())); strings.Contains(js, "import") {
		t.Error("the listener imports")
	}
}

func TestEveryCodingHoldsTheSameScript(t *testing.T) {
	l := newListener(t, plainOptions())
	want := body(t, get(l, "GET", l.Path()))
	tags := map[string]bool{}
	for coding, open := range map[string]func(io.Reader) (io.Reader, error){
		"":     func(r io.Reader) (io.Reader, error) { return r, nil },
		"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	} {
		res := get(l, "GET", l.Path(), "Accept-Encoding: "+coding)
		if got := res.Header.Get("Content-Encoding"); got != coding {
			t.Errorf("asked for %q, got %q", coding, got)
			continue
		}
		r, err := open(res.Body)
		if err != nil {
			t.Fatalf("%s: %v", coding, err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != want {
			t.Errorf("%s: %v, or another script", coding, err)
		}
		tags[res.Header.Get("ETag")] = true
	}
	if len(tags) != 4 {
		t.Errorf("entity tags %v are not different for each coding", tags)
	}
}

func TestRevalidation(t *testing.T) {
	l := newListener(t, plainOptions())
	const path = "/.ctlive/listener.js"
	plain := get(l, "GET", path).Header.Get("ETag")
	packed := get(l, "GET", path, "Accept-Encoding: br").Header.Get("ETag")
	for _, c := range []struct {
		name, accept, match string
		status              int
	}{
		{"same", "", plain, 304},
		{"weak", "", "W/" + plain, 304},
		{"in a list", "", `"a", ` + plain, 304},
		{"any", "", "*", 304},
		{"other", "", `"a"`, 200},
		{"unquoted", "", strings.Trim(plain, `"`), 200},
		{"packed", "br", packed, 304},
		{"packed, now plain", "", packed, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := get(l, "GET", path, "Accept-Encoding: "+c.accept, "If-None-Match: "+c.match)
			if res.StatusCode != c.status {
				t.Fatalf("status %d, want %d", res.StatusCode, c.status)
			}
			if res.Header.Get("Cache-Control") != "no-cache" || res.Header.Get("Vary") == "" || res.Header.Get("ETag") == "" {
				t.Errorf("header %v", res.Header)
			}
			if c.status == 304 && (body(t, res) != "" || res.Header.Get("Content-Type") != "") {
				t.Errorf("a 304 with content: %v", res.Header)
			}
		})
	}
}

// Nothing in the configuration ends the script or a string in it.
func FuzzConfig(f *testing.F) {
	f.Add("https://chat.example.com")
	f.Add("</script>\u2028\u2029<!--")
	f.Fuzz(func(t *testing.T, origin string) {
		o := plainOptions()
		o.Origins = []string{origin}
		if js := config(o); strings.ContainsAny(js, "<>\u2028\u2029\n") {
			t.Errorf("%q", js)
		}
		if o.validate() == nil && strings.ContainsAny(origin, "\"'<>\\ \n?#") {
			t.Errorf("took %q for an origin", origin)
		}
	})
}

func ExampleListener() {
	l, err := NewListener(ListenerOptions{Prefix: "/.ctlive/", Consent: "implied", GPC: "respect", Query: "strip"})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/.ctlive/", l)

	markup := "<script data-ctlive>" + l.Inline() + "</script>"
	fmt.Println(strings.Contains(markup, l.Path()))
	// Output: true
}
