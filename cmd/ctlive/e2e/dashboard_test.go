package e2e

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// axeVersion is what npm installs for the tests, once for this user.
const axeVersion = "4.14.1"

// reading are helpers to read the operator's page and to use its controls.
const reading = `
	const id = (name) => document.getElementById(name);
	const visible = (name) => id(name).checkVisibility();
	const step = (name, column) => document.querySelector('#funnel tr[data-type="' + name + '"]')?.children[column].textContent;
	const views = (name) => step(name, 2), chats = (name) => step(name, 4);
	const key = (title) => [...document.querySelectorAll("#key > div")].find(d => d.firstChild.textContent === title)?.querySelector(".value").textContent;
	const tail = () => [...document.querySelectorAll("#tail > li")].map(li => li.dataset.type);
	const pick = (name, value) => { id(name).value = value; id(name).dispatchEvent(new Event("change", {bubbles: true})); };
	const range = (value) => document.querySelector('input[name="range"][value="' + value + '"]').click();
	const advice = () => document.querySelector("#funnel + .none").checkVisibility() ? document.querySelector("#funnel + .none").textContent : "";
	const asked = () => new URLSearchParams(location.hash.slice(1));
`

// operatorPage opens the operator's page. Whatever its own policy forbids, and
// each request to another host, fails the test.
func operatorPage(t *testing.T, d demo, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	ctx := browser(t, more...)
	chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == "error" {
				t.Errorf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme == "http" && "http://"+u.Host != d.admin {
				t.Errorf("a request to %s", e.Request.URL)
			}
		}
	})
	command(t, ctx, log.Enable, cdp.Empty{})
	command(t, ctx, network.Enable, network.EnableParams{})
	do(t, ctx, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(d.admin+"/"))
	return ctx
}

func command[P any](t *testing.T, ctx context.Context, c cdp.Command[P, cdp.Empty], params P) {
	t.Helper()
	if _, err := chromedp.Call(ctx, c, params); err != nil {
		t.Fatal(err)
	}
}

// chat lets a visitor with a browser of their own go through a whole chat.
func chat(t *testing.T, d demo) {
	t.Helper()
	visitor := browser(t)
	do(t, visitor, chromedp.Navigate(d.site+"/"))
	evaluate[bool](t, visitor, walk)
}

