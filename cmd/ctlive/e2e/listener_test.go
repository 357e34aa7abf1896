package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// outage is how long the tests keep the proxy down or a visitor offline: long enough for several attempts, or
// CTLIVE_OUTAGE, such as the minute that is promised.
func outage(t *testing.T) time.Duration {
	t.Helper()
	if s := os.Getenv("CTLIVE_OUTAGE"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return 4 * time.Second
}

// patience is how long after an outage the listener may take: it waits twice the time of its last pause at most, which
// is as long as the outage was or a minute.
func patience(outage time.Duration) time.Duration {
	return 20*time.Second + 2*min(2*outage, time.Minute)
}

// chatPage has post, which does what the CTLive SDK does.
const chatPage = `<!doctype html><head><title>Shop</title></head><body><script>
function post(type, n) { postMessage({name: "CTLiveEvent", type, object: {chatID: "c" + n, userID: "u"}}, "*") }
</script>`

// startShop runs an origin with pages of the tests, and returns it.
func startShop(t *testing.T) *httptest.Server {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/forger" {
			io.WriteString(w, `<script>parent.postMessage({name: "CTLiveEvent", type: "ChatStarted", object: {chatID: "forged"}}, "*")</script>`)
			return
		}
		io.WriteString(w, chatPage)
	}))
	t.Cleanup(origin.Close)
	return origin
}

// visitor is a browser that may be watched for as long as a test takes, with what its pages sent.
type visitor struct {
	t   *testing.T
	ctx context.Context

	mu   sync.Mutex
	sent []delivery
}

// delivery is the body of a request to the collector.
type delivery struct {
	Page, Token            string
	Seen, Refused, Dropped int
	RefusedFrom            string `json:"refused_from"`
	Events                 []struct{ ID, Type string }
}

func newVisitor(t *testing.T, ctx context.Context) *visitor {
	t.Helper()
	v := &visitor{t: t, ctx: ctx}
	chromedp.Listen(ctx, v.note)
	do(t, ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, network.Enable, network.EnableParams{})
		return err
	}))
	return v
}

// tab opens another tab of the same visitor, in front.
func (v *visitor) tab() *visitor {
	v.t.Helper()
	ctx, cancel := chromedp.NewContext(v.ctx, chromedp.WithNewWindow(false))
	v.t.Cleanup(cancel)
	do(v.t, ctx)
	return newVisitor(v.t, ctx)
}

// note keeps the body of a request to the collector. Exceptions in pages fail the test.
func (v *visitor) note(event any) {
	if e, ok := event.(*runtime.EventExceptionThrown); ok {
		v.t.Errorf("exception in the page: %s %s", e.ExceptionDetails.Text, e.ExceptionDetails.URL)
	}
	e, ok := event.(*network.EventRequestWillBeSent)
	if !ok || !strings.HasSuffix(e.Request.URL, "/.ctlive/events") {
		return
	}
	var r delivery
	for _, part := range e.Request.PostDataEntries {
		json.Unmarshal(part.Bytes, &r)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sent = append(v.sent, r)
}

// deliveries returns what this tab has sent so far.
func (v *visitor) deliveries() []delivery {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.sent)
}

func (v *visitor) open(url string) {
	v.t.Helper()
	do(v.t, v.ctx, chromedp.Navigate(url))
	v.run(`await until(() => window.ctlive && ctlive.version)`)
}

func (v *visitor) run(js string) {
	v.t.Helper()
	evaluate[bool](v.t, v.ctx, js+"; return true")
}

func (v *visitor) show() {
	v.t.Helper()
	do(v.t, v.ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, page.BringToFront, cdp.Empty{})
		return err
	}))
	v.run(`await until(() => !document.hidden)`)
}

func (v *visitor) offline(is bool) {
	v.t.Helper()
	do(v.t, v.ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}},
		})
		return err
	}))
}

// awaitEvents waits for n events in the store, and for no more to follow, and fails the test unless all ids differ.
func awaitEvents(t *testing.T, data string, n int, patience time.Duration) []event {
	t.Helper()
	var events []event
	for deadline := time.Now().Add(patience); len(events) < n && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		events = stored(t, data)
	}
	time.Sleep(time.Second)
	events = stored(t, data)
	ids := map[string]bool{}
	for _, e := range events {
		ids[e.ID] = true
	}
	if len(events) != n || len(ids) != n {
		t.Fatalf("%d events with %d ids are stored, want %d of each", len(events), len(ids), n)
	}
	return events
}

// TestOutage (C6): two tabs, the proxy killed for a while, 50 events each: exactly 100 ids.
func TestOutage(t *testing.T) {
	down := outage(t)
	config := fixedConfig(t, startShop(t).URL)
	p := runProxy(t, config.yaml)
	a := newVisitor(t, longBrowser(t, down))
	b := a.tab()
	a.open(p.url)
	b.open(p.url)
	p.kill()
	for _, v := range []*visitor{a, b} {
		v.run(`for (let i = 0; i < 50; i++) post("ChatOnline", i)`)
	}
	time.Sleep(down)
	runProxy(t, config.yaml)
	awaitEvents(t, config.data, 100, patience(down))
	for _, v := range []*visitor{a, b} {
		if attempts := len(v.deliveries()); attempts < 2 {
			t.Errorf("%d attempts, so the outage was none", attempts)
		}
	}
}

