package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// all are the vendor's types in the order of a chat.
const all = "Loaded WidgetShown WidgetClicked DatacollectionStarted ChatStarted ChatOnline ChatFinished WidgetHidden"

func TestHearsAllTypesOnceAndInOrder(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	began := time.Now().UnixMilli()
	b.open(s.URL + "/?utm=1#top")
	b.post(strings.Fields(all)...)
	s.awaitTypes(all)

	if n := distinct(t, s.events()); n != 8 {
		t.Errorf("%d distinct ids, want 8", n)
	}
	last := int64(0)
	for i, e := range s.events() {
		if e.Seq != i+1 || e.Mono < last || e.At < began || e.At > time.Now().UnixMilli() {
			t.Errorf("event %d: %+v", i, e)
		}
		last = e.Mono
	}
	first := s.batches()[0]
	if first.URL != s.URL+"/" || first.Title != "Shop" || first.Lang == "" || !isUUID(first.Page) || !isUUID(first.Session) ||
		first.SentAt < began || first.Token != "" {
		t.Errorf("envelope %+v", first)
	}
	if n := b.text("document.scripts.length"); n != "1" {
		t.Errorf("%s script elements, want the page's own one", n)
	}
}

// C14: a cached SDK fires before the listener is there.
func TestHearsWhatCameBeforeTheListener(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.page("/", `<!doctype html><head>{ctlive}`+widget+`<script>
		post("Loaded"); for (let i = 0; i < 5000; i++) postMessage({noise: i}, "*"); post("WidgetShown")
	</script></head>`)
	b.open(s.URL)
	s.awaitTypes("Loaded WidgetShown")
	if queued := b.text("ctlive.queue.length"); queued != "0" {
		t.Errorf("%s messages left in the queue", queued)
	}
}

func TestBeforeTheListenerMemoryIsBounded(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	s.page("/", `<!doctype html><head><script data-ctlive>`+s.listener.Buffer()+`</script></head><iframe srcdoc="<script>
		for (let i = 0; i < 500; i++) parent.postMessage({name: 'CTLiveEvent', type: 'Forged'}, '*')
	</script>"></iframe>`+widget+`<script>onload = () => { for (let i = 0; i < 5000; i++) post("Loaded"); done = true }</script>`)
	b.run(fmt.Sprintf("location = %q", s.URL))
	b.await("self.done && ctlive.queue.length >= 999")
	if n := b.text("ctlive.queue.filter((m) => m.source != window).length"); n != "99" {
		t.Errorf("%s forged messages held, want 99", n)
	}
	if n := b.text("ctlive.queue.length"); n != "999" {
		t.Errorf("%s messages held, want 999", n)
	}
}

func TestHearsStringsAndIgnoresOthers(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	b.run(`
		for (const data of [null, 1, "", "x", [], ["CTLiveEvent"], {name: "other", type: "Loaded"}, {name: 5}, "{\"name\":1}"])
			postMessage(data, "*");
		postMessage(JSON.stringify({name: "CTLiveEvent", type: "ChatStarted", object: {chatID: "c1"}}), "*");
		postMessage("CTLiveEvent, but no JSON", "*");
		post("NewInNextVersion", {chatID: "c1"})`) // C13
	s.awaitTypes("ChatStarted NewInNextVersion")
	if e := s.events()[0]; e.Object["chatID"] != "c1" {
		t.Errorf("%+v", e)
	}
}

// C11: any frame and any opener can post to the page.
func TestRefusesForgedMessages(t *testing.T) {
	t.Parallel()
	s, evil := newSite(t, options()), newSite(t, options())
	forger := strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)
	evil.page("/frame", `<script>parent.postMessage({name: "CTLiveEvent", type: "FromFrame"}, "*")</script>`)
	evil.page("/opener", `<script>
		w = open("`+s.URL+`/opened"); timer = setInterval(() => w.postMessage({name: "CTLiveEvent", type: "FromOpener"}, "*"), 50)
	</script>`)
	s.page("/opened", `<!doctype html><head>{ctlive}</head>`+widget+`<script>post("WidgetShown")</script>`)
	s.page("/frame", evil.pages["/frame"].body) // of the same origin, and yet not this window
	s.page("/framed", `<!doctype html><head>{ctlive}</head>`+widget+`<iframe src="`+forger+`/frame"></iframe><iframe src="/frame"></iframe>`)

	b := newTab(t)
	b.open(s.URL + "/framed")
	b.post("Loaded")
	s.awaitTypes("Loaded")
	told := refused(s)
	b.run(`forged = 0; onmessage = () => forged++; for (const frame of document.querySelectorAll("iframe")) frame.src = frame.src`)
	b.await("forged == 2")
	hide(b)
	s.await("count of two more", func() bool { return refused(s) == told+2 })
	if from := s.last().RefusedFrom; from != forger && from != s.URL {
		t.Errorf("refused from %q", from)
	}

	w := newTab(t)
	w.run(fmt.Sprintf("location = %q", forger+"/opener"))
	w.await("self.timer")
	s.awaitTypes("Loaded WidgetShown")
	w.run("clearInterval(timer); w.close()")
	s.await("count of the opener's", func() bool { return refused(s) > told+2 })
	if from := s.last().RefusedFrom; from != forger {
		t.Errorf("refused from %q, want %q", from, forger)
	}
	s.awaitAccounts()
	if got := s.types(); got != "Loaded WidgetShown" {
		t.Errorf("stored %q", got)
	}
}

