package browser

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// account is what a collector knows of one page view. Its totals are the largest that were sent.
type account struct {
	seen, refused, dropped, stored int
	lost                           map[string]int
}

// accounts returns those of all page views that have sent something.
func (s *site) accounts() map[string]*account {
	pages := map[string]*account{}
	for _, b := range s.batches() {
		a := pages[b.Page]
		if a == nil {
			a = &account{lost: map[string]int{}}
			pages[b.Page] = a
		}
		a.seen, a.refused, a.dropped = max(a.seen, b.Seen), max(a.refused, b.Refused), max(a.dropped, b.Dropped)
		a.stored += len(b.Events)
		for reason, n := range b.Lost {
			a.lost[reason] = max(a.lost[reason], n)
		}
	}
	return pages
}

// balanced reports whether nothing is under way: seen = stored + refused + dropped, and each loss has its reason.
func (a *account) balanced() bool {
	sum := 0
	for _, n := range a.lost {
		sum += n
	}
	return a.seen == a.stored+a.refused+a.dropped && a.dropped == sum
}

// awaitAccounts waits until every page view's account balances.
func (s *site) awaitAccounts() {
	s.t.Helper()
	s.await("balance of all accounts", func() bool {
		return !slices.ContainsFunc(slices.Collect(maps.Values(s.accounts())), func(a *account) bool { return !a.balanced() })
	})
}

// last returns the batch that was stored last.
func (s *site) last() batch {
	all := s.batches()
	if len(all) == 0 {
		return batch{}
	}
	return all[len(all)-1]
}

// What comes before the listener and finds no place is in the account.
func TestAccountOfWhatCameTooEarly(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	release := make(chan bool)
	s.handle("/slow.js", func(http.ResponseWriter, *http.Request) { <-release })
	s.page("/", `<!doctype html><head><script data-ctlive>`+s.listener.Buffer()+`</script></head>`+widget+`<script>
		for (let i = 0; i < 1500; i++) post("Loaded");
		onmessage = () => self.n = (self.n || 0) + 1;
	</script><script defer src="/slow.js"></script><script defer src="`+s.listener.Path()+`"></script>`)
	b.run(fmt.Sprintf("location = %q", s.URL))
	b.await("self.n == 1500")
	close(release)
	s.await("first events", func() bool { return len(s.events()) >= 100 })
	hide(b)
	s.awaitAccounts()
	if a := s.last(); a.Seen != 1500 || a.Lost["early"] != 501 || a.Lost["rate"] == 0 {
		t.Errorf("seen %d, lost %v", a.Seen, a.Lost)
	}
}

// The account of a page view stays its own when another one sends what it left.
func TestAccountOfAnAdoptedQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t, options())
	keeper := newTab(t)
	b := keeper.sibling()
	b.open(s.URL)
	s.answer(http.StatusServiceUnavailable)
	b.post("Loaded", "ChatStarted")
	b.run(`postMessage("CTLiveEvent, but no JSON", "*")`)
	b.await("ctlive.events.length == 2")
	s.awaitAttempts(1)
	closeTab(b)

	s.answerBy(func(w http.ResponseWriter) bool { // the adopted batch is refused for good, the report of that is not
		if len(s.request().Events) == 2 {
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		return false
	})
	keeper.open(s.URL)
	keeper.post("WidgetShown")
	s.awaitTypes("WidgetShown")
	s.await("two accounts", func() bool { return len(s.accounts()) == 2 })
	s.awaitAccounts()
	for _, a := range s.accounts() {
		if a.stored == 0 && (a.seen != 3 || a.lost["data"] != 1 || a.lost["denied"] != 2) || a.stored == 1 && a.seen != 1 {
			t.Errorf("%+v", a)
		}
	}
}

