package browser

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// hide puts the tab behind another one, as a visitor does.
func hide(b *tab) {
	b.t.Helper()
	show(b.sibling())
	b.await("document.hidden")
}

func show(b *tab) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, page.BringToFront, cdp.Empty{}); err != nil {
		b.t.Fatal(err)
	}
	b.await("!document.hidden")
}

// C4.
func TestTabSwitchesSendOnce(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	other := b.sibling()
	show(b)
	b.post("Loaded", "WidgetShown", "WidgetClicked")
	for range 10 {
		show(other)
		b.await("document.hidden")
		show(b)
	}
	s.awaitTypes("Loaded WidgetShown WidgetClicked")
}

// A request that takes its time does not make hiding the tab send its events again.
func TestHidingDoesNotResendWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.answerBy(func(http.ResponseWriter) bool {
		if s.attempts() == 1 {
			time.Sleep(time.Second)
		}
		return false
	})
	b.open(s.URL)
	b.post("Loaded")
	s.awaitAttempts(1)
	b.post("WidgetShown")
	hide(b)
	s.await("both events", func() bool { return len(s.events()) == 2 })
	if got := s.types(); got != "WidgetShown Loaded" {
		t.Errorf("stored %q", got)
	}
}

// C6.
func TestTwoTabsThroughAnOutage(t *testing.T) {
	t.Parallel()
	s := newSite(t, options())
	a := newTab(t)
	b := a.sibling()
	a.open(s.URL)
	b.open(s.URL)
	s.answer(http.StatusServiceUnavailable)
	for _, tab := range []*tab{a, b} {
		tab.run(`for (let i = 0; i < 50; i++) post("ChatOnline")`)
	}
	s.awaitAttempts(2)
	s.answer(http.StatusOK)
	s.await("100 events", func() bool { return len(s.events()) >= 100 })
	if sent, ids := len(s.events()), distinct(t, s.events()); sent != 100 || ids != 100 {
		t.Errorf("%d events with %d ids, want 100 of each", sent, ids)
	}
}

func TestClosedTabIsAdopted(t *testing.T) {
	t.Parallel()
	s := newSite(t, options())
	keeper := newTab(t)
	b := keeper.sibling()
	b.open(s.URL)
	s.answer(http.StatusServiceUnavailable)
	b.post("ChatStarted", "ChatFinished")
	s.awaitAttempts(1)
	b.do(chromedp.Reload())
	b.await("self.ctlive && ctlive.version")
	b.post("Loaded")
	b.await("ctlive.events.length == 1")
	closeTab(b)

	s.answer(http.StatusOK)
	keeper.open(s.URL)
	s.await("3 ids", func() bool { return distinct(t, s.events()) == 3 })
	keeper.await(`!Object.keys(localStorage).some((key) => key.startsWith("ctlive:"))`)
}

// A queue whose page did not get to say goodbye is adopted once it is old, by one page only.
func TestCrashedTabIsAdoptedByOne(t *testing.T) {
	t.Parallel()
	s, a := newSite(t, options()), newTab(t)
	b := a.sibling()
	s.page("/seed", "")
	a.do(chromedp.Navigate(s.URL + "/seed"))
	a.run(`
		const queue = (page, age) => localStorage["ctlive:" + page] = JSON.stringify({v: 1, page, sent_at: Date.now() - age,
			refused: 0, dropped: 0, events: [{id: "01900000-0000-7000-8000-00000000000" + page, seq: 1, type: page}]});
		queue("1", 6e5); queue("2", 1e3); localStorage["ctlive:3"] = "not JSON"; localStorage["ctlive:4"] = "5"`)
	a.run(fmt.Sprintf("location = %q", s.URL))
	b.run(fmt.Sprintf("location = %q", s.URL))
	s.awaitTypes("1")
}

