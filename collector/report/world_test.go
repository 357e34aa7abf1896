package report

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"ctlive/collector"
)

// world is a store and its report.
type world struct {
	t      *testing.T
	dir    string
	now    time.Time
	store  *collector.Store
	report *Report
	sites  map[string]http.Handler
	sent   []string // bodies, each with its site before it
	pages  []PageCount
	lost   map[[2]string][2]int64
	told   int // events of stories
}

var siteNames = []string{"a.test", "b.test", "c.test"}

func newWorld(t *testing.T, now time.Time) *world {
	w := &world{t: t, dir: t.TempDir(), now: now, sites: map[string]http.Handler{}, lost: map[[2]string][2]int64{}}
	var err error
	if w.store, err = collector.Open(w.dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	c := collector.New(w.store, collector.Options{Rate: math.Inf(1), Trusted: true, Now: func() time.Time { return w.now }})
	for _, name := range siteNames {
		w.sites[name] = c.Handler(collector.Site{Name: name})
	}
	w.open()
	t.Cleanup(func() { w.report.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.report, err = Open(w.dir, w.store, slog.New(slog.DiscardHandler)); err != nil {
		w.t.Fatal(err)
	}
	w.report.now = func() time.Time { return w.now }
}

// put sends a body to a site.
func (w *world) put(site, agent, body string) {
	w.t.Helper()
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("User-Agent", agent)
	answer := httptest.NewRecorder()
	w.sites[site].ServeHTTP(answer, r)
	if answer.Code != http.StatusOK {
		w.t.Fatalf("%d %s", answer.Code, answer.Body)
	}
}

// catchUp has the report count all there is.
func (w *world) catchUp() {
	w.t.Helper()
	w.report.looked = time.Time{}
	if err := w.report.catchUp(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) query(q Query) *Figures {
	w.t.Helper()
	f, err := w.report.Query(w.t.Context(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

func (w *world) records() []collector.Record {
	w.t.Helper()
	var all []collector.Record
	for r, err := range w.store.Events(w.t.Context(), collector.Filter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func (w *world) accounts() []collector.Account {
	w.t.Helper()
	accounts, err := w.store.Accounts(w.t.Context(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	return accounts
}

// random makes a muddle of n batches, some of it sent twice and all of it in any order.
func (w *world) random(rng *rand.Rand, n int, from time.Time, span time.Duration) {
	types := []string{"Loaded", "WidgetShown", "WidgetShown", "WidgetHidden", "WidgetClicked", "DatacollectionStarted",
		"ChatStarted", "ChatOnline", "ChatFinished", "Custom"}
	clicks := []string{`"Chat"`, `"Chat"`, `"CallbackNow"`, `"CallbackLater"`, `"ClickToCall"`, `"Fax"`, `7`}
	chance := func(in int) bool { return rng.IntN(in) == 0 }
	type body struct{ site, agent, text string }
	var bodies []body
	for i := range n {
		site := siteNames[rng.IntN(len(siteNames))]
		page := fmt.Sprint("page", rng.IntN(n/3+1))
		if chance(10) {
			page = ""
		}
		// A page view's events are near each other, but for a tab that stays open.
		begin := from.Add(time.Duration(rng.Int64N(int64(span))))
		var events []string
		for j := range 1 + rng.IntN(6) {
			at := begin.Add(time.Duration(rng.IntN(3000)) * 100 * time.Millisecond)
			if chance(20) {
				at = from.Add(time.Duration(rng.Int64N(int64(span))))
			}
			typ := types[rng.IntN(len(types))]
			object := "{}"
			switch {
			case strings.HasPrefix(typ, "Chat") || chance(30):
				object = fmt.Sprintf(`{"chatID":"c%d"}`, rng.IntN(n/4+1))
			case typ == "WidgetClicked":
				object = `{"type":` + clicks[rng.IntN(len(clicks))] + `}`
			}
			events = append(events, fmt.Sprintf(`{"id":"e%d-%d","at":%d,"type":%q,"object":%s}`, i, j, at.UnixMilli(), typ, object))
		}
		agent := "Mozilla/5.0"
		if chance(8) {
			agent = "Googlebot/2.1"
		}
		refused, dropped := rng.Int64N(3), int64(0)
		if chance(4) {
			dropped = rng.Int64N(5)
		}
		text := fmt.Sprintf(`{"v":1,"page":%q,"url":"https://%s/%d","refused":%d,"dropped":%d,"lost":{"full":%d,"age":%d},"prerender":%t,"events":[%s]}`,
			page, site, rng.IntN(40), refused, dropped, dropped/2, dropped/4, chance(12), strings.Join(events, ","))
		bodies = append(bodies, body{site, agent, text})
		if page != "" {
			k := [2]string{site, page}
			w.lost[k] = [2]int64{max(w.lost[k][0], refused), max(w.lost[k][1], dropped)}
		}
		if chance(6) {
			bodies = append(bodies, body{site, agent, text})
		}
	}
	rng.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
	for _, b := range bodies {
		w.put(b.site, b.agent, b.text)
		if chance(15) {
			w.catchUp()
		}
	}
}

// injected counts pages at random minutes.
func (w *world) injected(rng *rand.Rand, from time.Time, span time.Duration) {
	now := w.now
	minutes := make([]int64, 40)
	for i := range minutes {
		minutes[i] = minuteOf(from) + rng.Int64N(int64(span/time.Minute))
	}
	slices.Sort(minutes)
	for _, m := range minutes {
		w.now = time.Unix(m*60, 0)
		o := outcome{siteNames[rng.IntN(3)], "injected", ""}
		if rng.IntN(3) == 0 {
			o.result, o.reason = "skipped", []string{"csp", "frame"}[rng.IntN(2)]
		}
		w.report.Page(o.site, o.result, o.reason)
		w.pages = append(w.pages, PageCount{m, m, o.site, o.result, o.reason, 1})
		if rng.IntN(10) == 0 {
			w.catchUp()
		}
	}
	w.now = now
}

// expect computes what q's figures are to be; got says where they begin and what there is beside.
func (w *world) expect(q Query, got *Figures) *Figures {
	ref := &reference{query: q, from: got.Since, to: got.Until, start: got.Start, step: got.Step, now: w.now.UnixMilli(),
		records: w.records(), pages: w.pages, pageLosses: w.lost}
	want := ref.figures()
	want.Sites, want.Certificates, want.Upstreams, want.Sinks = siteNames, []Certificate{}, []Upstream{}, []Sink{}
	// Outcomes with the same number are in the order of their names.
	slices.SortFunc(want.Injection.Series, func(a, b OutcomeSeries) int { return strings.Compare(a.Reason, b.Reason) })
	if q.Compare {
		want.Previous = ref.previous()
	}
	return want
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
