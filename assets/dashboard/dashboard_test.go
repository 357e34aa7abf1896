package dashboard

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func ExampleHandler() {
	admin := httptest.NewServer(Handler())
	defer admin.Close()

	res, err := http.Get(admin.URL + "/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.Status, res.Header.Get("Content-Type"))
	// Output: 200 OK text/html; charset=utf-8
}

func TestRoutes(t *testing.T) {
	for path, want := range map[string]struct {
		status                    int
		contentType, cacheControl string
	}{
		"/":                   {200, "text/html; charset=utf-8", "no-store"},
		"/dashboard.css":      {200, "text/css; charset=utf-8", "no-cache"},
		"/js/main.js":         {200, "text/javascript; charset=utf-8", "no-cache"},
		"/icon.svg":           {200, "image/svg+xml", "no-cache"},
		"/vendor/LICENSE.txt": {200, "text/plain; charset=utf-8", "no-cache"},
		"/index.html":         {404, "text/plain; charset=utf-8", ""},
		"/js/":                {404, "text/plain; charset=utf-8", ""},
		"/js/../main.js":      {404, "text/plain; charset=utf-8", ""},
		"/static/icon.sv":     {404, "text/plain; charset=utf-8", ""},
	} {
		t.Run(path, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				res := ask(method, path)
				if res.Code != want.status {
					t.Errorf("%s: status %d, want %d", method, res.Code, want.status)
				}
				if got := res.Header().Get("Content-Type"); got != want.contentType {
					t.Errorf("%s: Content-Type %q, want %q", method, got, want.contentType)
				}
				if got := res.Header().Get("Cache-Control"); got != want.cacheControl {
					t.Errorf("%s: Cache-Control %q, want %q", method, got, want.cacheControl)
				}
			}
		})
	}
}

// Every answer, also one that finds nothing, is bound by the same policy.
func TestSecurityHeaders(t *testing.T) {
	const want = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	for url := range load() {
		for _, path := range []string{url, url + "x"} {
			h := ask("GET", path).Header()
			if got := h.Get("Content-Security-Policy"); got != want {
				t.Errorf("%s: policy %q", path, got)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: %v", path, h)
			}
		}
	}
}

func TestOtherMethods(t *testing.T) {
	res := ask("POST", "/")
	if res.Code != http.StatusMethodNotAllowed || res.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("status %d, Allow %q", res.Code, res.Header().Get("Allow"))
	}
}

func TestRepeatedRequestIsNotModified(t *testing.T) {
	for url := range load() {
		if url == "/" {
			continue
		}
		first := ask("GET", url)
		again := ask("GET", url, "If-None-Match", first.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s: status %d, %d bytes", url, again.Code, again.Body.Len())
		}
	}
}

func TestEveryFileHasAType(t *testing.T) {
	for url, f := range load() {
		if f.contentType == "" {
			t.Errorf("%s has no content type", url)
		}
	}
}

// Every file is in the program: embedding leaves out names that begin with a dot.
func TestEverythingIsEmbedded(t *testing.T) {
	files, n := load(), 0
	err := fs.WalkDir(os.DirFS("static"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		n++
		url := "/" + strings.TrimSuffix(name, "index.html")
		want, err := os.ReadFile(filepath.Join("static", name))
		if got := files[url].body; !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes are embedded, %d on disk", url, len(got), len(want))
		}
		return err
	})
	if err != nil || n != len(files) {
		t.Errorf("%d files, %d embedded, %v", n, len(files), err)
	}
}