// refused adds up what the page views of s have refused.
func refused(s *site) int {
	sum, perPage := 0, map[string]int{}
	for _, b := range s.batches() {
		perPage[b.Page] = max(perPage[b.Page], b.Refused)
	}
	for _, n := range perPage {
		sum += n
	}
	return sum
}

func TestBelievesConfiguredOrigins(t *testing.T) {
	t.Parallel()
	helper := newSite(t, options())
	helper.page("/frame", `<script>parent.postMessage({name: "CTLiveEvent", type: "ChatOnline"}, "*")</script>`)
	origin := strings.Replace(helper.URL, "127.0.0.1", "localhost", 1)
	o := options()
	o.Origins = []string{origin}
	s, b := newSite(t, o), newTab(t)
	s.page("/", `<!doctype html><head>{ctlive}</head><iframe src="`+origin+`/frame"></iframe>`)
	b.open(s.URL)
	s.awaitTypes("ChatOnline")
}

// C12: what a page can post, and what a script can dispatch.
func TestHostileDataIsCappedOrCounted(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	b.run(`{
		const hit = (data) => dispatchEvent(new MessageEvent("message", {data, source: window, origin: location.origin}));
		const event = (object, type) => ({name: "CTLiveEvent", type: type || "ChatOnline", object});
		const bomb = () => { throw new Error("bomb") };
		const cycle = {}; cycle.self = cycle;
		let deep = {}; for (let i = 0; i < 1e5; i++) deep = {deep};
		hit({get name() { bomb() }});
		hit(event({get chatID() { bomb() }}));
		hit(event({toJSON: bomb}));
		hit(event(cycle));
		hit(event(deep));
		hit(event(new Proxy({}, {ownKeys: bomb})));
		hit(event({}, {toString: bomb}));
		hit(event(Object.fromEntries(Array.from(Array(2e4), (_, i) => ["k" + i, i]))));
		hit(event({lone: "\ud800 \udfff", big: 10n, users: Array(1e5).fill("x".repeat(50))}, "Capped"));
		hit(event({text: "é".repeat(5e6)}, "Long"));
		hit(event({}, "T".repeat(1e6)));
		post("Loaded");
	}`)
	s.await("Loaded", func() bool { return strings.HasSuffix(s.types(), "Loaded") })
	want := "Capped Long " + strings.Repeat("T", 64) + " Loaded"
	if got := s.types(); got != want {
		t.Errorf("stored %q, want %q", got, want)
	}
	capped := s.events()[0].Object
	if users, _ := capped["users"].([]any); len(users) < 100 || capped["big"] != "10" || !strings.Contains(capped["lone"].(string), "\ufffd") {
		t.Errorf("%d users, big %v, lone %q", len(users), capped["big"], capped["lone"])
	}
	if b := s.batches()[0]; b.Dropped != 8 || b.Lost["data"] != 8 {
		t.Errorf("%d counted as dropped, %v, want 8 for their data", b.Dropped, b.Lost)
	}
	s.awaitAccounts()
}

// C15: the page passed two proxies.
func TestTwoInjectionsAreOneListener(t *testing.T) {
	t.Parallel()
	o := options()
	o.Handlers = []byte("self.runs = (self.runs || 0) + 1")
	s, b := newSite(t, o), newTab(t)
	element := `<script data-ctlive async src="` + s.listener.Path() + `"></script>`
	s.page("/", `<!doctype html><head>{ctlive}{ctlive}`+element+element+`</head>`+widget)
	b.open(s.URL)
	b.await("document.readyState == 'complete'")
	b.post("Loaded")
	s.awaitTypes("Loaded")
	if n := b.text("document.querySelectorAll('[data-ctlive]').length"); n != "0" {
		t.Errorf("%s elements of ours left in the page", n)
	}
	if b.await("self.runs"); b.text("runs") != "1" {
		t.Errorf("handlers ran %s times", b.text("runs"))
	}
}

// C21.
func TestRunawayPageIsLimited(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	b.run(`for (let i = 0; i < 10000; i++) post("Loaded")`)
	s.await("first events", func() bool { return len(s.events()) >= 100 })
	hide(b)
	s.await("account of 10,000 events", func() bool { return s.last().Seen == 10000 })
	s.awaitAccounts()
	if n := len(s.events()); n > 200 || s.last().Lost["rate"] != 10000-n {
		t.Errorf("%d events sent, %v", n, s.last().Lost)
	}
}
