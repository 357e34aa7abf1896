package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const chromium = "/usr/bin/chromium"

// chrome is the browser that all tests share, each with tabs of its own; nil where there is none.
var chrome context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "8") // they mostly wait
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if _, err := os.Stat(chromium); err != nil {
		return m.Run() // every test skips itself
	}
	var flags []chromedp.ExecAllocatorOption
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "disable-popup-blocking",
	} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	flags = append(flags, chromedp.ExecPath(chromium))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), flags...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Println("start Chromium:", err)
		return 1
	}
	chrome = ctx
	defer chromedp.Cancel(ctx)
	return m.Run()
}

// tab is a browser tab. A test fails when anything is thrown into a page of its tabs.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	console []string
	thrown  []string
}

// newTab opens a tab in a browser profile of its own.
func newTab(t *testing.T) *tab {
	t.Helper()
	if chrome == nil {
		t.Skip("SKIP: chromium is not installed")
	}
	return openTab(t, chrome, chromedp.WithNewBrowserContext())
}

// sibling opens another tab in b's window.
func (b *tab) sibling() *tab {
	b.t.Helper()
	return openTab(b.t, b.ctx, chromedp.WithNewWindow(false))
}

func openTab(t *testing.T, parent context.Context, opts ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, opts...)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.note(m)
		}
	}()
	if err := chromedp.Do(ctx); err != nil { // the first call ties the tab's life to its context: no timeout
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if thrown := b.exceptions(); len(thrown) > 0 {
			t.Errorf("thrown into the page: %q", thrown)
		}
	})
	return b
}

func (b *tab) note(m chromedp.ConsoleMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.IsException() {
		b.thrown = append(b.thrown, m.Text)
	} else {
		b.console = append(b.console, m.Text)
	}
}

func (b *tab) exceptions() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.thrown
}

// logged reports whether the page has written text to its console.
func (b *tab) logged(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(strings.Join(b.console, "\n"), text)
}

func (b *tab) do(a chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, a); err != nil {
		b.t.Fatal(err)
	}
}

// open goes to url and waits for the listener.
func (b *tab) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
	b.await("self.ctlive && ctlive.version")
}

// run evaluates statements.
func (b *tab) run(js string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](js))
}

// await polls until js is true.
func (b *tab) await(js string) {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !b.is(js); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("never true: %s", js)
		}
	}
}

func (b *tab) is(js string) bool {
	b.t.Helper()
	ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+js+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return ok
}

func (b *tab) text(js string) string {
	b.t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+js+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return s
}

// post sends one message as the widget does.
func (b *tab) post(types ...string) {
	b.t.Helper()
	for _, name := range types {
		b.run(fmt.Sprintf("post(%q)", name))
	}
}

var isUUID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$`).MatchString
