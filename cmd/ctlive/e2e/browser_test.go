package e2e

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// demo is a running "ctlive demo".
type demo struct{ site, admin, data string }

func startDemo(t *testing.T) demo {
	t.Helper()
	d := demo{data: t.TempDir()}
	c := exec.Command(binary, "demo", "--listen", "127.0.0.1:0", "--data", d.data)
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	url := regexp.MustCompile(`http://\S+`)
	lines := bufio.NewScanner(stdout)
	for d.admin == "" && lines.Scan() {
		switch found := url.FindString(lines.Text()); {
		case found != "" && d.site == "":
			d.site = strings.TrimSuffix(found, "/")
		case found != "":
			d.admin = strings.TrimSuffix(found, "/")
		}
	}
	go io.Copy(io.Discard, stdout)
	if d.admin == "" {
		t.Fatal("the demo printed no URLs")
	}
	return d
}

// browser returns the context of a tab in a new headless browser. Exceptions in
// pages fail the test.
func browser(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("SKIP: chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(path))
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(options, more...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	do(t, ctx)
	chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*runtime.EventExceptionThrown); ok {
			t.Errorf("exception in the page: %s %s", e.ExceptionDetails.Text, e.ExceptionDetails.URL)
		}
	})
	return ctx
}

func do(t *testing.T, ctx context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// evaluate runs the body of an async function in the page. $ finds in the
// simulated chat, until waits for a condition.
func evaluate[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	const helpers = `
		const until = async (f) => { for (let n = 0; !f() && n < 200; n++) await new Promise(r => setTimeout(r, 50)); if (!f()) throw new Error("waited in vain for " + f); };
		const chat = () => document.getElementById("ctlive-demo");
		const $ = (s) => chat().shadowRoot.querySelector(s);
		const click = async (s) => { await until(() => chat() && $(s)); $(s).click(); };
	`
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T]("(async()=>{"+helpers+script+"})()", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%v in %s", err, script)
	}
	return v
}

// walk takes the visitor through a whole chat.
const walk = `
	await click("#ctlive-demo-open");
	await click('[data-choice="Chat"]');
	await until(() => $("#ctlive-demo-name"));
	$("#ctlive-demo-name").value = "Anna";
	await click("#ctlive-demo-submit");
	await until(() => chat().dataset.view === "online");
	await click("#ctlive-demo-end");
	await click("#ctlive-demo-hide");
	return true;`

var walked = []string{"Loaded", "WidgetShown", "WidgetClicked", "DatacollectionStarted", "ChatStarted", "ChatOnline", "ChatFinished", "WidgetHidden"}

// TestDemo: a visitor's chat in the demo leaves all eight types in the store,
// once each, in order, on every page of the demo.
func TestDemo(t *testing.T) {
	for _, page := range []string{"/", "/workshop", "/shop", "/account", "/plain"} {
		t.Run(strings.Trim("home"+page, "/"), func(t *testing.T) {
			d := startDemo(t)
			ctx := browser(t)
			do(t, ctx, chromedp.Navigate(d.site+page))
			evaluate[bool](t, ctx, walk)
			if got := awaitTypes(t, d.data, len(walked)); !slices.Equal(got, walked) {
				t.Errorf("stored %q, want %q\n%s", got, walked, ctlive(t, nil, "events", "--data", d.data, "--format", "ndjson").stdout)
			}
			left := evaluate[int](t, ctx, `return document.querySelectorAll("[data-ctlive]").length`)
			if left != 0 {
				t.Errorf("%d elements of ours are left in the page", left)
			}
		})
	}
}

// awaitTypes returns the types in the store when there are n, or after some time.
func awaitTypes(t *testing.T, data string, n int) (types []string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		types = nil
		for _, e := range stored(t, data) {
			types = append(types, e.Type)
		}
		if len(types) >= n || time.Now().After(deadline) {
			return types
		}
	}
}

// TestLivePage: the admin page shows an event soon after it happened.
func TestLivePage(t *testing.T) {
	d := startDemo(t)
	ctx := browser(t)
	do(t, ctx, chromedp.Navigate(d.admin+"/"))
	visitor, cancel := chromedp.NewContext(ctx)
	defer cancel()
	do(t, visitor, chromedp.Navigate(d.site+"/"))
	evaluate[bool](t, ctx, `await until(() => document.body.innerText.includes("WidgetShown")); return true`)
}
