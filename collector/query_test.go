package collector

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// fill stores n events, one a second, that arrive out of order; every fifth belongs to a chat.
func fill(t testing.TB, s *Store, n int) {
	t.Helper()
	j := job{input: input{site: testSite.Name, received: 1}, view: &view{page: "p", url: "https://www.example.com/"}}
	for i := range n {
		i = (i*7 + 3) % n // a permutation unless 7 divides n
		e := event{id: fmt.Sprint(i), typ: "Loaded", at: millis(testTime) + Millis(i*1000), object: []byte(`{}`)}
		if i%5 == 0 {
			e.typ, e.chatID = "ChatStarted", fmt.Sprintf("c%d", i%10)
		}
		j.events = append(j.events, e)
	}
	if err := s.do(t.Context(), &j); err != nil {
		t.Fatal(err)
	}
}

func ids(records []Record) []string {
	var all []string
	for _, r := range records {
		all = append(all, r.ID)
	}
	return all
}

func TestEvents(t *testing.T) {
	s := openStore(t, t.TempDir())
	const n = eventPage + 44
	fill(t, s, n)
	at := func(i int) time.Time { return testTime.Add(time.Duration(i) * time.Second) }
	tests := []struct {
		name              string
		f                 Filter
		first, last, want int
	}{
		{"all", Filter{}, 0, n - 1, n},
		{"since", Filter{Since: at(100)}, 100, n - 1, n - 100},
		{"until", Filter{Until: at(100)}, 0, 99, 100},
		{"between", Filter{Since: at(10), Until: at(12)}, 10, 11, 2},
		{"type", Filter{Type: "ChatStarted"}, 0, n - 5, n / 5},
		{"chat", Filter{Chat: "c5"}, 5, n - 5, n / 10},
		{"site", Filter{Site: testSite.Name}, 0, n - 1, n},
		{"limit", Filter{Limit: 3}, 0, 2, 3},
		{"limit of a page", Filter{Limit: eventPage}, 0, eventPage - 1, eventPage},
		{"limit beyond a page", Filter{Limit: eventPage + 1}, 0, eventPage, eventPage + 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := collect(t, s.Events(t.Context(), test.f))
			if len(got) != test.want || got[0].ID != fmt.Sprint(test.first) || got[len(got)-1].ID != fmt.Sprint(test.last) {
				t.Errorf("got %d: %q", len(got), ids(got))
			}
			if !slices.IsSortedFunc(got, func(a, b Record) int { return int(a.At - b.At) }) {
				t.Error("not the oldest first")
			}
		})
	}
	for name, f := range map[string]Filter{"no site": {Site: "other"}, "no type": {Type: "x"}, "no time": {Since: at(n)}} {
		if got := collect(t, s.Events(t.Context(), f)); len(got) != 0 {
			t.Errorf("%s: %q", name, ids(got))
		}
	}
}

