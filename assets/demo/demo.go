// Package demo is the site behind `ctlive demo`: a small business that does not
// exist, served the way origins serve their pages. Each page is hard for an
// injector in its own way and says so in its footer. No page contains any chat
// code; the simulated chat library is served beside them, at the path where a
// CTLive tenant's is, for the proxy to add.
//
// The package knows nothing of the proxy: alone, it is the same site without
// a chat.
package demo

import (
	"embed"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed site
var embedded embed.FS

// SDKPath is where the simulated library of the tenant "demo" is served.
const SDKPath = "/livechat/demo/lib/livechatsdk.js"

// Handler returns the demo's origin. It answers GET and HEAD only.
func Handler() http.Handler {
	return newSite(time.Now())
}

// site holds every answer ready to send; nothing in it changes afterwards.
type site struct {
	home, plain, missing document
	shop                 compressed
	workshop             stream
	account              guarded
	files                map[string]document // by URL path
}

// newSite reads the pages. Their Last-Modified is started: embedded files have
// no time of their own, and a new process may hold new pages.
func newSite(started time.Time) *site {
	page := func(name, url string) document {
		return newDocument(name, composePage(name, url), started)
	}
	return &site{
		home:     page("home.html", "/"),
		plain:    page("plain.html", "/plain"),
		missing:  page("missing.html", ""),
		shop:     newCompressed(page("shop.html", "/shop")),
		workshop: newStream(composePage("workshop.html", "/workshop")),
		account:  guarded{composePage("account.html", "/account")},
		files:    staticFiles(started),
	}
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	switch r.URL.Path {
	case "/":
		s.home.ServeHTTP(w, r)
	case "/workshop":
		s.workshop.ServeHTTP(w, r)
	case "/shop":
		s.shop.ServeHTTP(w, r)
	case "/account":
		s.account.ServeHTTP(w, r)
	case "/plain":
		s.plain.ServeHTTP(w, r)
	default:
		s.serveFile(w, r)
	}
}

func (s *site) serveFile(w http.ResponseWriter, r *http.Request) {
	if file, ok := s.files[r.URL.Path]; ok {
		file.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", s.missing.contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	w.Write(s.missing.body)
}

// staticFiles maps URL paths to everything that is not a page.
func staticFiles(modified time.Time) map[string]document {
	files := map[string]document{}
	add := func(url, name string) {
		files[url] = newDocument(name, read(name), modified)
	}
	add(SDKPath, "livechatsdk.js")
	add("/site.css", "site.css")
	add("/account/repairs.json", "repairs.json")
	for _, name := range list("art") {
		add("/art/"+name, path.Join("art", name))
	}
	return files
}

// read returns an embedded file. A missing one is a mistake in this package.
func read(name string) []byte {
	b, err := embedded.ReadFile(path.Join("site", name))
	if err != nil {
		panic(err)
	}
	return b
}

// list returns the names of the files in an embedded folder.
func list(dir string) []string {
	entries, err := embedded.ReadDir(path.Join("site", dir))
	if err != nil {
		panic(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// composePage puts the shared header and footer into a page, and marks the
// header's link to url, the page itself, as the current one.
func composePage(name, url string) []byte {
	link := `<li><a href="` + url + `"`
	header := strings.Replace(string(read("header.html")), link, link+` aria-current="page"`, 1)
	return []byte(strings.NewReplacer(
		"<!--#header-->\n", header,
		"<!--#footer-->\n", string(read("footer.html")),
	).Replace(string(read(name))))
}
