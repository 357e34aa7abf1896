package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExplain: what an operator reads, and what a script goes by.
func TestExplain(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(serveTrouble))
	defer origin.Close()
	config := filepath.Join(t.TempDir(), "ctlive.yaml")
	yaml := fmt.Sprintf("sites:\n  - {hosts: [www.nowhere.invalid], to: [%q], inject: {exclude: [/admin/**]}}\n", origin.URL)
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, args string
		code       int
		says       []string
	}{
		{"page", origin.URL + "/", 0, []string{
			"There is no configuration", "navigates to a document", "200 OK", "text/html", "utf-8 (meta)",
			`ETag "1" became "1~cs.`, "injected at byte 21"}},
		{"no path", origin.URL, 0, []string{"injected at byte 21"}},
		{"policy", origin.URL + "/policy", 0, []string{"added 'sha256-", "to script-src", "/.ctlive/events to connect-src", "injected at byte 21"}},
		{"not HTML", origin.URL + "/json", 0, []string{"application/json", "left alone (not-html)", "must say so in Content-Type"}},
		{"fragment", origin.URL + "/fragment", 0, []string{"left alone (not-a-document)"}},
		{"broken", origin.URL + "/broken", 0, []string{"gzip", "left alone (broken)"}},
		{"redirect", origin.URL + "/login", 0, []string{"302 Found", "it leads to /", "left alone (status)"}},
		{"not found", origin.URL + "/none", 0, []string{"404 Not Found", "left alone (not-html)"}},

		// The origin in the file is asked: the name of the site has no address.
		{"configured", "--config " + config + " https://www.nowhere.invalid/", 0, []string{"200 OK", "injected at byte 21"}},
		{"excluded", "--config " + config + " https://www.nowhere.invalid/admin/x", 0, []string{"not touched", "left alone (excluded)"}},

		{"origin down", "http://127.0.0.1:1/", 1, []string{"ask origin http://127.0.0.1:1", "refused"}},
		{"no such host", "http://www.nowhere.invalid/", 1, []string{"www.nowhere.invalid"}},
		{"host of no site", "--config " + config + " http://other.invalid/", 1, []string{`no site has the host "other.invalid"`}},
		{"reserved path", "--config " + config + " http://www.nowhere.invalid/.ctlive/x", 1, []string{"reserved path"}},

		{"no URL", "", 2, []string{"explain"}},
		{"two URLs", "http://a.test/ http://b.test/", 2, []string{"explain"}},
		{"URL without a scheme", "www.example.com", 2, []string{"write it in full"}},
		{"URL of another scheme", "ftp://a.test/", 2, []string{"write it in full"}},
		{"URL without a host", "http:///x", 2, []string{"write it in full"}},
		{"missing file", "--config /nonexistent/ctlive.yaml http://a.test/", 2, []string{"/nonexistent/ctlive.yaml"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := ctlive(t, nil, append([]string{"explain"}, strings.Fields(test.args)...)...)
			if r.code != test.code {
				t.Errorf("exit status %d, want %d", r.code, test.code)
			}
			for _, word := range test.says {
				if !strings.Contains(r.stdout+r.stderr, word) {
					t.Errorf("does not say %q:\n%s%s", word, r.stdout, r.stderr)
				}
			}
			if has := strings.Contains(r.stdout, "verdict"); has != (test.code == 0) {
				t.Errorf("stdout: %q", r.stdout)
			}
		})
	}
}

// serveTrouble is an origin whose paths each have something about them.
func serveTrouble(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html")
	body := "<!doctype html><head><meta charset=utf-8><title>x</title>"
	switch r.URL.Path {
	case "/", "/admin/x":
		h.Set("ETag", `"1"`)
	case "/policy":
		h.Set("Content-Security-Policy", "script-src 'self'; connect-src 'none'")
	case "/json":
		h.Set("Content-Type", "application/json")
		body = "{}"
	case "/fragment":
		body = "<td>x"
	case "/broken":
		h.Set("Content-Encoding", "gzip")
	case "/login":
		http.Redirect(w, r, "/", http.StatusFound)
		return
	default:
		http.NotFound(w, r)
		return
	}
	io.WriteString(w, body)
}
