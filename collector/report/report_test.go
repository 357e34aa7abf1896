package report

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"ctlive/collector"
	"ctlive/collector/sqlite"
)

// noon is when stories begin.
var noon = time.Date(2026, 10, 14, 12, 0, 0, 0, time.UTC)

// tell sends a page's events, written as "TYPE CHAT SECONDS" after noon.
func (w *world) tell(page string, events ...string) {
	w.t.Helper()
	var list []string
	for _, e := range events {
		var typ, chat string
		var seconds int
		if _, err := fmt.Sscan(e, &typ, &chat, &seconds); err != nil {
			w.t.Fatal(err)
		}
		w.told++
		list = append(list, fmt.Sprintf(`{"id":"%d","type":%q,"at":%d,"object":{"chatID":%q}}`, w.told, typ, noon.UnixMilli()+int64(seconds)*1000,
			strings.Trim(chat, "-")))
	}
	w.put("a.test", "Mozilla/5.0", fmt.Sprintf(`{"v":1,"page":%q,"url":"https://a.test/%s","events":[%s]}`, page, page, strings.Join(list, ",")))
	w.catchUp()
}

func (w *world) chats() Chats {
	w.t.Helper()
	return w.query(Query{Since: noon.Add(-time.Hour), Until: noon.Add(time.Hour)}).Chats
}

func TestR1ChatAcrossThreePages(t *testing.T) {
	w := newWorld(t, noon.Add(time.Hour))
	w.tell("A", "ChatStarted c1 0")
	w.tell("B", "ChatOnline c1 20")
	w.tell("C", "ChatOnline c1 30", "ChatFinished c1 90")
	c := w.chats()
	if c.Started != 1 || c.Online != 1 || c.Finished != 1 || c.Wait.N != 1 || c.Wait.Median != 20_000 || c.Duration.N != 1 || c.Duration.Median != 70_000 {
		t.Errorf("%+v", c)
	}
	pages := w.query(Query{Since: noon, Until: noon.Add(time.Hour)}).Pages
	if len(pages) != 3 || pages[0] != (PageFigures{"https://a.test/A", 1, 1}) {
		t.Errorf("%+v", pages)
	}
}

func TestR2ChatInTwoTabs(t *testing.T) {
	w := newWorld(t, noon.Add(time.Hour))
	w.tell("A", "ChatStarted c1 0")
	for _, tab := range []string{"A", "B"} {
		w.tell(tab, "ChatOnline c1 20", "ChatFinished c1 60")
	}
	if c := w.chats(); c.Started != 1 || c.Online != 1 || c.Finished != 1 || c.Wait.N != 1 || c.Duration.N != 1 {
		t.Errorf("%+v", c)
	}
}

func TestR3MissedChat(t *testing.T) {
	w := newWorld(t, noon.Add(90*time.Second))
	w.tell("A", "ChatStarted c1 0")
	if c := w.chats(); c.Missed != 0 || c.Waiting != 1 {
		t.Errorf("before the time is over: %+v", c)
	}
	w.now = noon.Add(121 * time.Second)
	if c := w.chats(); c.Missed != 1 || c.Waiting != 0 {
		t.Errorf("after it: %+v", c)
	}
	w.tell("A", "ChatOnline c1 150")
	if c := w.chats(); c.Missed != 0 || c.Waiting != 0 || c.Online != 1 || c.Wait.Median != 150_000 {
		t.Errorf("when it is online late: %+v", c)
	}
}

func TestR4AnyOrder(t *testing.T) {
	events := []string{"ChatStarted c1 0", "ChatOnline c1 20", "ChatFinished c1 60", "WidgetClicked - -5"}
	want := ""
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}} {
		w := newWorld(t, noon.Add(time.Hour))
		for _, i := range order {
			w.tell("A", events[i])
		}
		got := text(t, w.query(Query{Since: noon.Add(-time.Hour), Until: noon.Add(time.Hour)}))
		if want = first2(want, got); got != want {
			t.Errorf("%v:\n got %s\nwant %s", order, got, want)
		}
	}
}

func first2(known, now string) string {
	if known == "" {
		return now
	}
	return known
}