// Of more than 50 page views that could not send, the oldest give up their events and keep their accounts.
func TestAccountOfTheOldestPageViews(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.page("/seed", "")
	b.do(chromedp.Navigate(s.URL + "/seed"))
	b.run(`for (let i = 100; i < 360; i++) localStorage["ctlive:" + i] = JSON.stringify({v: 1, page: String(i), sent_at: 0,
		seen: 2, refused: 0, dropped: 0, events: [1, 2].map((n) =>
			({id: "01900000-0000-7000-8000-00000000" + i + n, seq: n, type: "Loaded"}))})`)
	b.run(fmt.Sprintf("location = %q", s.URL))
	s.await("200 accounts", func() bool { return len(s.accounts()) == 200 })
	s.awaitAccounts()
	lost, sent := 0, 0
	for _, a := range s.accounts() {
		lost, sent = lost+a.lost["age"], sent+a.stored
	}
	if lost != 300 || sent != 100 {
		t.Errorf("%d events sent, %d given up", sent, lost)
	}
	b.await(`!Object.keys(localStorage).some((key) => key.startsWith("ctlive:"))`)
}

// C19: what a visitor's no has cost is known once there is a yes.
func TestAccountOfConsent(t *testing.T) {
	t.Parallel()
	o := options()
	o.Consent = "required"
	s, b := newSite(t, o), newTab(t)
	b.open(s.URL)
	b.post("Loaded", "WidgetShown")
	b.await("ctlive.events.length == 2")
	b.run("ctlive.consent(false)")
	b.post("WidgetClicked")
	b.await("ctlive.events.length == 3")
	b.run("ctlive.consent(true)")
	b.post("ChatStarted")
	s.awaitTypes("ChatStarted")

	s.answer(http.StatusServiceUnavailable)
	b.post("ChatOnline")
	s.awaitAttempts(2)
	time.Sleep(300 * time.Millisecond) // the answer is there, the next attempt is not
	b.run("ctlive.consent(false)")
	s.answer(http.StatusOK)
	b.run("ctlive.consent(true)")
	b.post("ChatFinished")
	s.awaitTypes("ChatStarted ChatFinished")
	s.awaitAccounts()
	if a := s.last(); a.Seen != 6 || a.Lost["consent"] != 4 {
		t.Errorf("seen %d, lost %v", a.Seen, a.Lost)
	}
}

// What else stands in the storage under our names keeps nothing from being sent.
func TestForeignMatterInStorage(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.page("/seed", "")
	b.do(chromedp.Navigate(s.URL + "/seed"))
	b.run(`["not JSON", "5", "null", "{}", "[]", '{"sent_at":0}', '{"sent_at":0,"events":5}', '{"sent_at":0,"events":[null]}'].forEach((text, i) => localStorage["ctlive:" + i] = text)`)
	b.run(fmt.Sprintf("location = %q", s.URL))
	b.await("self.ctlive && ctlive.version && self.post")
	b.post("Loaded")
	s.await("Loaded", func() bool { return strings.HasSuffix(s.types(), "Loaded") })
}

// C5: what a page that may say nothing yet has heard goes with it through the back/forward cache, numbers and all.
func TestAccountOfWhatIsHeldInTheBackForwardCache(t *testing.T) {
	t.Parallel()
	o := options()
	o.Consent = "required"
	s, b := newSite(t, o), newTab(t)
	s.page("/next", `<!doctype html><title>Next</title>`)
	b.open(s.URL)
	b.run("here = 1")
	b.post("Loaded", "WidgetShown")
	b.await("ctlive.events.length == 2")
	b.do(chromedp.Navigate(s.URL + "/next"))
	b.run("history.back()")
	b.await("location.pathname == '/'")
	if !b.is("self.here") {
		t.Fatal("Chromium did not use its back/forward cache")
	}
	b.post("ChatStarted")
	b.await("ctlive.events.length == 3")
	b.run("ctlive.consent(true)")
	s.awaitTypes("Loaded WidgetShown ChatStarted")
	s.awaitAccounts()
	for i, e := range s.events() {
		if e.Seq != i+1 {
			t.Errorf("event %d has number %d", i+1, e.Seq)
		}
	}
}
