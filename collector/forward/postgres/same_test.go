package postgres_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctlive/collector"
	"ctlive/collector/forward"
	"ctlive/collector/forward/postgres"
	"ctlive/collector/forward/postgres/pgtest"
	"ctlive/collector/report"
)

var sites = []string{"a.test", "b.test", "c.test"}

var began = time.Date(2026, 3, 28, 20, 0, 0, 0, time.UTC) // the clocks change in the night

// both is an edge with its store, and a database to which its events are sent: the same is asked of
// either.
type both struct {
	t        *testing.T
	dir      string
	store    *collector.Store
	intake   map[string]http.Handler
	sink     *postgres.Sink
	own      *report.Report
	all      *report.Report
	edge     http.Handler // what the edge's admin listener answers
	database http.Handler // what ctlive dashboard does
	row      int64        // sent up to here
	erasure  int64
}

func newBoth(t *testing.T, server *pgtest.Server) *both {
	t.Helper()
	b := &both{t: t, dir: t.TempDir(), intake: map[string]http.Handler{}}
	log := slog.New(slog.DiscardHandler)
	dsn := server.Database(t)
	var err error
	must := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b.store, err = collector.Open(b.dir, log)
	must()
	t.Cleanup(func() { b.store.Close() })
	c := collector.New(b.store, collector.Options{Rate: math.Inf(1), Trusted: true, Now: func() time.Time { return began.Add(40 * 24 * time.Hour) }})
	for _, name := range sites {
		b.intake[name] = c.Handler(collector.Site{Name: name})
	}
	b.sink, err = postgres.New(postgres.Options{DSN: dsn, Table: "ctlive_events", Logger: log})
	must()
	t.Cleanup(func() { b.sink.Close() })
	b.put("a.test", "Mozilla/5.0", `{"v":1,"page":"p","events":[{"id":"first","type":"Loaded","object":{}}]}`)
	b.send() // makes the tables
	events, err := postgres.Open(t.Context(), postgres.Options{DSN: dsn, Table: "ctlive_events"})
	must()
	t.Cleanup(func() { events.Close() })
	b.own, err = report.Open(b.dir, b.store, log)
	must()
	b.all, err = report.OpenSource(filepath.Join(t.TempDir(), "report.db"), events, events, log)
	must()
	for _, r := range []*report.Report{b.own, b.all} {
		r.Start(t.Context())
		t.Cleanup(func() { r.Close() })
	}
	b.edge, b.database = serve(collector.API(b.store, log), b.own), serve(collector.API(events, log), b.all)
	return b
}

func serve(api http.Handler, figures *report.Report) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/", api)
	mux.Handle("/api/report", report.Handler(figures, nil))
	return mux
}

// put sends a body to a site.
func (b *both) put(site, agent, body string) {
	b.t.Helper()
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("User-Agent", agent)
	answer := httptest.NewRecorder()
	b.intake[site].ServeHTTP(answer, r)
	if answer.Code != http.StatusOK {
		b.t.Fatalf("%d %s", answer.Code, answer.Body)
	}
}