func TestR6SeveralWidgets(t *testing.T) {
	w := newWorld(t, noon.Add(time.Hour))
	w.tell("A", "WidgetShown - 0", "WidgetShown - 1", "WidgetShown - 2")
	f := w.query(Query{Since: noon, Until: noon.Add(time.Hour)})
	if shown := f.Funnel[3]; shown.Step != "WidgetShown" || shown.Views != 1 {
		t.Errorf("%+v", shown)
	}
}

// What is erased in the store is gone from the figures, and no id of the chat was kept.
func TestErasure(t *testing.T) {
	w := newWorld(t, noon.Add(time.Hour))
	w.tell("A", "ChatStarted secret-chat 0", "ChatOnline secret-chat 20")
	w.tell("B", "ChatStarted c2 30")
	if c := w.chats(); c.Started != 2 || c.Online != 1 {
		t.Errorf("before: %+v", c)
	}
	if _, err := collector.Erase(t.Context(), w.dir, collector.Subject{Chat: "secret-chat"}); err != nil {
		t.Fatal(err)
	}
	w.catchUp()
	if c := w.chats(); c.Started != 1 || c.Online != 0 {
		t.Errorf("after: %+v", c)
	}
	w.report.Close()
	files, _ := filepath.Glob(filepath.Join(w.dir, "report.db*"))
	if len(files) != 1 {
		t.Errorf("files %q", files)
	}
	for _, file := range files {
		if b, err := os.ReadFile(file); err != nil || strings.Contains(string(b), "secret-chat") {
			t.Errorf("%s: %v, or the id stands in it", file, err)
		}
	}
}

// What the store's retention deletes leaves the figures a day later.
func TestRetention(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return time.Now().AddDate(0, 0, -n).Truncate(time.Minute) }
	w := newWorld(t, day(50))
	rng := rand.New(rand.NewPCG(2, 2))
	w.report.Page("a.test", "injected", "")
	w.random(rng, 40, day(52), 24*time.Hour)
	w.now = day(10)
	w.report.Page("a.test", "injected", "")
	for _, page := range []string{"a", "b"} {
		w.put("a.test", "", fmt.Sprintf(`{"v":1,"page":%q,"events":[{"type":"ChatStarted","object":{"chatID":"c1"}}]}`, page))
	}
	w.catchUp()
	all := Query{Since: day(60), Until: day(-1)}
	if f := w.query(all); f.Chats.Started < 3 || f.Funnel[0].Views != 2 {
		t.Errorf("before: %+v", f)
	}
	w.store.Keep(40 * 24 * time.Hour)
	// Views go after their events, and the sites with them.
	for end := time.Now().Add(time.Minute); len(w.accounts()) > 1 || len(w.records()) > 2; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the store deletes nothing")
		}
	}
	w.now = time.Now().Add(25 * time.Hour)
	w.catchUp()
	f := w.query(all)
	if f.Chats.Started != 1 || f.Chats.Missed != 1 || f.Funnel[1].Views != 2 || f.Funnel[0].Views != 1 || len(f.Sites) != 1 {
		t.Errorf("after: %+v", f)
	}
}

