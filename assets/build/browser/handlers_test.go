package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Whatever is wrong with the operator's code, the listener hears, the page is not told, and the operator is.
func TestErrorsOfHandlers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code, want string
		errors     int
	}{
		"syntax":            {"ctlive.on('*', (e) => {", "SyntaxError: ", 1},
		"at once":           {"nowhere.to.be.found()", "ReferenceError: nowhere is not defined", 1},
		"event":             {"ctlive.on('Loaded', (e) => e.object.a.b)", "TypeError: ", 1},
		"each event":        {"ctlive.on('*', (e) => { throw e.type })", "Loaded", 2},
		"later":             {"ctlive.on('*', async (e) => { await null; throw new Error(e.type) })", "Error: Loaded", 2},
		"no text":           {"throw {toString: null, valueOf: null}", "", 1},
		"nothing to show":   {"throw null", "null", 1},
		"long":              {"throw 'x'.repeat(1e6)", strings.Repeat("x", 200), 1},
		"thenable":          {"ctlive.on('Loaded', () => ({then() { throw new Error('then') }}))", "Error: then", 1},
		"hostile console":   {"console.error = () => { throw 1 }; throw new Error('x')", "", 1},
		"listener is whole": {"ctlive.on('*', () => {}); ctlive.events.forEach(() => {})", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.Handlers = []byte(c.code)
			s, b := newSite(t, o), newTab(t)
			s.page("/", `<!doctype html><head>{ctlive}<script>
				uncaught = [];
				addEventListener("error", (e) => uncaught.push(e.message));
				addEventListener("unhandledrejection", (e) => uncaught.push(e.reason));
			</script></head>`+widget)
			b.open(s.URL)
			b.post("Loaded", "ChatStarted")
			s.awaitTypes("Loaded ChatStarted")
			hide(b)
			s.await("count of errors", func() bool { return s.last().Errors >= c.errors })
			if got := s.last(); got.Errors != c.errors || !strings.HasPrefix(got.Error, c.want) || len(got.Error) > 200 {
				t.Errorf("%d errors, %q; want %d, %q", got.Errors, got.Error, c.errors, c.want)
			}
			s.awaitAccounts()
			if uncaught := b.text("uncaught"); uncaught != "" {
				t.Errorf("the page was told: %s", uncaught)
			}
		})
	}
}

// Import maps of the page come first: many browsers ignore one that comes after an import.
func TestHandlersWaitForThePage(t *testing.T) {
	t.Parallel()
	o := options()
	o.Handlers = []byte("self.ran = 1")
	s, b := newSite(t, o), newTab(t)
	s.handle("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><head>%s</head>%s<script>post("Loaded")</script>`, s.markup(""), widget)
		w.(http.Flusher).Flush()
		s.await("Loaded", func() bool { return s.types() == "Loaded" })
		fmt.Fprint(w, `<script>imported = performance.getEntriesByType("resource").some((e) => e.name.endsWith("?handlers"))</script>`)
	})
	b.open(s.URL + "/slow")
	b.await("self.ran")
	if b.is("imported") {
		t.Error("the handlers were imported while the page was read")
	}
}

// C17: handlers run under every policy that lets the listener run.
func TestHandlersUnderPolicies(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]string{
		"nonce":            "script-src 'nonce-n0nce'",
		"strict-dynamic":   "script-src 'nonce-n0nce' 'strict-dynamic'",
		"exact path":       "script-src-elem 'nonce-other' HASH LISTENER",
		"hash and dynamic": "script-src HASH 'strict-dynamic'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.Handlers = []byte("self.ran = 1")
			s, b := newSite(t, o), newTab(t)
			policy = strings.NewReplacer("HASH", hashOf(s.listener.Inline()), "LISTENER", s.URL+s.listener.Path()).Replace(policy)
			s.page("/", `<!doctype html><head>`+s.markup(` nonce="n0nce"`)+`</head>`,
				"Content-Security-Policy: default-src 'none'; connect-src 'self'; "+policy)
			b.open(s.URL)
			b.await("self.ran")
		})
	}
}

// A page that requires Trusted Types has the listener in its markup, and its token on the element before.
func TestHandlersAndTokenUnderTrustedTypes(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]string{
		"self":           "script-src 'self' 'unsafe-inline'",
		"nonce":          "script-src 'nonce-n0nce'",
		"strict-dynamic": "script-src 'nonce-n0nce' 'strict-dynamic'",
		"by integrity":   "script-src 'nonce-other' 'strict-dynamic' BUFFER 'INTEGRITY' POST",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.Handlers = []byte("self.ran = 1")
			s, b := newSite(t, o), newTab(t)
			const post = `postMessage({name: "CTLiveEvent", type: "Loaded"}, "*")`
			policy = strings.NewReplacer("BUFFER", hashOf(s.listener.Buffer()), "INTEGRITY", s.listener.Integrity(), "POST", hashOf(post)).Replace(policy)
			s.page("/", `<!doctype html><head><script data-ctlive="t.o-k_en" nonce="n0nce">`+s.listener.Buffer()+`</script>`+
				`<script data-ctlive nonce="n0nce" async src="`+s.listener.Path()+`" integrity="`+s.listener.Integrity()+`"></script>
				<script nonce="n0nce">`+post+`</script></head>`,
				"Content-Security-Policy: require-trusted-types-for 'script'; trusted-types 'none'; "+policy)
			b.open(s.URL)
			s.awaitTypes("Loaded")
			if token := s.last().Token; token != "t.o-k_en" {
				t.Errorf("token %q", token)
			}
			if name == "by integrity" { // trusts bytes, and not what they import: said, and nothing else is lost
				hide(b)
				s.await("count of an error", func() bool { return s.last().Errors == 1 })
			} else {
				b.await("self.ran")
			}
			if n := b.text("document.querySelectorAll('[data-ctlive]').length"); n != "0" {
				t.Errorf("%s elements of ours left in the page", n)
			}
		})
	}
}
