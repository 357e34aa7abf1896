package demo

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// quick are the pages that answer at once; /workshop takes its three seconds.
var quick = []string{"/", "/shop", "/account", "/plain", "/nowhere"}

func ExampleHandler() {
	origin := httptest.NewServer(Handler())
	defer origin.Close()

	res, err := http.Get(origin.URL + "/plain")
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
		status       int
		contentType  string
		cacheControl string
		validated    bool
	}{
		"/":                        {200, "text/html; charset=utf-8", "no-cache", true},
		"/shop":                    {200, "text/html; charset=utf-8", "no-cache", true},
		"/account":                 {200, "text/html; charset=utf-8", "private, no-store", false},
		"/plain":                   {200, "text/html; charset=utf-8", "no-cache", true},
		"/site.css":                {200, "text/css; charset=utf-8", "no-cache", true},
		"/art/quay.svg":            {200, "image/svg+xml", "no-cache", true},
		"/account/repairs.json":    {200, "application/json", "no-cache", true},
		SDKPath:                    {200, "text/javascript; charset=utf-8", "no-cache", true},
		"/nowhere":                 {404, "text/html; charset=utf-8", "no-store", false},
		"/header.html":             {404, "text/html; charset=utf-8", "no-store", false},
		"//":                       {404, "text/html; charset=utf-8", "no-store", false},
		"/livechat/x/lib/other.js": {404, "text/html; charset=utf-8", "no-store", false},
	} {
		t.Run(path, func(t *testing.T) {
			res, body := get(t, "GET", path)
			if res.StatusCode != want.status {
				t.Errorf("status %d, want %d", res.StatusCode, want.status)
			}
			for name, value := range map[string]string{"Content-Type": want.contentType, "Cache-Control": want.cacheControl} {
				if got := res.Header.Get(name); got != value {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}
			if got := res.Header.Get("ETag") != "" && res.Header.Get("Last-Modified") != ""; got != want.validated {
				t.Errorf("validators %v, want %v: %v", got, want.validated, res.Header)
			}
			head, empty := get(t, "HEAD", path)
			if head.StatusCode != want.status || empty != "" || body == "" {
				t.Errorf("HEAD: status %d, %d bytes; GET: %d bytes", head.StatusCode, len(empty), len(body))
			}
		})
	}
}

func TestOtherMethods(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		res, _ := get(t, method, "/")
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q", method, res.StatusCode, res.Header.Get("Allow"))
		}
	}
}

// Everything that a page links to or loads is there.
func TestLinks(t *testing.T) {
	for path := range pages(t) {
		for _, link := range links(t, path) {
			target, _, _ := strings.Cut(link, "#")
			if target == path {
				continue
			}
			if res, _ := get(t, "HEAD", target); res.StatusCode != http.StatusOK {
				t.Errorf("%s links to %s: %d", path, link, res.StatusCode)
			}
		}
	}
}

// Each link of the header is marked as current on its own page only.
func TestCurrentPage(t *testing.T) {
	for path, body := range pages(t) {
		var current []string
		for n := range parse(t, body).Descendants() {
			if attribute(n, "aria-current") == "page" {
				current = append(current, attribute(n, "href"))
			}
		}
		want := []string{path}
		if path == "/" || path == "/nowhere" {
			want = nil
		}
		if !slices.Equal(current, want) {
			t.Errorf("%s: current %q, want %q", path, current, want)
		}
	}
}

// Every element that is opened is closed, in order, and none is closed twice.
func TestWellFormed(t *testing.T) {
	for path, body := range pages(t) {
		var open []string
		z := html.NewTokenizer(strings.NewReader(body))
		for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
			name, _ := z.TagName()
			switch {
			case kind == html.StartTagToken && !void(string(name)):
				open = append(open, string(name))
			case kind == html.EndTagToken:
				if len(open) == 0 || open[len(open)-1] != string(name) {
					t.Fatalf("%s: </%s> with %v open", path, name, open)
				}
				open = open[:len(open)-1]
			}
		}
		if z.Err() != io.EOF || len(open) > 0 {
			t.Errorf("%s: %v, left open: %v", path, z.Err(), open)
		}
	}
}

// The pages are those of a site that knows nothing of chats or tracking: what a
// visitor sees of the chat comes from the proxy. And they obey the strictest policy.
func TestPagesHoldNoChatAndNoInlineStyle(t *testing.T) {
	for path, body := range pages(t) {
		if strings.Contains(body, "livechat") || strings.Contains(body, "ctlive") {
			t.Errorf("%s contains chat code", path)
		}
		if !strings.Contains(body, "simulation") || !strings.Contains(body, "What is hard here") {
			t.Errorf("%s does not say what it is", path)
		}
		if strings.Contains(body, "<!--#") {
			t.Errorf("%s holds an unreplaced marker", path)
		}
		for n := range parse(t, body).Descendants() {
			if n.Data == "style" || attribute(n, "style") != "" {
				t.Errorf("%s: inline style in <%s>", path, n.Data)
			}
		}
	}
}

func TestPlainHasNoFrameTags(t *testing.T) {
	_, body := get(t, "GET", "/plain")
	z := html.NewTokenizer(strings.NewReader(body))
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		if name, _ := z.TagName(); kind == html.StartTagToken && slices.Contains([]string{"html", "head", "body"}, string(name)) {
			t.Errorf("<%s> found", name)
		}
	}
	if !strings.Contains(body, "<head>") {
		t.Error("the misleading comment is gone")
	}
}

// No file names another host: the demo works offline.
func TestNoOtherHost(t *testing.T) {
	absolute := regexp.MustCompile(`(?i)(?:[a-z]+:)?//[a-z0-9][^\s"'<>)]*`)
	err := fs.WalkDir(embedded, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := embedded.ReadFile(name)
		for _, found := range absolute.FindAllString(string(b), -1) {
			if found != "http://www.w3.org/2000/svg" { // a name, never fetched
				t.Errorf("%s: %s", name, found)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSDKPostsEveryType(t *testing.T) {
	_, body := get(t, "GET", SDKPath)
	for _, kind := range []string{"Loaded", "WidgetShown", "WidgetClicked", "DatacollectionStarted",
		"ChatStarted", "ChatOnline", "ChatFinished", "WidgetHidden"} {
		if !strings.Contains(body, `post("`+kind+`", `) {
			t.Errorf("%s is never posted", kind)
		}
	}
	// It must run where Trusted Types are required.
	for _, sink := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		if strings.Contains(body, sink) {
			t.Errorf("uses %s", sink)
		}
	}
}

// get asks a real server, as a proxy does, and undoes no coding.
func get(t *testing.T, method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	origin := httptest.NewServer(Handler())
	defer origin.Close()
	req, err := http.NewRequest(method, origin.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Path = path
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// pages returns all pages by path, the streamed one put together.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"/workshop": workshopAtOnce(t)}
	for _, path := range quick {
		_, all[path] = get(t, "GET", path)
	}
	return all
}

func parse(t *testing.T, body string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// links returns what path refers to, made absolute.
func links(t *testing.T, path string) []string {
	t.Helper()
	base := &url.URL{Path: path}
	var found []string
	for n := range parse(t, pages(t)[path]).Descendants() {
		for _, name := range []string{"href", "src"} {
			if ref := attribute(n, name); ref != "" {
				u, err := base.Parse(ref)
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, u.String())
			}
		}
	}
	return found
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func void(name string) bool {
	return slices.Contains([]string{"meta", "link", "img", "input", "br"}, name)
}