// send passes on what the edge has stored and erased, some of it twice.
func (b *both) send() {
	b.t.Helper()
	var events []collector.Record
	for {
		page, err := b.store.After(b.t.Context(), b.row, 100)
		if err != nil {
			b.t.Fatal(err)
		}
		again := append(events[len(events)/2:], page...)
		if len(page) == 0 {
			again = nil
		}
		if err := b.sink.Send(b.t.Context(), again); err != nil {
			b.t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		b.row, events = page[len(page)-1].Row, page
	}
	notes, err := b.store.Erasures(b.t.Context(), b.erasure, 100)
	if err == nil && len(notes) > 0 {
		err = b.sink.Erase(b.t.Context(), notes)
		b.erasure = notes[len(notes)-1].Row
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// muddle stores n batches of anything, some of them twice.
func (b *both) muddle(rng *rand.Rand, n int) {
	types := []string{"Loaded", "WidgetShown", "WidgetClicked", "DatacollectionStarted", "ChatStarted", "ChatOnline", "ChatFinished", "Custom\u00e9"}
	objects := []string{`{}`, `{"type":"Chat"}`, `{"type":"CallbackNow","big":1e400,"n":9007199254740993}`, `{"type":7}`, `{"x":"\u0000\ud83d\ude00"}`, `{ "z":1,  "a":[] }`}
	agents := []string{"Mozilla/5.0", "Mozilla/5.0", "Mozilla/5.0", "Googlebot/2.1"}
	for i := range n {
		var events []string
		at := began.Add(time.Duration(rng.Int64N(int64(36 * time.Hour))))
		for j := range 1 + rng.IntN(6) {
			object := objects[rng.IntN(len(objects))]
			typ := types[rng.IntN(len(types))]
			if strings.HasPrefix(typ, "Chat") {
				object = fmt.Sprintf(`{"chatID":"c%d","userID":"u%d"}`, rng.IntN(n/4+1), rng.IntN(n))
			}
			moment := at.Add(time.Duration(rng.IntN(3000)) * 100 * time.Millisecond).UnixMilli()
			events = append(events, fmt.Sprintf(`{"id":"e%d-%d","seq":%d,"at":%d,"type":%q,"object":%s,"more":%d}`, i, j, rng.IntN(9), moment, typ, object, j))
		}
		page := fmt.Sprint("page", rng.IntN(n/3+1))
		if rng.IntN(10) == 0 {
			page = ""
		}
		site := sites[rng.IntN(len(sites))]
		body := fmt.Sprintf(`{"v":1,"page":%q,"session":"s","url":"https://%s/%d","title":"\u202e=1+1","refused":%d,"dropped":%d,"prerender":%t,"events":[%s]}`,
			page, site, rng.IntN(40), rng.IntN(3), rng.IntN(2), rng.IntN(12) == 0, strings.Join(events, ","))
		for range 1 + rng.IntN(2)*rng.IntN(2) {
			b.put(site, agents[rng.IntN(len(agents))], body)
		}
		if rng.IntN(8) == 0 {
			b.send()
		}
	}
	b.send()
}

// asked is everything that the two must answer alike.
var asked = []string{
	"/api/report?since=2026-03-28&until=2026-03-31",
	"/api/report?since=2026-03-28&until=2026-03-31&site=b.test&tz=Europe/Rome",
	"/api/report?since=2026-03-29T06:00:00Z&until=2026-03-29T18:30:00Z&flagged=1&compare=1",
	"/api/report?since=2026-03-28&until=2026-03-31&site=no.test",
	"/api/events?format=ndjson",
	"/api/events?format=csv",
	"/api/events?limit=7",
	"/api/events?since=2026-03-29&until=2026-03-29T03:00:00Z&format=ndjson",
	"/api/events?type=ChatStarted&site=a.test&format=ndjson",
	"/api/events?chat=c1&format=csv",
	"/api/events?type=%00&format=csv",
	"/api/stats?since=2026-03-28",
	"/api/stats?doubtful=1&site=c.test&type=Loaded",
}

// same waits until both answer everything alike.
func (b *both) same(what string) {
	b.t.Helper()
	for _, url := range asked {
		var want, got string
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if want, got = ask(b.t, b.edge, url), ask(b.t, b.database, url); got == want && !strings.Contains(want, `"behind":1`) {
				break
			}
			if time.Now().After(end) {
				b.t.Fatalf("%s: %s\n from PostgreSQL %s\n from SQLite     %s", what, url, got, want)
			}
		}
	}
}

// ask returns an answer without what only an edge knows: when exactly pages were injected, accounts,
// and losses that are not of events.
func ask(t *testing.T, h http.Handler, url string) string {
	t.Helper()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest("GET", url, nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", url, answer.Code, answer.Body)
	}
	var document map[string]any
	if strings.Contains(url, "events") || json.Unmarshal(answer.Body.Bytes(), &document) != nil {
		return answer.Body.String()
	}
	if in, ok := document["injection"].(map[string]any); ok {
		delete(in, "series")
	}
	if document["behind"] == 0.0 {
		delete(document, "behind")
	} else if _, ok := document["behind"]; ok {
		document["behind"] = 1
	}
	delete(document, "accounts")
	if strings.HasPrefix(url, "/api/stats") {
		delete(document, "losses")
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Whatever comes in, the figures and the events of the database are those of the store.
func TestSameAsTheStore(t *testing.T) {
	server := pgtest.Start(t)
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			b := newBoth(t, server)
			b.muddle(rand.New(rand.NewPCG(seed, 1)), 60)
			b.same("stored")
			b.muddle(rand.New(rand.NewPCG(seed, 1)), 60)
			b.same("stored again")
			for _, r := range []*report.Report{b.own, b.all} {
				if err := r.Rebuild(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			b.same("built again")
			for _, who := range []collector.Subject{{Chat: "c1"}, {User: "u2"}} {
				if _, err := collector.Erase(t.Context(), b.dir, who); err != nil {
					t.Fatal(err)
				}
			}
			b.send()
			b.same("erased")
		})
	}
}

// Pages that edges have told count once, however often they tell them.
func TestSamePages(t *testing.T) {
	b := newBoth(t, pgtest.Start(t))
	minute := time.Now().Unix() / 60
	for _, n := range []int64{2, 2, 5} {
		for _, edge := range []string{"one", "two"} {
			counts := []forward.PageCount{
				{Edge: edge, Minute: minute, Site: "a.test", Result: "injected", N: n},
				{Edge: edge, Minute: minute - 500, Site: "a.test", Result: "skipped", Reason: "csp", N: 3 * n},
			}
			if err := b.sink.Pages(t.Context(), counts); err != nil {
				t.Fatal(err)
			}
		}
	}
	const want = `"results":[{"n":30,"reason":"csp","result":"skipped"},{"n":10,"reason":"","result":"injected"}]`
	const url = "/api/report?since=24h"
	for range 2 {
		got := ask(t, b.database, url)
		for end := time.Now().Add(20 * time.Second); !strings.Contains(got, want) && time.Now().Before(end); got = ask(t, b.database, url) {
			time.Sleep(50 * time.Millisecond)
		}
		if !strings.Contains(got, want) || !strings.Contains(got, `"step":"injected","views":10`) {
			t.Fatalf("%s\nwant %s", got, want)
		}
		if err := b.all.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A live stream has the latest events and then each as it arrives, once.
func TestLive(t *testing.T) {
	b := newBoth(t, pgtest.Start(t))
	server := httptest.NewServer(b.database)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/api/live?last=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	next := func() (id string) {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var e struct{ ID string }
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					t.Fatal(err)
				}
				return e.ID
			}
		}
		t.Fatal(lines.Err())
		return ""
	}
	if got := next(); got != "first" {
		t.Errorf("stored: %s", got)
	}
	for _, want := range []string{"3", "4"} {
		b.put("a.test", "Mozilla/5.0", fmt.Sprintf(`{"v":1,"page":"p","events":[{"id":%q,"type":"Custom","object":{}}]}`, want))
		b.send()
		if got := next(); got != want {
			t.Errorf("landed: %s, want %s", got, want)
		}
	}
}

// While the server is down, figures say that they are old; afterwards they go on.
func TestServerAway(t *testing.T) {
	server := pgtest.Start(t)
	b := newBoth(t, server)
	await := func(what string, ok func(f figures) bool) {
		t.Helper()
		var f figures
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if f = figuresOf(t, b.database); ok(f) {
				return
			}
		}
		t.Fatalf("%s: %+v", what, f)
	}
	await("up", func(f figures) bool { return f.Stale == 0 && f.Funnel[2].Views == 1 })
	server.Kill()
	await("down", func(f figures) bool { return f.Stale > 1 && f.Funnel[2].Views == 1 })
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	b.sink.Close() // it knows nothing of the restart
	b.put("a.test", "Mozilla/5.0", `{"v":1,"page":"q","events":[{"id":"2","type":"Loaded","object":{}}]}`)
	b.send()
	await("up again", func(f figures) bool { return f.Stale == 0 && f.Funnel[2].Views == 2 })
}

type figures struct {
	Stale  int64
	Funnel []struct{ Views int64 }
}

func figuresOf(t *testing.T, h http.Handler) (f figures) {
	t.Helper()
	// Times are corrected to the moment of arrival where a page tells none.
	if err := json.Unmarshal([]byte(ask(t, h, "/api/report?since=2026-01-01&until=2027-12-31")), &f); err != nil {
		t.Fatal(err)
	}
	return f
}
