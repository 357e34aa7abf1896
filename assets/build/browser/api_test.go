package browser

import "testing"

func TestOnAndOff(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	b.run("heard = []; onmessage = null")
	b.post("Loaded", "WidgetShown")
	b.await("ctlive.events.length == 2")
	b.run(`
		const note = (name) => (e) => heard.push(name + ":" + e.type);
		star = note("star"); shown = note("shown");
		ctlive.on("*", () => { throw new Error("handler") });
		ctlive.on("*", star);
		ctlive.on("WidgetShown", shown);
		document.addEventListener("ctlive:ChatStarted", (e) => heard.push("dom:" + e.detail.type + e.detail.object.chatID));
		post("ChatStarted", {chatID: "c1"}); post("WidgetShown")`)
	b.await("heard.length >= 6")
	b.run(`ctlive.off("*", star); ctlive.off("WidgetShown", () => {}); post("WidgetShown")`)
	b.await("heard.length >= 7")
	const want = "star:Loaded,star:WidgetShown,shown:WidgetShown," +
		"dom:ChatStartedc1,star:ChatStarted,star:WidgetShown,shown:WidgetShown,shown:WidgetShown"
	b.await("heard == '" + want + "' || console.log(String(heard))")
	s.awaitTypes("Loaded WidgetShown ChatStarted WidgetShown WidgetShown")
	if !b.logged("Error: handler") {
		t.Error("the handler's error was not reported")
	}
}

// A handler that is added by a handler hears each event once.
func TestOnWithinAHandler(t *testing.T) {
	t.Parallel()
	s, b := newSite(t, options()), newTab(t)
	b.open(s.URL)
	b.run(`heard = []; ctlive.on("Loaded", () => ctlive.on("*", (e) => heard.push(e.type)))`)
	b.post("Loaded", "WidgetShown")
	b.await("heard == 'Loaded,WidgetShown'")
	s.awaitTypes("Loaded WidgetShown")
}

func TestHandlersOfTheOperator(t *testing.T) {
	t.Parallel()
	o := options()
	o.DataLayer = true
	o.Handlers = []byte("self.heard = []; ctlive.on('*', (e) => heard.push(e.type)); throw new Error('é in the handlers') // oops")
	s, b := newSite(t, o), newTab(t)
	s.page("/", `<!doctype html><head>{ctlive}</head>`+widget+`<script>post("Loaded")</script>`)
	b.open(s.URL)
	b.post("WidgetShown")
	s.awaitTypes("Loaded WidgetShown")
	b.await("self.heard == 'Loaded,WidgetShown'")
	if got := b.text("dataLayer.map((e) => e.event + ' ' + e.ctlive.type)"); got != "CTLive.Loaded Loaded,CTLive.WidgetShown WidgetShown" {
		t.Errorf("dataLayer: %s", got)
	}
	if !b.logged("é in the handlers") {
		t.Error("the error was not reported")
	}
}
