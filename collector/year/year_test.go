package year_test

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"ctlive/collector"
	"ctlive/collector/report"
	"ctlive/collector/year"
)

var end = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// write returns a store with a year of n events, and its figures.
func write(t *testing.T, n int) (*collector.Store, *report.Figures) {
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	open := func() (*collector.Store, *report.Report) {
		s, err := collector.Open(dir, log)
		if err != nil {
			t.Fatal(err)
		}
		r, err := report.Open(dir, s, log)
		if err != nil {
			t.Fatal(err)
		}
		return s, r
	}
	s, r := open()
	r.Close()
	s.Close()
	if err := year.Write(t.Context(), dir, year.Options{Events: n, End: end}); err != nil {
		t.Fatal(err)
	}
	s, r = open()
	t.Cleanup(func() { s.Close() })
	defer r.Close()
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, err := r.Query(t.Context(), report.Query{Since: end.AddDate(-1, 0, 0), Until: end.AddDate(0, 0, 30), Flagged: true})
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

// TestWrite looks at a year as its readers do.
func TestWrite(t *testing.T) {
	const n = 20_000
	s, f := write(t, n)
	accounts, err := s.Accounts(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	stored := int64(0)
	for _, a := range accounts {
		stored += a.Stored
		if a.Pending != 0 || a.Seen != a.Stored+a.Dropped {
			t.Errorf("%s: %+v", a.Site, a)
		}
	}
	if stored < n || stored > n+20 {
		t.Errorf("%d events, want %d", stored, n)
	}
	for i, step := range f.Funnel {
		if step.Views == 0 || i > 0 && step.Views > f.Funnel[i-1].Views {
			t.Errorf("funnel: %+v", f.Funnel)
		}
	}
	if len(f.Sites) != 5 || f.Chats.Missed == 0 || f.Chats.Wait.P95 == 0 || len(f.Losses) == 0 {
		t.Errorf("sites %v, chats %+v, losses %+v", f.Sites, f.Chats, f.Losses)
	}
	if !slices.ContainsFunc(f.Losses, func(l report.Loss) bool { return l.Reason == "bad_json" && l.N > 0 }) {
		t.Errorf("nothing is rejected: %+v", f.Losses)
	}
}

// TestEnd: the year is as long as it says, whatever the number of events, and all of it has visitors.
func TestEnd(t *testing.T) {
	for _, n := range []int{100, 5_000, 50_000} {
		s, _ := write(t, n)
		var views []time.Time
		for r, err := range s.Events(t.Context(), collector.Filter{Type: "Loaded"}) {
			if err != nil {
				t.Fatal(err)
			}
			views = append(views, r.At.Time())
		}
		const late = time.Minute // the library takes a moment to load
		begin, last := end.AddDate(-1, 0, 0), views[len(views)-1]
		slack := 20 * end.Sub(begin) / time.Duration(len(views)) // nights and weekends are slow
		if views[0].Before(begin) || views[0].After(begin.Add(slack)) || last.Before(end.Add(-slack)) || last.After(end.Add(late)) {
			t.Errorf("%d events: from %v to %v", n, views[0], last)
		}
		if half := views[len(views)/2]; n > 1000 && half.Sub(begin.AddDate(0, 6, 0)).Abs() > 15*24*time.Hour {
			t.Errorf("%d events: half of them by %v", n, half)
		}
	}
}

// TestSame wants the same events of the same options.
func TestSame(t *testing.T) {
	ids := func() (all []string) {
		s, _ := write(t, 1000)
		for r, err := range s.Events(t.Context(), collector.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r.ID)
		}
		return all
	}
	if a, b := ids(), ids(); len(a) < 1000 || !slices.Equal(a, b) {
		t.Errorf("%d events, then %d others", len(a), len(b))
	}
}