// The files of others are as they were published: uPlot 1.6.32 on npm.
func TestVendor(t *testing.T) {
	want := map[string]string{
		"/vendor/LICENSE.txt":       "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
		"/vendor/uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
		"/vendor/uPlot.min.css":     "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
	}
	for url, f := range load() {
		if !strings.HasPrefix(url, "/vendor/") || url == "/vendor/SHA256SUMS.txt" {
			continue
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(f.body)); got != want[url] {
			t.Errorf("%s: %s", url, got)
		}
		line := want[url] + "  " + path.Base(url) + "\n"
		if !strings.Contains(ask("GET", "/vendor/SHA256SUMS.txt").Body.String(), line) {
			t.Errorf("%s is not in SHA256SUMS.txt", url)
		}
		delete(want, url)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// addresses are no requests: a name that is never fetched, an example in a field,
// and who made uPlot.
var addresses = []string{"http://www.w3.org/2000/svg", "https://www.example.com/prices", "https://github.com/leeoniya/uPlot"}

// Everything the page, its style and its modules refer to is served, and nothing
// of it comes from elsewhere.
func TestReferences(t *testing.T) {
	absolute := regexp.MustCompile(`(?i)(?:[a-z]+:)?//[a-z0-9][^\s"'<>)]*`)
	reference := regexp.MustCompile(`(?:from |href=|src=|url\()"([^"]+)"`)
	for url, f := range load() {
		for _, found := range absolute.FindAllString(string(f.body), -1) {
			if !slices.Contains(addresses, found) {
				t.Errorf("%s: %s", url, found)
			}
		}
		for _, match := range reference.FindAllStringSubmatch(string(f.body), -1) {
			target := match[1]
			if strings.HasPrefix(target, "#") {
				continue
			}
			if !path.IsAbs(target) {
				target = path.Join(path.Dir(url), target)
			}
			if code := ask("GET", target).Code; code != http.StatusOK {
				t.Errorf("%s refers to %s: %d", url, match[1], code)
			}
		}
	}
}

// The policy would block inline code and style, so there must be none.
func TestPageHasNothingInline(t *testing.T) {
	for n := range page(t).Descendants() {
		if n.Data == "style" || n.Data == "script" && n.FirstChild != nil {
			t.Errorf("inline <%s>", n.Data)
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s %s>", n.Data, a.Key)
			}
		}
	}
}

// Nothing is as wide as the window: beside a scrollbar the page is narrower.
func TestNothingIsAsWideAsTheWindow(t *testing.T) {
	wide := regexp.MustCompile(`\b(?:50|100)[dls]?vw\b`)
	for url, f := range load() {
		if found := wide.Find(f.body); found != nil && strings.HasSuffix(url, ".css") {
			t.Errorf("%s: %s", url, found)
		}
	}
}

// Events are hostile: the modules make no markup and no code out of text.
func TestModulesHaveNoSinks(t *testing.T) {
	for url, f := range load() {
		for _, sink := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", ".href"} {
			if strings.HasSuffix(url, ".js") && !strings.HasPrefix(url, "/vendor/") && strings.Contains(string(f.body), sink) {
				t.Errorf("%s uses %s", url, sink)
			}
		}
	}
}

// Every id that a module or a label asks for is on the page, once.
func TestIDs(t *testing.T) {
	ids := map[string]int{}
	var asked []string
	for n := range page(t).Descendants() {
		for _, a := range n.Attr {
			switch a.Key {
			case "id":
				ids[a.Val]++
			case "for", "aria-labelledby", "aria-controls":
				asked = append(asked, a.Val)
			}
		}
	}
	call := regexp.MustCompile(`byID\("([^"]+)"\)`)
	for _, f := range load() {
		for _, match := range call.FindAllSubmatch(f.body, -1) {
			asked = append(asked, string(match[1]))
		}
	}
	for _, id := range asked {
		if ids[id] != 1 {
			t.Errorf("id %q is on the page %d times", id, ids[id])
		}
	}
	if len(asked) < 10 {
		t.Errorf("only %d ids asked for: is the pattern right?", len(asked))
	}
}

// Every element that is opened is closed, in order.
func TestWellFormed(t *testing.T) {
	var open []string
	z := html.NewTokenizer(ask("GET", "/").Body)
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		name, _ := z.TagName()
		switch {
		case kind == html.StartTagToken && !slices.Contains([]string{"meta", "link", "img", "input"}, string(name)):
			open = append(open, string(name))
		case kind == html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> with %v open", name, open)
			}
			open = open[:len(open)-1]
		}
	}
	if z.Err() != io.EOF || len(open) > 0 {
		t.Errorf("%v, left open: %v", z.Err(), open)
	}
}

func ask(method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = path
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func page(t *testing.T) *html.Node {
	t.Helper()
	doc, err := html.Parse(ask("GET", "/").Body)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
