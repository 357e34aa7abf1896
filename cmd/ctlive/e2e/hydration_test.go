package e2e

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// What npm installs for the tests, once for this user.
const esbuildVersion = "0.28.2"

var reactVersions = []string{"18.3.1", "19.3.1"}

// TestHydration: a document that React rendered as a whole is hydrated as a
// whole, without a complaint, and in the end its DOM is what it is without the
// proxy; also while the listener is still on its way.
func TestHydration(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("SKIP: node is not installed")
	}
	site := reactSite{}
	for _, version := range reactVersions {
		modules := installReact(t, version)
		for _, mode := range []string{"development", "production"} {
			site["/"+version+"/"+mode+"/"] = buildReact(t, modules, mode)
		}
	}
	origin := httptest.NewServer(site)
	defer origin.Close()
	p := startProxy(t, origin.URL, "")
	ctx := browser(t)
	addScript(t, ctx, hydrationPrelude)

	sent := map[string]int{}
	for path := range site {
		t.Run(strings.Trim(path, "/"), func(t *testing.T) {
			want := hydrate(t, ctx, origin.URL+path, "!window.ctlive")
			if want.Complaints != "" {
				t.Fatalf("without the proxy: %s", want.Complaints)
			}
			if broken := hydrate(t, ctx, origin.URL+path+"?broken", "true"); broken.Complaints == "" {
				t.Error("a document that cannot be hydrated goes unnoticed")
			}
			if got := hydrate(t, ctx, p.url+path, "window.ctlive && ctlive.version"); got != want {
				t.Errorf("got %+v\nwithout the proxy %+v", got, want)
			}
			block(t, ctx, "*://*:*/.ctlive/*")
			if got := hydrate(t, ctx, p.url+path, "window.ctlive && !ctlive.version"); got != want {
				t.Errorf("before the listener: got %+v\nwithout the proxy %+v", got, want)
			}
			block(t, ctx)
			sent[p.url+path] = 1
		})
	}
	do(t, ctx, chromedp.Navigate("about:blank"))
	awaitPages(t, p.data, sent)
}

// hydrationPrelude collects what a page writes to the console.
const hydrationPrelude = `
	window.complaints = [];
	for (const level of ["warn", "error"]) console[level] = (...values) => complaints.push(values.join(" "));`

// hydrated is a document after its first click.
type hydrated struct {
	DOM        string
	Complaints string // of the console and of React
}

// hydrate visits a document until condition holds, too.
func hydrate(t *testing.T, ctx context.Context, url, condition string) hydrated {
	t.Helper()
	do(t, ctx, chromedp.Navigate(url))
	return evaluate[hydrated](t, ctx, `
		await until(() => window.hydrated && document.querySelector("#late"));
		document.querySelector("button").click();
		await until(() => document.querySelector("button").textContent == "clicks: 1");
		await until(() => `+condition+`);
		return {DOM: document.documentElement.outerHTML, Complaints: complaints.join("\n")};`)
}

// block makes requests that match a pattern fail, and no others.
func block(t *testing.T, ctx context.Context, patterns ...string) {
	t.Helper()
	var blocked network.SetBlockedURLsParams
	for _, pattern := range patterns {
		blocked.URLPatterns = append(blocked.URLPatterns, &network.BlockPattern{URLPattern: pattern, Block: true})
	}
	do(t, ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, network.SetBlockedURLs, blocked)
		return err
	}))
}

// reactSite serves documents by path, each with its client.js beside it.
type reactSite map[string]reactPage

type reactPage struct{ document, client string }

func (s reactSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, client := strings.CutSuffix(r.URL.Path, "client.js")
	page, ok := s[path]
	switch {
	case !ok:
		w.WriteHeader(http.StatusNoContent)
	case client:
		w.Header().Set("Content-Type", "text/javascript")
		io.WriteString(w, page.client)
	case r.URL.RawQuery == "broken":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, strings.Replace(page.document, "Heading", "Something else", 1))
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, page.document)
	}
}

// installReact returns the node_modules folder with React and esbuild. It
// outlives the tests: npm installs it once.
func installReact(t *testing.T, version string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	dir := filepath.Join(cache, "ctlive-e2e", "react-"+version+"-esbuild-"+esbuildVersion)
	if !exists(dir) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		fresh := dir + ".new" // a folder without this suffix is complete
		npm := exec.CommandContext(ctx, "npm", "install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund",
			"react@"+version, "react-dom@"+version, "esbuild@"+esbuildVersion)
		if err := os.MkdirAll(fresh, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := npm.CombinedOutput(); err != nil {
			t.Skipf("SKIP: npm install: %v\n%s", err, out)
		}
		if err := os.Rename(fresh, dir); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "node_modules")
}

// buildReact renders the document and bundles its client.
func buildReact(t *testing.T, modules, mode string) reactPage {
	t.Helper()
	return reactPage{
		document: script(t, modules, "NODE_ENV="+mode, "node", "server.js"),
		client: script(t, modules, "", filepath.Join(modules, ".bin", "esbuild"), "client.js",
			"--bundle", "--log-level=error", `--define:process.env.NODE_ENV="`+mode+`"`),
	}
}

// script runs a command on the sources in testdata and returns what it prints.
func script(t *testing.T, modules, environment, command string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), command, args...)
	c.Dir = "testdata/hydration"
	c.Env = append(os.Environ(), "NODE_PATH="+modules, environment)
	out, err := c.Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			t.Fatalf("%s: %v\n%s", command, err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return string(out)
}