// Whatever report.db has become, it is built again and the same.
func TestReportIsBuiltAgain(t *testing.T) {
	spoil := map[string]func(file string) error{
		"gone":        os.Remove,
		"empty":       func(file string) error { return os.WriteFile(file, nil, 0o600) },
		"no database": func(file string) error { return os.WriteFile(file, []byte(strings.Repeat("nonsense", 1000)), 0o600) },
		"cut off":     func(file string) error { return os.Truncate(file, 3*4096) },
		"of another version": func(file string) error {
			return execute(file, `PRAGMA user_version = 999; DROP TABLE buckets`)
		},
		"with a tally that is none": func(file string) error {
			return execute(file, `UPDATE buckets SET data = x'00ff'; UPDATE views SET state = x''`)
		},
	}
	for name, spoil := range spoil {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, clocks.AddDate(0, 0, 31))
			rng := rand.New(rand.NewPCG(3, 3))
			w.injected(rng, clocks, 24*time.Hour)
			w.random(rng, 30, clocks, 24*time.Hour)
			w.catchUp()
			all := Query{Since: clocks, Until: clocks.AddDate(0, 0, 2), Flagged: true}
			want := text(t, w.query(all))
			w.report.Close()
			if err := spoil(filepath.Join(w.dir, "report.db")); err != nil {
				t.Fatal(err)
			}
			w.open()
			w.repair(all)
			if got := text(t, w.query(all)); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

// repair has the report come upon what is wrong with it, as its readers and new events do.
func (w *world) repair(q Query) {
	w.t.Helper()
	w.report.Query(w.t.Context(), q)
	w.catchUp()
}

func execute(file, text string) error {
	db, err := sqlite.Open(file, "rw", 1)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(text)
	return err
}

// A report that is started sees an event within a second of its commit.
func TestFollows(t *testing.T) {
	w := newWorld(t, noon.Add(time.Hour))
	w.report.Start(t.Context())
	for i := range 3 {
		w.put("a.test", "", fmt.Sprintf(`{"v":1,"page":"p%d","events":[{"type":"Loaded"}]}`, i))
		stored := time.Now()
		for w.query(Query{Until: noon.Add(2 * time.Hour)}).Injection.Loaded != int64(i+1) {
			if time.Since(stored) > time.Second {
				t.Fatalf("event %d is not counted after a second", i)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if err := w.report.Close(); err != nil {
		t.Error(err)
	}
	if err := w.report.Close(); err != nil {
		t.Error("again:", err)
	}
	if _, err := w.report.Query(t.Context(), Query{}); err == nil {
		t.Error("closed, it answers")
	}
}

// The figures of parts of a range add up to those of the range.
func TestPartsAddUp(t *testing.T) {
	w := newWorld(t, clocks.AddDate(0, 0, 31))
	rng := rand.New(rand.NewPCG(4, 4))
	w.injected(rng, clocks, 72*time.Hour)
	w.random(rng, 200, clocks, 72*time.Hour)
	w.catchUp()
	for _, name := range zones {
		for _, flagged := range []bool{false, true} {
			whole := Query{Since: clocks, Until: clocks.Add(72 * time.Hour), Zone: zone(t, name), Flagged: flagged}
			want := numbers(t, w.query(whole))
			got := make([]int64, len(want))
			for at := whole.Since; at.Before(whole.Until); at = at.Add(time.Hour) {
				q := whole
				q.Since, q.Until = at, at.Add(time.Hour)
				for i, n := range numbers(t, w.query(q)) {
					got[i] += n
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, flagged %t: hours add up to %v, the range is %v", name, flagged, got, want)
			}
		}
	}
}

// numbers returns all that adds up, after seeing that it does so within f.
func numbers(t *testing.T, f *Figures) (all []int64) {
	t.Helper()
	c := f.Chats
	started := int64(0)
	for _, day := range f.Hours {
		for _, n := range day {
			started += n
		}
	}
	if started != c.Started || c.Missed+c.Waiting+c.Wait.N != c.Started {
		t.Errorf("%d chats by the hour, %+v", started, c)
	}
	bySeries := map[string]int64{}
	for _, s := range f.Series {
		for _, n := range s.Counts {
			bySeries[s.Type] += n
		}
	}
	for _, typ := range typeNames {
		all = append(all, bySeries[typ])
	}
	for _, s := range f.Funnel {
		all = append(all, s.Views)
	}
	clicks := int64(0)
	for _, k := range f.Clicks {
		clicks += k.N
	}
	if clicks != bySeries["WidgetClicked"] {
		t.Errorf("%d clicks by kind, %d by time", clicks, bySeries["WidgetClicked"])
	}
	for i, r := range f.Injection.Results {
		n := int64(0)
		for _, k := range f.Injection.Series[i].Counts {
			n += k
		}
		if n != r.N {
			t.Errorf("%+v, but %d by time", r, n)
		}
	}
	return append(all, c.Started, c.Online, c.Finished, c.Missed, c.Waiting, c.Wait.N, c.Duration.N, f.Flagged.Bot, f.Flagged.UnknownType)
}

func TestSteps(t *testing.T) {
	rome := zone(t, "Europe/Rome")
	until := time.Date(2026, 10, 26, 17, 41, 30, 0, rome)
	tests := []struct {
		since       time.Duration
		step, start string
		steps       int
	}{
		{5 * time.Minute, "1m0s", "2026-10-26 17:36", 6},
		{time.Hour, "2m0s", "2026-10-26 16:40", 31},
		{6 * time.Hour, "15m0s", "2026-10-26 11:30", 25},
		{24 * time.Hour, "1h0m0s", "2026-10-25 17:00", 25},
		{7 * 24 * time.Hour, "6h0m0s", "2026-10-19 18:00", 29}, // in summer time
		{30 * 24 * time.Hour, "24h0m0s", "2026-09-26 00:00", 31},
		{365 * 24 * time.Hour, "168h0m0s", "2025-10-20 00:00", 54},
		{50 * 365 * 24 * time.Hour, "8736h0m0s", "1975-12-29 00:00", 52},
	}
	for _, test := range tests {
		q := Query{Since: until.Add(-test.since), Until: until, Zone: rome}
		x, err := q.extent(until)
		if err != nil {
			t.Fatal(err)
		}
		step, start := time.Duration(x.step)*time.Minute, time.Unix(x.start*60, 0).In(rome).Format("2006-01-02 15:04")
		if step.String() != test.step || start != test.start || x.steps() != test.steps {
			t.Errorf("%v: %d steps of %v from %s, want %d of %s from %s", test.since, x.steps(), step, start, test.steps, test.step, test.start)
		}
	}
	for length := time.Duration(24); length < 400*365*24*60; length += length/50 + 1 {
		q := Query{Since: time.Unix(0, 0), Until: time.Unix(0, 0).Add(min(length, 250*365*24*60) * time.Minute)}
		if x, err := q.extent(until); err != nil || x.steps() < 24 || x.steps() > 200 {
			t.Errorf("%v: %d steps, %v", length*time.Minute, x.steps(), err)
		}
	}
}

func TestStretchesCoverTheRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for range 10_000 {
		from := rng.Int64N(1000)
		to := from + 1 + rng.Int64N(1000)
		at := from
		for _, s := range stretches(from, to, rng.IntN(levels)) {
			if s.from != at || s.to <= s.from || s.from%span[s.level] != 0 || s.to%span[s.level] != 0 {
				t.Fatalf("%d to %d: %+v", from, to, s)
			}
			at = s.to
		}
		if at != to {
			t.Fatalf("%d to %d ends at %d", from, to, at)
		}
	}
}

func TestHandler(t *testing.T) {
	w := newWorld(t, noon.Add(time.Hour))
	w.tell("A", "Loaded - 0", "ChatStarted c1 10")
	h := Handler(w.report, func(f *Figures) { f.Certificates = append(f.Certificates, Certificate{Host: "a.test"}) })
	get := func(method, query string) (int, string) {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(method, "/api/report"+query, nil))
		return answer.Code, answer.Body.String()
	}
	code, body := get("GET", "?site=&since=7d&tz=Europe/Rome&compare=1&flagged=0")
	var f Figures
	if err := json.Unmarshal([]byte(body), &f); code != 200 || err != nil || f.Zone != "Europe/Rome" || f.Chats.Started != 1 ||
		len(f.Certificates) != 1 || f.Previous == nil {
		t.Errorf("%d %v %s", code, err, body)
	}
	if strings.Contains(body, "null") && !strings.Contains(body, `"chats":null`) || strings.Contains(strings.ReplaceAll(strings.ReplaceAll(body, `"chats":null`, ""), `"to":null`, ""), "null") {
		t.Errorf("null in %s", body)
	}
	if _, body := get("GET", "?site=nobody"); !strings.Contains(body, `"series":[{`) || !strings.Contains(body, `"pages":[]`) {
		t.Errorf("an unknown site: %s", body)
	}
	for query, want := range map[string]int{"?tz=Mars": 400, "?tz=../../etc/passwd": 400, "?tz=Local": 400, "?since=tomorrow": 400, "?color=red": 400,
		"?site=a&site=b": 400, "?compare=perhaps": 400, "?since=1h&until=2h": 400, "?%zz": 400, "?since=0001-01-01&until=9999-01-01": 200} {
		if code, body := get("GET", query); code != want {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
	if code, _ := get("POST", ""); code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", code)
	}
	w.report.Close()
	if code, body := get("GET", ""); code != 500 || strings.Contains(body, "/") {
		t.Errorf("closed: %d %s", code, body)
	}
}

// What the server refused is told beside what the pages lost.
func TestLosses(t *testing.T) {
	w := newWorld(t, noon.Add(time.Hour))
	w.put("a.test", "", `{"v":1,"page":"A","dropped":2,"events":[{"id":"1","type":"Loaded"},{"no":"event"}]}`)
	w.put("a.test", "", `{"v":1,"page":"A","dropped":5,"lost":{"early":1,"rate":2,"unheard":1},"events":[{"id":"1","type":"Loaded"}]}`) // the event is known
	r := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w.sites["a.test"].ServeHTTP(httptest.NewRecorder(), r)
	want := []Loss{{"page", "dropped", 2}, {"page", "dropped_early", 1}, {"page", "dropped_rate", 2}, {"server", "cross_site", 1}, {"server", "not_an_event", 1}}
	var got []Loss
	for end := time.Now().Add(30 * time.Second); !slices.Equal(got, want) && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		w.report.swept = time.Time{}
		w.catchUp()
		got = w.query(Query{Since: noon, Until: noon.Add(2 * time.Hour)}).Losses
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := w.query(Query{Site: "b.test", Since: noon, Until: noon.Add(2 * time.Hour)}).Losses; len(got) != 0 {
		t.Errorf("of another site: %v", got)
	}
}

func TestRebuildCanBeStopped(t *testing.T) {
	w := newWorld(t, noon.Add(time.Hour))
	w.tell("A", "ChatStarted c1 0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.report.Rebuild(ctx); err == nil {
		t.Error("no error")
	}
	if c := w.chats(); c.Started != 1 {
		t.Errorf("%+v", c)
	}
}

// TestOwnPages gives away what is over, some minutes at a time, and each minute whole.
func TestOwnPages(t *testing.T) {
	w := newWorld(t, noon)
	var want []PageCount
	for m := range int64(overRows/2 + 20) {
		w.now = noon.Add(time.Duration(m) * time.Minute)
		for range 3 {
			w.report.Page("a.test", "injected", "")
		}
		w.report.Page("a.test", "skipped", "csp")
		minute := minuteOf(w.now)
		want = append(want, PageCount{minute, minute, "a.test", "injected", "", 3}, PageCount{minute, minute, "a.test", "skipped", "csp", 1})
	}
	want = want[:len(want)-2] // the last minute is not over
	var got []PageCount
	for after := int64(0); ; {
		page, err := w.report.OwnPages(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		if len(page) > overRows {
			t.Errorf("%d at once", len(page))
		}
		got, after = append(got, page...), page[len(page)-1].Minute
	}
	slices.SortStableFunc(got, func(a, b PageCount) int { return strings.Compare(a.Result, b.Result) })
	slices.SortStableFunc(got, func(a, b PageCount) int { return int(a.Minute - b.Minute) })
	if !slices.Equal(got, want) {
		t.Errorf("%d counts, want %d", len(got), len(want))
	}
}

// Two processes should not keep the figures of one folder; where they do, each event counts once.
func TestTwoKeepers(t *testing.T) {
	w := newWorld(t, noon.Add(time.Hour))
	var log bytes.Buffer
	other, err := Open(w.dir, w.store, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.now = w.report.now
	for i, page := range []string{"A", "B", "C"} {
		w.tell(page, fmt.Sprintf("ChatStarted c%d 0", i)) // and the first one counts it
		if err := other.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.tell("D", "ChatStarted c4 0")
	f := w.query(Query{Since: noon.Add(-time.Hour), Until: noon.Add(time.Hour)})
	var events int64
	for _, s := range f.Series {
		for _, n := range s.Counts {
			events += n
		}
	}
	if events != 4 || f.Chats.Started != 4 {
		t.Errorf("%d events in %d chats, want 4", events, f.Chats.Started)
	}
	if text := log.String(); strings.Count(text, "another process") != 1 {
		t.Error(text)
	}
}
