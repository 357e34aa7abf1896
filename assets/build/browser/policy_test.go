package browser

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// C17: the loader carries the nonce of the inline script.
func TestNonce(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.page("/", `<!doctype html><head>`+s.markup(` nonce="n0nce"`)+`</head><script nonce="n0nce">
		function post(type) { postMessage({name: "CTLiveEvent", type}, "*") }</script>`,
		"Content-Security-Policy: default-src 'none'; script-src 'nonce-n0nce' 'strict-dynamic'; connect-src 'self'")
	b.open(s.URL)
	b.post("Loaded")
	s.awaitTypes("Loaded")
}

// hashOf returns the source expression that allows an inline script.
func hashOf(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// The listener also works where somebody put nothing but its own element into a page.
func TestByHand(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.page("/", `<!doctype html><head><script src="/.ctlive/listener.js"></script></head>`+widget)
	b.open(s.URL)
	b.post("Loaded")
	s.awaitTypes("Loaded")
}

func TestToken(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.page("/", `<!doctype html><head><script data-ctlive="t.o-k_en">`+s.listener.Inline()+`</script></head>`+widget)
	b.open(s.URL)
	b.post("Loaded")
	s.awaitTypes("Loaded")
	if token := s.batches()[0].Token; token != "t.o-k_en" {
		t.Errorf("token %q", token)
	}
}

func TestKeepQuery(t *testing.T) {
	t.Parallel()
	o := options()
	o.Query = "keep"
	s, b := newSite(t, o), newTab(t)
	b.open(s.URL + "/?q=1")
	b.post("Loaded")
	s.awaitTypes("Loaded")
	if url := s.batches()[0].URL; url != s.URL+"/?q=1" {
		t.Errorf("url %q", url)
	}
}

// C19.
func TestConsentRequired(t *testing.T) {
	t.Parallel()
	o := options()
	o.Consent = "required"
	s, b := newSite(t, o), newTab(t)
	b.open(s.URL)
	b.post("Loaded", "WidgetShown", "WidgetClicked")
	b.await("ctlive.events.length == 3")
	time.Sleep(time.Second)
	if n, stored := s.attempts(), b.text("localStorage.length + sessionStorage.length"); n != 0 || stored != "0" {
		t.Fatalf("before consent: %d requests, %s values stored", n, stored)
	}
	b.run("ctlive.consent(true)")
	s.awaitTypes("Loaded WidgetShown WidgetClicked")

	b.do(chromedp.Reload()) // the answer is remembered
	b.await("self.ctlive && ctlive.version")
	b.post("ChatStarted")
	s.awaitTypes("Loaded WidgetShown WidgetClicked ChatStarted")

	b.run("post('ChatOnline'); onmessage = () => { onmessage = null; ctlive.consent(false) }") // withdrawn before it was sent
	b.await("localStorage.ctlive == '0'")
	b.post("ChatFinished")
	time.Sleep(time.Second)
	b.run("ctlive.consent(true)")
	b.post("WidgetHidden")
	s.awaitTypes("Loaded WidgetShown WidgetClicked ChatStarted WidgetHidden")
}

func TestConsentRefused(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.answer(503)
	b.open(s.URL)
	b.post("Loaded")
	s.awaitAttempts(1)
	b.run("ctlive.consent(false)")
	s.answer(200)
	b.post("WidgetShown")
	hide(b)
	time.Sleep(2500 * time.Millisecond)
	if got := s.types(); got != "" || !b.is("Object.keys(localStorage) == 'ctlive' && !sessionStorage.length") {
		t.Errorf("sent %q, stored %s", got, b.text("JSON.stringify(localStorage)"))
	}
}

func TestPrivacySignals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ signal, gpc, want string }{
		"gpc":          {"Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})", "respect", ""},
		"do not track": {"Object.defineProperty(navigator, 'doNotTrack', {value: '1'})", "respect", ""},
		"dnt unset":    {"Object.defineProperty(navigator, 'doNotTrack', {value: 'unspecified'})", "respect", "Loaded"},
		"ignored":      {"Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})", "ignore", "Loaded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.GPC = c.gpc
			s, b := newSite(t, o), newTab(t)
			s.page("/", `<!doctype html><head><script>`+c.signal+`</script>{ctlive}</head>`+widget)
			b.open(s.URL)
			b.run("heard = []; ctlive.on('*', (e) => heard.push(e.type))")
			b.post("Loaded")
			b.await("heard == 'Loaded'") // the page's own code is not told to stop
			hide(b)
			s.awaitTypes(c.want)
			if c.want == "" && (s.attempts() != 0 || !b.is("!localStorage.length && !sessionStorage.length")) {
				t.Errorf("%d requests, stored %s", s.attempts(), b.text("JSON.stringify(localStorage)"))
			}
		})
	}
}

// A visitor without a network for a while loses nothing.
func TestOffline(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	offline(b, true)
	b.post("ChatStarted")
	time.Sleep(700 * time.Millisecond)
	offline(b, false)
	s.awaitTypes("ChatStarted")
}

func offline(b *tab, is bool) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// C7: a frozen tab whose queue another one has sent does not send it again.
func TestFrozenTab(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	b.run("schedule = setTimeout; setTimeout = (fn, ms) => ms < 900 ? schedule(fn, ms) : retry = fn")
	s.answer(503)
	b.post("ChatStarted")
	b.await("self.retry")
	hide(b)
	lifecycle(b, "frozen")
	s.answer(200)
	b.sibling().open(s.URL)
	s.awaitTypes("ChatStarted")
	lifecycle(b, "active")
	b.run("retry()")
	s.awaitTypes("ChatStarted")
}

func lifecycle(b *tab, state page.SetWebLifecycleStateState) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
	if err != nil {
		b.t.Fatal(err)
	}
}