func TestEventsOfOneMillisecond(t *testing.T) {
	s := openStore(t, t.TempDir())
	var want []string
	for i := range 2*eventPage + 1 {
		want = append(want, fmt.Sprint(i))
		e := event{id: fmt.Sprint(i), typ: "Loaded", at: 7, object: []byte(`{}`)}
		if err := s.do(t.Context(), &job{view: &view{}, events: []event{e}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(allEvents(t, s)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestEventsOfOnePage: events of one millisecond are in the page's order, also
// where a later batch arrived first.
func TestEventsOfOnePage(t *testing.T) {
	s := openStore(t, t.TempDir())
	j := job{input: input{site: testSite.Name, received: 1}, view: &view{page: "p"}}
	for _, seq := range []int64{3, 4, 1, 2} {
		j.events = append(j.events, event{id: fmt.Sprint(seq), typ: "Loaded", seq: seq, at: millis(testTime), object: []byte(`{}`)})
	}
	if err := s.do(t.Context(), &j); err != nil {
		t.Fatal(err)
	}
	if got := ids(collect(t, s.Events(t.Context(), Filter{}))); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		t.Errorf("got %q", got)
	}
}

func TestEventsCanBeReadAgain(t *testing.T) {
	s := openStore(t, t.TempDir())
	fill(t, s, eventPage+1)
	events := s.Events(t.Context(), Filter{})
	for range 2 {
		if n := len(collect(t, events)); n != eventPage+1 {
			t.Errorf("got %d", n)
		}
	}
}

func TestEventsStopAndFail(t *testing.T) {
	s := openStore(t, t.TempDir())
	fill(t, s, 10)
	for range s.Events(t.Context(), Filter{}) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for r, err := range s.Events(ctx, Filter{}) {
		if err == nil {
			t.Errorf("got %v", r)
		}
	}
}

// A reader between two records holds no snapshot, so the log can be reset under it.
func TestSlowReaderDoesNotPinTheLog(t *testing.T) {
	s := openStore(t, t.TempDir())
	fill(t, s, 10)
	for range s.Events(t.Context(), Filter{}) {
		var busy, log, done int
		if err := writeDB(t, s).QueryRow(`PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &done); err != nil || busy != 0 {
			t.Fatalf("busy %d, %v", busy, err)
		}
	}
}

func TestQueriesUseTheIndexes(t *testing.T) {
	s := openStore(t, t.TempDir())
	for _, test := range []struct {
		f     Filter
		index string
	}{
		{Filter{}, "events_at"},
		{Filter{Since: testTime}, "events_at"},
		{Filter{Chat: "c"}, "events_chat"},
	} {
		w := test.f.where("e", "at")
		w.and("e.row <= ?", 99)
		w.and("(e.at, e.row) > (?, ?)", 1, 2)
		rows, err := readDB(t, s).Query("EXPLAIN QUERY PLAN "+selectEvents+w.String()+" ORDER BY e.at, e.row LIMIT 9", w.args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan strings.Builder
		for rows.Next() {
			var a, b, c int
			var detail string
			if err := rows.Scan(&a, &b, &c, &detail); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&plan, detail)
		}
		if rows.Close(); !strings.Contains(plan.String(), test.index) || strings.Contains(plan.String(), "TEMP B-TREE") {
			t.Errorf("%+v:\n%s", test.f, &plan)
		}
	}
}

func TestCounts(t *testing.T) {
	s := openStore(t, t.TempDir())
	fill(t, s, 50)
	got, err := s.Counts(t.Context(), Filter{Since: testTime.Add(10 * time.Second)})
	if want := []Count{{testSite.Name, "ChatStarted", 8}, {testSite.Name, "Loaded", 32}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRejectedFilters(t *testing.T) {
	s := openStore(t, t.TempDir())
	for i := range 3 * rejectPage {
		site := []string{"a", "b"}[i%2]
		r := newReject(reject("odd", ""), fmt.Append(nil, i), 0)
		if err := s.do(t.Context(), &job{input: input{site: site, received: millis(testTime) + Millis(i)}, rejects: []Reject{r}}); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		f     Filter
		n     int
		first string
	}{
		"all":   {Filter{}, 3 * rejectPage, "0"},
		"site":  {Filter{Site: "b"}, 3 * rejectPage / 2, "1"},
		"since": {Filter{Since: testTime.Add(10 * time.Millisecond)}, 3*rejectPage - 10, "10"},
		"limit": {Filter{Limit: 5}, 5, "0"},

		"newest":       {Filter{Newest: true}, 3 * rejectPage, fmt.Sprint(3*rejectPage - 1)},
		"newest, site": {Filter{Newest: true, Site: "a", Limit: rejectPage + 1}, rejectPage + 1, fmt.Sprint(3*rejectPage - 2)},
	} {
		got := collect(t, s.Rejected(t.Context(), test.f))
		if len(got) != test.n || string(got[0].Raw) != test.first {
			t.Errorf("%s: %d, the first %q", name, len(got), got[0].Raw)
		}
		if !slices.IsSortedFunc(got, func(a, b Reject) int {
			if test.f.Newest {
				a, b = b, a
			}
			return cmp.Compare(a.Row, b.Row)
		}) {
			t.Errorf("%s: not in order", name)
		}
	}
}

func TestQuarantineIsBounded(t *testing.T) {
	s := openStore(t, t.TempDir())
	raw := make([]byte, maxRaw)
	const extra = 3
	for left := maxRejectBytes/maxRaw + extra; left > 0; {
		j := job{input: input{site: "a"}}
		for ; left > 0 && len(j.rejects) < 256; left-- {
			j.rejects = append(j.rejects, newReject(reject("odd", ""), raw, maxRaw))
		}
		if err := s.do(t.Context(), &j); err != nil {
			t.Fatal(err)
		}
	}
	var rows, size int
	if err := readDB(t, s).QueryRow(`SELECT count(*), sum(length(raw)) FROM quarantine`).Scan(&rows, &size); err != nil || size != maxRejectBytes {
		t.Errorf("%d rows of %d bytes, %v", rows, size, err)
	}
	if losses, err := s.Losses(t.Context(), ""); err != nil || losses[0].Count != int64(maxRejectBytes/maxRaw+extra) {
		t.Errorf("losses %v, %v: want also those that had to make room", losses, err)
	}
}

func TestParseTime(t *testing.T) {
	for in, want := range map[string]time.Time{
		"24h":                       testTime.Add(-24 * time.Hour),
		"90m":                       testTime.Add(-90 * time.Minute),
		"7d":                        testTime.AddDate(0, 0, -7),
		"0s":                        testTime,
		"2026-11-01":                time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		"2026-11-01T10:00:00.5Z":    time.Date(2026, 11, 1, 10, 0, 0, 5e8, time.UTC),
		"2026-11-01T10:00:00+02:00": time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC),
	} {
		if got, err := ParseTime(in, testTime); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "yesterday", "-1h", "-1d", "d", "1.5d", "99999999d", "2026-13-01"} {
		if got, err := ParseTime(in, testTime); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestMillis(t *testing.T) {
	for m, want := range map[Millis]string{
		0: "1970-01-01T00:00:00.000Z", 1795366800001: "2026-11-22T17:00:00.001Z", maxTime: "9999-12-31T23:59:59.999Z",
	} {
		var back Millis
		if err := back.UnmarshalText([]byte(want)); m.String() != want || back != m || err != nil {
			t.Errorf("%d: %s, and back %d, %v", m, m, back, err)
		}
	}
}