// TestDashboard: the operator sees what to do first, and then a visitor's chat in
// the funnel, in the figures and live, without doing anything.
func TestDashboard(t *testing.T) {
	d := startDemo(t)
	ctx := operatorPage(t, d)
	evaluate[bool](t, ctx, reading+`
		await until(() => visible("welcome") && visible("no-events"));
		if (visible("visitors")) throw new Error("empty charts are shown to a newcomer");
		return true`)

	view(t, d.site+"/")
	evaluate[bool](t, ctx, reading+`
		await until(() => views("injected") === "1" && advice());
		window.rows = [...document.querySelectorAll("#funnel tbody tr")];
		return true`)
	chat(t, d)
	evaluate[bool](t, ctx, reading+`
		await until(() => !visible("welcome") && chats("ChatFinished") === "1");
		return true`)
	for what, want := range map[string]string{
		`key("Chats started")`: "1", `key("Answered")`: "1", `key("Missed")`: "0", `key("Page views")`: "1",
		`views("injected")`: "2", `views("listener")`: "1", `views("Loaded")`: "1", `views("WidgetClicked")`: "1",
		`chats("ChatStarted")`: "1", `chats("ChatOnline")`: "1", `chats("Loaded")`: "",
		`document.querySelector("#clicks tbody tr").innerText.replace(/\s+/g, " ")`:           "Chat 1 100%",
		`document.querySelectorAll('#series li[data-type="ChatStarted"] canvas').length + ""`: "1",
		`id("gap").textContent`:  "In every page view whose listener ran, the CTLive library reported Loaded.",
		`String(visible("gap"))`: "true", `advice()`: "",
		`String(rows.length && rows.every(row => row.isConnected))`: "true", // changed in place
		`id("upstreams").rows[1].cells[1].textContent`:              "up",
	} {
		if got := evaluate[string](t, ctx, reading+"return "+what); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	wait := evaluate[[]string](t, ctx, `return [...document.querySelectorAll("#wait b, #duration b")].map(b => b.textContent)`)
	if len(wait) != 4 || slices.Contains(wait, "–") {
		t.Errorf("waiting time and duration: %q", wait)
	}
	if got := evaluate[[]string](t, ctx, reading+`await until(() => tail().length >= 8); return tail().reverse()`); !slices.Equal(got, walked) {
		t.Errorf("live: %q, want %q", got, walked)
	}
}

// TestDashboardChoices: site and range narrow the figures, are kept in the address,
// and the back button undoes them.
func TestDashboardChoices(t *testing.T) {
	d := startDemo(t)
	chat(t, d)
	ctx := operatorPage(t, d)
	site := evaluate[string](t, ctx, reading+`await until(() => id("site").options.length > 1); return id("site").options[1].value`)
	evaluate[bool](t, ctx, reading+`
		await until(() => chats("ChatFinished") === "1");
		range("1h");
		await until(() => asked().get("range") === "1h" && chats("ChatFinished") === "1");
		location.hash = "site=other.test&range=1h";
		await until(() => chats("ChatFinished") === undefined && !visible("funnel") && tail().length === 0);
		await until(() => visible("site"));
		pick("site", "");
		await until(() => !asked().has("site") && chats("ChatFinished") === "1" && tail().length >= 8);
		pick("site", `+fmt.Sprintf("%q", site)+`);
		await until(() => asked().get("site") === `+fmt.Sprintf("%q", site)+` && chats("ChatFinished") === "1");

		range("custom");
		await until(() => visible("custom"));
		id("since").value = "2026-01-01T00:00";
		id("until").value = "2026-01-02T00:00";
		id("custom").requestSubmit();
		await until(() => asked().get("range") === "custom" && !visible("funnel") && visible("nothing"));
		if (!advice().includes("Choose a range that lasts until now")) throw new Error(advice());
		history.back();
		await until(() => asked().get("range") === "1h" && chats("ChatFinished") === "1" && !visible("nothing"));
		return true`)

	// A link shows the same to somebody else.
	address := evaluate[string](t, ctx, `return location.hash`)
	do(t, ctx, chromedp.Navigate("about:blank"), chromedp.Navigate(d.admin+"/"+address))
	evaluate[bool](t, ctx, reading+`
		await until(() => chats("ChatFinished") === "1");
		if (id("site").value !== `+fmt.Sprintf("%q", site)+` || !document.querySelector('input[value="1h"]').checked) throw new Error("the address is not followed");
		return true`)
}

// TestDashboardAdvice: where nothing is counted, the funnel says what to do next.
func TestDashboardAdvice(t *testing.T) {
	d := startDemo(t)
	ctx := operatorPage(t, d)
	says := func(funnel bool, texts ...string) {
		t.Helper()
		evaluate[bool](t, ctx, reading+fmt.Sprintf(`
			const texts = %s;
			await until(() => texts.every(text => advice().includes(text)));
			if (visible("funnel") !== %t) throw new Error("the funnel beside: " + advice());
			return true`, asJSON(t, texts), funnel))
	}
	evaluate[bool](t, ctx, `location.hash = "site=other.test"; return true`)
	says(false, "No page has come through ctlive on this site", "Open a page of your site through it.", "ctlive explain URL, says")

	view(t, d.site+"/site.css")
	evaluate[bool](t, ctx, `location.hash = ""; return true`)
	says(false, "No page was injected in this range: one answer passed as it was.", "“Pages injected” below")

	view(t, d.site+"/")
	says(true, "1 page went out with the listener in this range, but no event has come back.", "“Explain a page” below says whether a policy")

	post(t, d, "no events")
	says(true, "“Rejected and lost” below says what was turned away.")

	post(t, d, fmt.Sprintf(`{"v":1,"page":"p","session":"s","url":"http://a.test/","events":[{"id":"e1","seq":1,"at":%d,"type":"Loaded"}]}`, time.Now().UnixMilli()))
	says(true, "All events of this range are doubtful")
	evaluate[bool](t, ctx, reading+`
		id("flagged").click();
		await until(() => views("Loaded") === "1" && !advice());
		return true`)

	// What the demo does not come to.
	for _, test := range []struct{ name, report, want string }{
		{"counted", `{funnel: [{step: "injected", views: 1}, {step: "listener", views: 1}]}`, ""},
		{"another type only", `{series: [{type: "unknown", counts: [0, 1]}]}`, ""},
		{"no figures", `{stale: 1}`, "There are no figures yet."},
		{"old figures", `{stale: 1700000000000}`, ""},
		{"behind", `{behind: 3}`, "There are stored events that are not counted yet. The figures go on by themselves."},
		{"edges without pages", `{shared: true}`, "No edge has told of pages in this range. Open a page of your site through an edge. " +
			"On an edge, ctlive explain URL says why a page is injected or not."},
		{"edges without events", `{shared: true, funnel: [{step: "injected", views: 1200}]}`, "1,200 pages went out with the listener in this range, but no event has come back. " +
			"Open one in a browser and wait for the chat widget. An edge’s own dashboard says what was rejected, and whether events are forwarded."},
	} {
		got := evaluate[string](t, ctx, `
			const {advice} = await import("/js/advice.js");
			const nothing = {behind: 0, flagged: {}, funnel: [{step: "injected", views: 0}], series: [], losses: [], injection: {results: []}};
			return advice({...nothing, ...`+test.report+`}, {range: "24h", site: "", flagged: false})`)
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestDashboardBesideScrollbar: the page is no wider than what a scrollbar that
// takes space leaves of the window.
func TestDashboardBesideScrollbar(t *testing.T) {
	d := startDemo(t)
	ctx := operatorPage(t, d, chromedp.Flag("hide-scrollbars", false), chromedp.Flag("disable-features", "OverlayScrollbar,FluentOverlayScrollbar"))
	fits := func(state string) {
		t.Helper()
		for _, width := range []int64{1920, 1280, 390} {
			for _, scheme := range []string{"light", "dark"} {
				emulate(t, ctx, width, scheme)
				bar := evaluate[int](t, ctx, `return innerWidth - document.scrollingElement.clientWidth`)
				if bar <= 0 {
					t.Errorf("%s, %d wide, %s: no scrollbar", state, width, scheme)
				}
				over := evaluate[int](t, ctx, `
					const over = () => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth;
					for (let n = 0; over() > 0 && n < 40; n++) await new Promise(r => setTimeout(r, 50)); // charts follow the window
					return over()`)
				if over > 0 {
					t.Errorf("%s, %d wide, %s: the page is %d wider, the scrollbar %d", state, width, scheme, over, bar)
				}
			}
		}
	}
	evaluate[bool](t, ctx, reading+`await until(() => visible("welcome")); return true`)
	fits("empty")
	evaluate[bool](t, ctx, reading+`location.hash = "site=other.test"; await until(advice); return true`)
	fits("nothing of the site")
	evaluate[bool](t, ctx, `location.hash = ""; return true`)
	chat(t, d)
	evaluate[bool](t, ctx, reading+`await until(() => chats("ChatFinished") === "1" && tail().length >= 8); return true`)
	fits("in use")
}

// view asks for a page without running what is in it.
func view(t *testing.T, url string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
}

// post sends what no listener would.
func post(t *testing.T, d demo, body string) {
	t.Helper()
	res, err := http.Post(d.site+"/.ctlive/events", "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDashboardFailure: figures that cannot be read leave the old ones, with the
// reason and a way to try again.
func TestDashboardFailure(t *testing.T) {
	d := startDemo(t)
	chat(t, d)
	ctx := browser(t)
	do(t, ctx, chromedp.Navigate(d.admin+"/"))
	evaluate[bool](t, ctx, reading+`await until(() => chats("ChatFinished") === "1"); return true`)
	command(t, ctx, network.Enable, network.EnableParams{})
	block(t, ctx, d.admin+"/api/report*")
	evaluate[bool](t, ctx, reading+`
		range("7d");
		await until(() => visible("failure") && id("failure-text").textContent.startsWith("The figures could not be read."));
		if (chats("ChatFinished") !== "1") throw new Error("the old figures are gone");
		return true`)
	block(t, ctx)
	evaluate[bool](t, ctx, reading+`
		id("retry").click();
		await until(() => !visible("failure") && chats("ChatFinished") === "1");
		return true`)
}

// TestDashboardLive: the tail can be filtered and paused.
func TestDashboardLive(t *testing.T) {
	d := startDemo(t)
	ctx := operatorPage(t, d)
	chat(t, d)
	evaluate[bool](t, ctx, reading+`
		await until(() => tail().length >= 8);
		pick("type", "ChatStarted");
		await until(() => tail().join() === "ChatStarted");
		document.querySelector('#series li[data-type="ChatStarted"] button').click();
		await until(() => tail().length >= 8);
		id("text").value = "nothing like this";
		id("text").dispatchEvent(new Event("input"));
		await until(() => visible("no-match"));
		id("clear").click();
		await until(() => tail().length >= 8 && !visible("no-match"));
		id("pause").click();
		return true`)
	chat(t, d)
	shown := evaluate[int](t, ctx, reading+`
		await until(() => id("pause").textContent === "Resume, 8 new");
		const shown = tail().length;
		id("pause").click();
		await until(() => tail().length === 16);
		return shown`)
	if shown != 8 {
		t.Errorf("%d events shown while paused, want 8", shown)
	}
}

// TestDashboardExport: the link has all events of the range.
func TestDashboardExport(t *testing.T) {
	d := startDemo(t)
	chat(t, d)
	awaitTypes(t, d.data, len(walked))
	ctx := operatorPage(t, d)
	body := evaluate[string](t, ctx, `
		const link = document.getElementById("export-csv");
		await until(() => link.getAttribute("href"));
		return (await fetch(link.getAttribute("href"))).text()`)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
	if err != nil || len(rows) != 1+len(walked) {
		t.Errorf("%d rows, %v: %s", len(rows), err, body)
	}
	lines := evaluate[int](t, ctx, `return (await (await fetch(document.getElementById("export-ndjson").getAttribute("href"))).text()).trim().split("\n").length`)
	if lines != len(walked) {
		t.Errorf("%d lines of NDJSON", lines)
	}
}

// TestDashboardExplains: a page is explained where the operator looks.
func TestDashboardExplains(t *testing.T) {
	d := startDemo(t)
	ctx := operatorPage(t, d)
	said := evaluate[string](t, ctx, fmt.Sprintf(`
		document.getElementById("explain-url").value = %q;
		document.getElementById("explain").requestSubmit();
		await until(() => document.querySelector("#findings dd, #findings .wrong"));
		return document.getElementById("findings").innerText`, d.site+"/"))
	if !strings.Contains(said, "injected") {
		t.Errorf("explained: %s", said)
	}
}

// TestDashboardHostile: what strangers send is shown as text, raw input included.
func TestDashboardHostile(t *testing.T) {
	d := startDemo(t)
	const markup = `<img src=x onerror=alert(1)><script>alert(1)</script>`
	for _, body := range []string{
		fmt.Sprintf(`{"v":1,"page":"p","session":"s","url":"http://a.test/%s","title":%[1]q,"events":[{"id":%[1]q,"seq":1,"at":%[2]d,"type":%[1]q,"object":{"chatID":%[1]q}}]}`,
			markup, time.Now().UnixMilli()),
		markup,
	} {
		post(t, d, body)
	}
	ctx := operatorPage(t, d)
	images := evaluate[int](t, ctx, reading+`
		await until(() => tail().length === 1);
		document.querySelector("#tail summary").click();
		id("flagged").click();
		id("rejected-input").open = true;
		await until(() => document.querySelector("#rejected summary"));
		document.querySelector("#rejected summary").click();
		await until(() => document.querySelector("#rejected pre")?.textContent.includes("<script>"));
		await until(() => id("series").innerText.includes("Other types") && id("flags").textContent.includes("unknown_type"));
		return document.querySelectorAll("main img, main script").length`)
	if images != 0 {
		t.Errorf("%d elements were made of what a stranger sent", images)
	}
}

// TestDashboardAccessibility: axe finds nothing serious, in light and dark, on a
// desk and on a phone, empty and in use.
func TestDashboardAccessibility(t *testing.T) {
	axe := axeScript(t)
	d := startDemo(t)
	ctx := operatorPage(t, d)
	evaluate[bool](t, ctx, reading+`await until(() => visible("welcome")); return true`)
	audit(t, ctx, axe, "empty")
	view(t, d.site+"/")
	evaluate[bool](t, ctx, reading+`await until(advice); return true`)
	audit(t, ctx, axe, "no event")
	chat(t, d)
	evaluate[bool](t, ctx, reading+`
		await until(() => chats("ChatFinished") === "1" && tail().length >= 8);
		for (const details of document.querySelectorAll("details")) details.open = true;
		range("custom");
		return true`)
	audit(t, ctx, axe, "in use")
}

// audit has axe look at the page in both colour schemes and widths.
func audit(t *testing.T, ctx context.Context, axe, state string) {
	t.Helper()
	for _, width := range []int64{1440, 390} {
		for _, scheme := range []string{"light", "dark"} {
			emulate(t, ctx, width, scheme)
			if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](axe+";true")); err != nil {
				t.Fatal(err)
			}
			findings := evaluate[[]string](t, ctx, `
				const {violations} = await axe.run();
				return violations.filter(v => ["serious", "critical"].includes(v.impact))
					.map(v => v.id + ": " + v.nodes.map(n => n.target + " " + n.failureSummary).join("; "))`)
			for _, finding := range findings {
				t.Errorf("%s, %d wide, %s: %s", state, width, scheme, finding)
			}
			if wide := evaluate[int](t, ctx, `return document.documentElement.scrollWidth - innerWidth`); wide > 0 {
				t.Errorf("%s, %d wide: the page is %d wider", state, width, wide)
			}
		}
	}
}

// emulate shows the page in a window of a width and in a colour scheme.
func emulate(t *testing.T, ctx context.Context, width int64, scheme string) {
	t.Helper()
	command(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	do(t, ctx, chromedp.EmulateViewport(width, 900))
}

// axeScript returns the source of axe-core, which npm installs once.
func axeScript(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("SKIP: npm is not installed")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	dir := filepath.Join(cache, "ctlive-e2e", "axe-core-"+axeVersion)
	if !exists(dir) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		fresh := dir + ".new" // a folder without this suffix is complete
		if err := os.MkdirAll(fresh, 0o755); err != nil {
			t.Fatal(err)
		}
		npm := exec.CommandContext(ctx, "npm", "install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund", "axe-core@"+axeVersion)
		if out, err := npm.CombinedOutput(); err != nil {
			t.Skipf("SKIP: npm install axe-core: %v\n%s", err, out)
		}
		if err := os.Rename(fresh, dir); err != nil {
			t.Fatal(err)
		}
	}
	source, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}