// TestOffline: a visitor without a network for a while loses nothing.
func TestOffline(t *testing.T) {
	down := outage(t)
	p := startProxy(t, startShop(t).URL, "")
	v := newVisitor(t, longBrowser(t, down))
	v.open(p.url)
	v.offline(true)
	v.run(`for (let i = 0; i < 20; i++) post("ChatOnline", i)`)
	time.Sleep(down)
	v.offline(false)
	awaitEvents(t, p.data, 20, patience(down))
}

// TestTabSwitches (C4): ten of them send nothing again.
func TestTabSwitches(t *testing.T) {
	p := startProxy(t, startShop(t).URL, "")
	v := newVisitor(t, longBrowser(t, 0))
	other := v.tab()
	v.open(p.url)
	v.show()
	v.run(`for (let i = 0; i < 3; i++) post("ChatOnline", i)`)
	for range 10 {
		other.show()
		v.run(`await until(() => document.hidden)`)
		v.show()
	}
	awaitEvents(t, p.data, 3, 10*time.Second)
	sent := 0
	for _, r := range v.deliveries() {
		sent += len(r.Events)
	}
	if sent != 3 {
		t.Errorf("%d events were sent, want 3", sent)
	}
}

// TestForgery (C11): what a frame of another origin posts is refused, and counted with its origin.
func TestForgery(t *testing.T) {
	shop := startShop(t)
	p := startProxy(t, shop.URL, "")
	v := newVisitor(t, longBrowser(t, 0))
	v.open(p.url)
	foreign := strings.Replace(shop.URL, "127.0.0.1", "localhost", 1)
	v.run(fmt.Sprintf(`
		let forged = 0; onmessage = () => forged++;
		const frame = document.createElement("iframe"); frame.src = %q; document.body.append(frame);
		await until(() => forged == 1);
		post("ChatStarted", 1); await until(() => ctlive.events.length == 1)`, foreign+"/forger"))
	if got := awaitEvents(t, p.data, 1, 10*time.Second); got[0].Type != "ChatStarted" {
		t.Errorf("stored %+v", got)
	}
	sent := v.deliveries()
	if last := sent[len(sent)-1]; last.Seen != 2 || last.Refused != 1 || last.Dropped != 0 || last.RefusedFrom != foreign {
		t.Errorf("reported %+v", last)
	}
	if stats := ctlive(t, nil, "stats", "--data", p.data, "--format", "json").stdout; !strings.Contains(stats, `"reason":"refused","count":1}`) {
		t.Errorf("stats %s", stats)
	}
}

// TestUnknownType (C13): what the vendor's list does not have is stored and marked.
func TestUnknownType(t *testing.T) {
	p := startProxy(t, startShop(t).URL, "")
	v := newVisitor(t, longBrowser(t, 0))
	v.open(p.url)
	v.run(`post("ChatTransferred", 1)`)
	if got := awaitEvents(t, p.data, 1, 10*time.Second); got[0].Type != "ChatTransferred" || !slices.Contains(got[0].Flags, "unknown_type") {
		t.Errorf("stored %+v", got)
	}
}

// TestHandlers (C17): the operator's code runs, and where it is no script at all, nothing but that is missing.
func TestHandlers(t *testing.T) {
	for name, code := range map[string]string{
		"good":   `ctlive.on("*", (e) => document.title = e.type)`,
		"broken": `ctlive.on("*", (e) => {`,
	} {
		t.Run(name, func(t *testing.T) {
			file := t.TempDir() + "/handlers.js"
			if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
			p := startProxy(t, startShop(t).URL, "", "listener: {handlers: "+file+"}")
			v := newVisitor(t, longBrowser(t, 0))
			v.open(p.url)
			v.run(`post("ChatStarted", 1)`)
			awaitEvents(t, p.data, 1, 10*time.Second)
			if name == "good" {
				v.run(`await until(() => document.title == "ChatStarted")`)
			}
		})
	}
}

// longBrowser is browser for a test that outlives an outage.
func longBrowser(t *testing.T, outage time.Duration) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("SKIP: chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(path))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute+outage+patience(outage))
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	do(t, ctx)
	return ctx
}

// fixed is a configuration whose address stays the same when the proxy starts anew.
type fixed struct{ yaml, data string }

func fixedConfig(t *testing.T, to string) fixed {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	data := t.TempDir()
	return fixed{fmt.Sprintf("listen: {http: %q}\nadmin: {listen: \"127.0.0.1:0\"}\ndata: %s\nlog: {format: json}\nsites:\n  - hosts: [\"*\"]\n    to: [%s]\n",
		l.Addr(), data, to), data}
}
