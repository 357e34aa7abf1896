package browser

import (
	_ "embed"
	"testing"

	"github.com/chromedp/chromedp"
)

// younger takes away what came after ES2017, and what browsers of the last five years do not all have.
//
//go:embed younger.js
var younger string

// The listener hears, keeps and sends where nothing younger than ES2017 is there.
func TestWorksWithoutYoungerAPIs(t *testing.T) {
	t.Parallel()
	o := options()
	o.DataLayer = true
	s, b := newSite(t, o), newTab(t)
	s.page("/", `<!doctype html><head><script>`+younger+`</script>{ctlive}</head>`+widget+`<script>post("Loaded")</script>`)
	s.answer(503)
	b.open(s.URL)
	b.post("ChatStarted")
	s.awaitAttempts(1)
	b.do(chromedp.Reload())
	b.await("self.ctlive && ctlive.version")
	s.answer(200)
	b.run("ctlive.on('*', () => {}); ctlive.off('*', () => {}); ctlive.consent(true)")
	s.await("both page views", func() bool { return len(s.accounts()) == 2 })
	s.awaitAccounts()
	if missed := b.text("missed"); missed != "" {
		t.Errorf("younger APIs that were called: %s", missed)
	}
}
