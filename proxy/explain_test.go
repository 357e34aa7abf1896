package proxy

import (
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"ctlive/inject"
)

// explainOrigin answers each path with another kind of trouble.
var explainOrigin = map[string]http.HandlerFunc{
	"/": servesPage,
	"/json": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{}")
	},
	"/fragment": serves("<td>x"),
	"/already":  serves("<head><script data-ctlive></script>"),
	"/gone": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/", http.StatusFound)
	},
	"/sandbox":    serves(page, "Content-Security-Policy", "sandbox allow-forms"),
	"/policy":     serves(page, "Content-Security-Policy", "script-src 'self'; connect-src 'none'"),
	"/meta":       serves(`<head><meta http-equiv="Content-Security-Policy" content="connect-src https://x.test">`),
	"/moved":      serves("<head>" + strings.Repeat(" ", 990) + "<meta charset=utf-8>"),
	"/attachment": serves(page, "Content-Disposition", "attachment; filename=x.html"),
	"/unknown":    serves(page, "Content-Encoding", "compress"),
	"/broken":     serves(page, "Content-Encoding", "gzip"),
	"/admin/x":    servesPage,
	"/gzip": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", r.Header.Get("Accept-Encoding"))
		z := gzip.NewWriter(w)
		io.WriteString(z, page)
		z.Close()
	},
	"/br": serves("\x1b\x03\x00\xf8\x25\x00", "Content-Encoding", "br"),
	"/seen": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Host+" "+r.RequestURI+" "+r.Header.Get("X-Forwarded-Host")+" "+r.Header.Get("Sec-Fetch-Mode"))
	},
	"/stream": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	},
}

// serves answers with body as HTML, and the header fields that follow it.
func serves(body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		io.WriteString(w, body)
	}
}

func TestExplain(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { explainOrigin[r.URL.Path](w, r) }))
	t.Cleanup(origin.Close)
	p := newExplainProxy(t, origin.URL, "http://127.0.0.1:1")
	for _, test := range []struct {
		name, url string
		says      []string // among the findings, or in the error
		fails     bool
	}{
		{"page", "http://a.test/", []string{"verdict: injected at byte 21", "charset: utf-8 (Content-Type)"}, false},
		{"no path", "http://a.test", []string{"verdict: injected at byte 21"}, false},
		{"no path but a query", "http://a.test?x", []string{"verdict: injected at byte 21"}, false},
		{"not HTML", "http://a.test/json", []string{"type: application/json", "verdict: left alone (not-html)"}, false},
		{"fragment", "http://a.test/fragment", []string{"verdict: left alone (not-a-document)"}, false},
		{"already", "http://a.test/already", []string{"verdict: left alone (already)"}, false},
		{"redirect", "http://a.test/gone", []string{"status: it leads to /", "verdict: left alone (status)"}, false},
		{"sandbox", "http://a.test/sandbox", []string{"policy: policy 1", "verdict: left alone (csp)"}, false},
		{"policy", "https://a.test/policy", []string{"added 'sha256-", "added https://a.test/.ctlive/events to connect-src", "verdict: injected"}, false},
		{"meta policy", "https://a.test/meta", []string{"keeps the listener from reporting; allow https://a.test/.ctlive/events", "verdict: injected"}, false},
		{"meta charset", "http://a.test/moved", []string{"Content-Type now says utf-8", "verdict: injected at byte 6"}, false},
		{"attachment", "http://a.test/attachment", []string{"verdict: left alone (attachment)"}, false},
		{"unknown coding", "http://a.test/unknown", []string{"coding: compress: not known", "verdict: left alone (encoding)"}, false},
		{"broken", "http://a.test/broken", []string{"verdict: left alone (broken)"}, false},
		{"gzip", "http://a.test/gzip", []string{"coding: gzip: markup is spliced in", "verdict: injected at byte 21"}, false},
		{"br", "http://a.test/br", []string{"coding: br: markup goes in by decoding"}, false},
		{"excluded", "http://a.test/admin/x", []string{"request: not touched", "verdict: left alone (excluded)"}, false},
		{"stream", "http://a.test/stream", []string{"verdict: left alone (not-html)"}, false},
		{"what the origin sees", "http://A.test:8080/seen?a=%2f;b#c", []string{"type: A.test:8080 /seen?a=%2f;b A.test:8080 navigate"}, false},

		{"origin down", "http://down.test/", []string{"ask origin http://127.0.0.1:1", "refused"}, true},
		{"reserved path", "http://a.test/.ctlive/events", []string{"reserved path /.ctlive/"}, true},
		{"unknown host", "http://b.test/", []string{`no site has the host "b.test"`}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, err := url.Parse(test.url)
			if err != nil {
				t.Fatal(err)
			}
			findings, err := p.Explain(t.Context(), u)
			if (err != nil) != test.fails {
				t.Fatalf("error %v", err)
			}
			var told strings.Builder
			for _, f := range findings {
				told.WriteString(f.Topic + ": " + f.Text + "\n")
			}
			if err != nil {
				told.WriteString(err.Error())
			}
			for _, want := range test.says {
				if !strings.Contains(told.String(), want) {
					t.Errorf("no %q in\n%s", want, told.String())
				}
			}
		})
	}
}

// newExplainProxy serves the host a.test in front of up and down.test in front of down.
func newExplainProxy(t *testing.T, up, down string) *Proxy {
	o := Options{Sites: []Site{testSite(t, up, "a.test"), testSite(t, down, "down.test")}, Logger: slog.New(slog.DiscardHandler)}
	for i := range o.Sites {
		o.Sites[i].Injector = inject.New(inject.Options{
			Tag: inject.Tag{
				Inline: "listen('" + strings.Repeat("x", 500) + "')", Buffer: "listen()",
				Src: "/.ctlive/listener.0a.js", Integrity: "sha384-AA==", Events: "/.ctlive/events",
			},
			Include: []string{"/**"}, Exclude: []string{"/admin/**"}, Patience: -1,
		})
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