// C8.
func TestFailureThenSilenceIsRetried(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	s.answer(http.StatusServiceUnavailable)
	b.post("ChatStarted")
	s.awaitAttempts(1)
	s.answer(http.StatusOK)
	s.awaitTypes("ChatStarted")
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	s.answer(http.StatusTooManyRequests, "Retry-After: 3")
	b.post("ChatStarted")
	s.awaitAttempts(1)
	asked := time.Now()
	time.Sleep(300 * time.Millisecond) // the page has the answer
	s.answer(http.StatusOK)
	b.post("ChatOnline")
	hide(b)
	s.awaitTypes("ChatStarted ChatOnline")
	if waited := time.Since(asked); waited < 2900*time.Millisecond {
		t.Errorf("came back after %v", waited)
	}
}

// A 4xx is the server's last word, a page in its place is not.
func TestOnlyTheCollectorsAnswerCounts(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	s.answer(http.StatusForbidden)
	b.post("WidgetShown")
	s.awaitAttempts(1)

	s.answerBy(func(w http.ResponseWriter) bool {
		fmt.Fprint(w, "<p>Please log in")
		return true
	})
	b.post("ChatStarted")
	s.awaitAttempts(2)
	s.answer(http.StatusOK)
	s.awaitTypes("ChatStarted")
	if b := s.last(); b.Dropped != 1 || b.Lost["denied"] != 1 {
		t.Errorf("%d dropped, %v, want the one that was forbidden", b.Dropped, b.Lost)
	}
	s.awaitAccounts()
}

// C2 and C3: 64 KiB of keepalive are counted in bytes, and shared with the page.
func TestLargeQueuesGoInBatches(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	done := make(chan bool)
	defer close(done)
	s.handle("/slow", func(http.ResponseWriter, *http.Request) { <-done })
	b.open(s.URL)
	b.run(`
		fetch("/slow", {method: "POST", keepalive: true, body: "x".repeat(60000)});
		const original = fetch;
		keepalive = [];
		fetch = (url, options) => { keepalive.push(options.keepalive); return original(url, options) };
		for (let i = 0; i < 60; i++) post("ChatOnline", {text: "é".repeat(900)})`)
	s.await("60 events", func() bool { return len(s.events()) >= 60 })
	if n := distinct(t, s.events()); n != 60 || len(s.batches()) < 3 {
		t.Errorf("%d ids in %d batches", n, len(s.batches()))
	}
	if !b.is("keepalive[0] === true && keepalive[1] === false") {
		t.Errorf("keepalive: %s", b.text("keepalive"))
	}
}

// The oldest go first, and are counted.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	s.answer(http.StatusServiceUnavailable)
	b.run(`{
		const start = performance.now();
		performance.now = () => start + 1e6 * ++performance.n; performance.n = 0; // lets the bucket fill up at each event
		for (let i = 1; i <= 700; i++) post("ChatOnline", {n: i});
	}`)
	b.await("ctlive.events.length == 700")
	if size := len(b.text(`Object.keys(localStorage).map((key) => localStorage[key])`)); size > 256<<10 {
		t.Errorf("%d characters stored", size)
	}
	s.answer(http.StatusOK)
	s.await("500 events", func() bool { return len(s.events()) >= 500 })
	got := s.events()
	if len(got) != 500 || got[0].Object["n"] != 201.0 || s.last().Lost["full"] != 200 {
		t.Errorf("%d events from %v, %v dropped", len(got), got[0].Object, s.last().Lost)
	}
	s.awaitAccounts()
}

// C5.
func TestBackForwardCache(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.page("/next", `<!doctype html><title>Next</title>`)
	b.open(s.URL)
	b.run("here = 1")
	b.post("Loaded")
	s.awaitTypes("Loaded")
	b.do(chromedp.Navigate(s.URL + "/next"))
	b.run("history.back()")
	b.await("location.pathname == '/'")
	if !b.is("self.here") {
		t.Fatal("Chromium did not use its back/forward cache")
	}
	b.post("ChatStarted")
	s.awaitTypes("Loaded ChatStarted")
	first, second := s.batches()[0], s.batches()[1]
	if first.Page == second.Page || first.Session != second.Session || second.Events[0].Seq != 1 {
		t.Errorf("before %+v, after %+v", first, second)
	}
}

// Events of the last moment leave with the page.
func TestClosing(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	b.post("ChatFinished")
	closeTab(b)
	s.awaitTypes("ChatFinished")
}

// closeTab returns when the tab is gone.
func closeTab(b *tab) {
	b.t.Helper()
	gone, err := chromedp.Detached(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, page.Close, cdp.Empty{}); err != nil {
		b.t.Fatal(err)
	}
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		b.t.Fatal("the tab stays")
	}
}

// C10.
func TestStorageDenied(t *testing.T) {
	t.Parallel()
	for name, js := range map[string]string{
		"denied": `for (const name of ["localStorage", "sessionStorage"])
			Object.defineProperty(window, name, {get() { throw new DOMException("no", "SecurityError") }})`,
		"absent": `for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, {value: null})`,
		"full":   `for (let n = 1 << 20, i = 0; n >= 1; ) try { localStorage["fill" + i++] = "x".repeat(n) } catch (_) { n >>= 1 }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b := newSite(t, options()), newTab(t)
			s.page("/", `<!doctype html><head><script>`+js+`</script>{ctlive}</head>`+widget)
			b.open(s.URL)
			s.answer(http.StatusServiceUnavailable)
			b.run(`post("Loaded"); post("ChatStarted")`)
			s.awaitAttempts(1)
			s.answer(http.StatusOK)
			s.awaitTypes("Loaded ChatStarted")
			if b := s.last(); !isUUID(b.Session) || !b.Memory {
				t.Errorf("session %q, in memory: %t", b.Session, b.Memory)
			}
			s.awaitAccounts()
		})
	}
}

// C1: no transport asks the server for leave first, which it would have no time for as the page goes.
func TestNothingIsPreflighted(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	var mu sync.Mutex
	var calls []string
	s.watch(func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, r.Method+" "+r.Header.Get("Content-Type"))
	})
	b.open(s.URL)
	b.post("Loaded")
	s.awaitTypes("Loaded")
	b.run(`fetch = () => { throw new Error("patched") }; post("ChatStarted")`)
	s.awaitTypes("Loaded ChatStarted")
	b.run(`delete window.fetch; post("ChatFinished")`)
	closeTab(b)
	s.awaitTypes("Loaded ChatStarted ChatFinished")
	mu.Lock()
	defer mu.Unlock()
	if want := slices.Repeat([]string{"POST text/plain;charset=UTF-8"}, 3); !slices.Equal(calls, want) {
		t.Errorf("requests %q, want %q", calls, want)
	}
}

// C20: which of its transports a blocker takes from the listener, and under which path, it is told to send.
func TestTransportsInEachOrder(t *testing.T) {
	t.Parallel()
	const fetchThrows, fetchRejects, fetchFails = `fetch = () => { throw 1 };`, `fetch = () => Promise.reject(new TypeError("blocked"));`, `fetch = () => "no response";`
	const beaconRefuses, beaconThrows, noBeacon = `navigator.sendBeacon = () => false;`, `navigator.sendBeacon = () => { throw 1 };`, `navigator.sendBeacon = undefined;`
	for name, block := range map[string]string{
		"beacon for fetch":        fetchThrows,
		"fetch without beacon":    noBeacon,
		"fetch is back":           fetchRejects,
		"fetch makes sense again": fetchFails,
		"neither, then both":      fetchThrows + beaconRefuses,
		"neither is there":        fetchThrows + noBeacon,
		"both throw":              fetchThrows + beaconThrows,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.Prefix = "/shop/live/"
			s, b := newSite(t, o), newTab(t)
			s.page("/", `<!doctype html><head>{ctlive}<script>original = fetch;`+block+`</script></head>`+widget)
			b.open(s.URL)
			b.post("Loaded")
			time.Sleep(700 * time.Millisecond)
			b.run("delete navigator.sendBeacon")
			if block != fetchThrows {
				b.run("fetch = original")
			}
			s.awaitTypes("Loaded")
			s.awaitAccounts()
		})
	}
}

// C9: whatever the page did to fetch.
func TestPatchedFetch(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.page("/", `<!doctype html><head>{ctlive}<script>fetch = () => { throw new Error("patched") }</script></head>`+widget)
	b.open(s.URL)
	b.post("Loaded")
	s.awaitTypes("Loaded")
	b.run("navigator.sendBeacon = () => false; post('ChatStarted')")
	time.Sleep(time.Second)
	b.run("delete navigator.sendBeacon")
	s.awaitTypes("Loaded ChatStarted")
}

// A base element changes what relative URLs mean.
func TestBaseElement(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.page("/", `<!doctype html><head>{ctlive}<base href="http://localhost:1/"></head>`+widget)
	b.open(s.URL)
	b.post("Loaded")
	s.awaitTypes("Loaded")
}

// C16. DevTools switches prerendering off, so this tab is not driven: the site tells it when to go on.
func TestPrerenderedPageWaits(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	rendered, visit := make(chan bool), make(chan bool)
	s.handle("/rendered", func(w http.ResponseWriter, r *http.Request) { rendered <- r.URL.RawQuery == "true" })
	s.handle("/visit", func(w http.ResponseWriter, r *http.Request) { <-visit })
	s.page("/", `<!doctype html><script type="speculationrules">
		{"prerender": [{"urls": ["/next"], "eagerness": "immediate"}]}
	</script><script>fetch("/visit").then(() => location = "/next")</script>`)
	s.page("/next", `<!doctype html><head>{ctlive}</head>`+widget+`<script>
		post("Loaded"); fetch("/rendered?" + document.prerendering)</script>`)
	params := target.CreateTargetParams{URL: s.URL, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID}
	if _, err := chromedp.CallBrowser(b.ctx, target.CreateTarget, params); err != nil {
		t.Fatal(err)
	}
	select {
	case is := <-rendered:
		if !is {
			t.Fatal("Chromium did not prerender the page")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing rendered the page")
	}
	time.Sleep(time.Second)
	if n := s.attempts(); n != 0 {
		t.Fatalf("%d requests from a page that nobody saw", n)
	}
	shown := time.Now().UnixMilli()
	close(visit)
	s.awaitTypes("Loaded")
	if e := s.events()[0]; e.At < shown {
		t.Errorf("at is %d ms before the page was shown", shown-e.At)
	}
}

// C16: a page that was prerendered and never shown has sent nothing and left nothing behind.
func TestPrerenderedPageIsDiscarded(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	rendered, gone := make(chan bool), make(chan bool)
	s.handle("/rendered", func(w http.ResponseWriter, r *http.Request) { rendered <- r.URL.RawQuery == "true" })
	s.handle("/go", func(http.ResponseWriter, *http.Request) { <-gone })
	s.page("/", `<!doctype html><script type="speculationrules">
		{"prerender": [{"urls": ["/next"], "eagerness": "immediate"}]}
	</script><script>fetch("/go").then(() => location = "/other")</script>`)
	s.page("/next", `<!doctype html><head>{ctlive}</head>`+widget+`<script>
		post("Loaded"); onload = () => setTimeout(() => fetch("/rendered?" + document.prerendering), 500)</script>`)
	s.page("/other", `<!doctype html><head>{ctlive}</head>`+widget+`<script>
		post(Object.keys(localStorage).join() || "Nothing")</script>`)
	params := target.CreateTargetParams{URL: s.URL, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID}
	if _, err := chromedp.CallBrowser(b.ctx, target.CreateTarget, params); err != nil {
		t.Fatal(err)
	}
	select {
	case is := <-rendered:
		if !is {
			t.Fatal("Chromium did not prerender the page")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing rendered the page")
	}
	close(gone)
	s.awaitTypes("Nothing")
}

// C18.
func TestClockThatJumps(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	b.run(`post("ChatStarted"); setTimeout(() => { const now = Date.now; Date.now = () => now() - 72e5; post("ChatOnline") }, 100)`)
	s.awaitTypes("ChatStarted ChatOnline")
	e := s.events()
	if e[1].Mono-e[0].Mono < 90 || e[1].Mono-e[0].Mono > 10000 || e[0].At-e[1].At < 70e5 {
		t.Errorf("%+v", e)
	}
	if !strings.HasPrefix(e[0].ID, fmt.Sprintf("%012x", e[0].At)[:6]) {
		t.Errorf("id %s does not begin with its time", e[0].ID)
	}
}
