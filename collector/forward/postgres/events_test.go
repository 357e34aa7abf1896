package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"ctlive/collector"
	"ctlive/collector/report"
)

var _ interface {
	collector.Source
	report.Source
	report.Pages
} = (*Events)(nil)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func headOf(t testing.TB, e *Events) report.Head {
	t.Helper()
	h, err := e.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// busy is an edge with events of all types on two sites, many of them at the same time.
func busy(t testing.TB, batches int) *edge {
	e := newEdge(t, "a.test", "b.test")
	rng := rand.New(rand.NewPCG(7, 7))
	types := []string{"Loaded", "WidgetShown", "WidgetClicked", "ChatStarted", "ChatOnline", "ChatFinished", "Unheard"}
	for n := range batches {
		var events []string
		for i := range 1 + rng.IntN(8) {
			at := noon.Add(time.Duration(rng.IntN(40)) * 100 * time.Second).UnixMilli()
			object := `{}`
			if rng.IntN(2) == 0 {
				object = fmt.Sprintf(`{"chatID":"c%d","userID":"u%d","type":"chat"}`, rng.IntN(9), rng.IntN(9))
			}
			events = append(events, fmt.Sprintf(`{"id":"%d-%d","seq":%d,"at":%d,"type":%q,"object":%s}`, n, i, rng.IntN(3), at, types[rng.IntN(len(types))], object))
		}
		e.put([]string{"a.test", "b.test"}[rng.IntN(2)], fmt.Sprintf(`{"v":1,"page":"p%d","url":"https://a.test/%d","prerender":%t,"refused":%d,"dropped":%d,"events":[%s]}`,
			rng.IntN(batches), rng.IntN(5), rng.IntN(9) == 0, rng.IntN(3)*rng.IntN(2), rng.IntN(2)*rng.IntN(2), strings.Join(events, ",")))
	}
	return e
}

// Queries of PostgreSQL answer as those of the local store do.
func TestEventsAsSQLite(t *testing.T) {
	s, e := open(t)
	edge := busy(t, 200)
	edge.forward(s)
	filters := []struct {
		name string
		collector.Filter
	}{
		{"all", collector.Filter{}},
		{"since", collector.Filter{Since: noon.Add(20 * time.Minute)}},
		{"until", collector.Filter{Until: noon.Add(20 * time.Minute)}},
		{"range", collector.Filter{Since: noon.Add(10 * time.Minute), Until: noon.Add(30 * time.Minute)}},
		{"type", collector.Filter{Type: "ChatStarted"}},
		{"site", collector.Filter{Site: "b.test"}},
		{"chat", collector.Filter{Chat: "c3"}},
		{"chat of a site", collector.Filter{Chat: "c3", Site: "a.test", Type: "ChatOnline"}},
		{"one page", collector.Filter{Limit: eventPage}},
		{"a little more", collector.Filter{Limit: eventPage + 1}},
		{"few", collector.Filter{Limit: 3, Type: "Loaded"}},
		{"doubtful", collector.Filter{Doubtful: true}},
		{"none", collector.Filter{Site: "c.test"}},
	}
	for _, test := range filters {
		t.Run(test.name, func(t *testing.T) {
			var got, want []collector.Record
			for r, err := range e.Events(t.Context(), test.Filter) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, r)
			}
			for r, err := range edge.store.Events(t.Context(), test.Filter) {
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, r)
			}
			if lines(t, got) != lines(t, want) {
				t.Errorf("got %d events, want %d, or others", len(got), len(want))
			}
			mine, err := e.Stats(t.Context(), test.Filter)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := edge.store.Stats(t.Context(), test.Filter)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(mine.Counts, theirs.Counts) {
				t.Errorf("got %v, want %v", mine.Counts, theirs.Counts)
			}
		})
	}
}

// Accounts and losses are what the pages have told when their events came.
func TestStatsOfLosses(t *testing.T) {
	s, e := open(t)
	events := someEvents("e", 4)
	events[0].Refused, events[0].Dropped = 1, 0
	events[1].Refused, events[1].Dropped = 3, 2
	events[2].Page, events[2].Dropped = "p2", 5
	events[3].Site, events[3].Flags = "b", []string{"bot"}
	send(t, s, events)
	stats, err := e.Stats(t.Context(), collector.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	accounts := []collector.Account{{Site: "b", Seen: 1, Stored: 1, Doubtful: 1}, {Site: "shop", Seen: 13, Stored: 3, Refused: 3, Dropped: 7}}
	if !slices.Equal(stats.Accounts, accounts) {
		t.Errorf("got %+v, want %+v", stats.Accounts, accounts)
	}
	losses := []collector.Loss{{Site: "shop", Reason: "dropped", Count: 7}, {Site: "shop", Reason: "refused", Count: 3}}
	if !slices.Equal(stats.Losses, losses) {
		t.Errorf("got %+v, want %+v", stats.Losses, losses)
	}
}

func TestNext(t *testing.T) {
	s, e := open(t)
	events := someEvents("e", 10)
	events[4].Type, events[8].Type = "ChatStarted", "ChatStarted"
	send(t, s, events)
	rows := all(t, e)
	chats := collector.Filter{Type: "ChatStarted"}
	none := collector.Filter{Site: "none"}
	last := rows[9].Row
	tests := []struct {
		name  string
		f     collector.Filter
		after int64
		want  []string
		next  int64
	}{
		{"all", collector.Filter{}, 0, idsOfEvents(rows), last},
		{"behind the end", collector.Filter{}, last, nil, last},
		{"beyond the end", collector.Filter{}, last + 5, nil, last + 5},
		{"limited", collector.Filter{Limit: 3}, rows[0].Row, idsOfEvents(rows[1:4]), rows[3].Row},
		{"some", chats, 0, []string{rows[4].ID, rows[8].ID}, last},
		{"one of some", collector.Filter{Type: "ChatStarted", Limit: 1}, 0, []string{rows[4].ID}, rows[4].Row},
		{"none", none, 0, nil, last},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := e.LastRow(t.Context()); err != nil {
				t.Fatal(err)
			}
			page, next, err := e.Next(t.Context(), test.f, test.after)
			if err != nil || !slices.Equal(idsOfEvents(page), test.want) || next != test.next {
				t.Errorf("got %q, %d, %v; want %q, %d", idsOfEvents(page), next, err, test.want, test.next)
			}
		})
	}
}

// However many follow, one looks.
func TestOneLooksForAll(t *testing.T) {
	s, e := open(t)
	if last, err := e.LastRow(t.Context()); last != 0 || err != nil {
		t.Fatal(last, err)
	}
	send(t, s, someEvents("e", 1))
	e.mu.Lock()
	e.looked = time.Now().Add(time.Hour)
	e.mu.Unlock()
	if page, next, err := e.Next(t.Context(), collector.Filter{}, 0); len(page) > 0 || next != 0 || err != nil {
		t.Errorf("got %d events, %d, %v at once", len(page), next, err)
	}
	e.mu.Lock()
	e.looked = time.Now().Add(-lookEvery)
	e.mu.Unlock()
	if page, _, err := e.Next(t.Context(), collector.Filter{}, 0); len(page) != 1 || err != nil {
		t.Errorf("got %d events, %v after a second", len(page), err)
	}
}

// The figures of PostgreSQL are those of the edge that the events are from.
func TestFiguresAsSQLite(t *testing.T) {
	s, e := open(t)
	edge := busy(t, 200)
	edge.forward(s)
	quiet := slog.New(slog.DiscardHandler)
	local, err := report.Open(edge.dir, edge.store, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { local.Close() })
	remote, err := report.OpenSource(filepath.Join(t.TempDir(), "report.db"), e, e, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remote.Close() })
	local.Start(t.Context())
	remote.Start(t.Context())
	for _, q := range []report.Query{{}, {Site: "a.test"}, {Flagged: true}, {Compare: true, Zone: time.FixedZone("x", 5*3600)}} {
		q.Since, q.Until = noon.Add(-time.Hour), noon.Add(3*time.Hour)
		if got, want := figures(t, remote, q), figures(t, local, q); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// figures returns the answer once it is complete.
func figures(t *testing.T, r *report.Report, q report.Query) string {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		f, err := r.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if f.Behind == 0 && f.Stale == 0 && f.Series != nil && f.Funnel[1].Views > 0 {
			text, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		if time.Now().After(end) {
			t.Fatalf("not complete: %d behind", f.Behind)
		}
	}
}

func TestOldestMinute(t *testing.T) {
	s, e := open(t)
	if m, err := e.OldestMinute(t.Context()); m != 0 || err != nil {
		t.Errorf("got %d, %v of no events", m, err)
	}
	send(t, s, someEvents("e", 2))
	if m, err := e.OldestMinute(t.Context()); m != 1795348800/60 || err != nil {
		t.Errorf("got %d, %v", m, err)
	}
}

// A database without tables has no events, and says so once; when a sink makes them, they are read.
func TestBeforeTheFirstEvent(t *testing.T) {
	dsn := server(t).Database(t)
	var told bytes.Buffer
	log := slog.New(slog.NewTextHandler(&told, nil))
	e, err := Open(t.Context(), Options{DSN: dsn, Table: testTable, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	figures, err := report.OpenSource(filepath.Join(t.TempDir(), "report.db"), e, e, log)
	if err != nil {
		t.Fatal(err)
	}
	look := func(what string, want int) {
		t.Helper()
		last, err := e.LastRow(t.Context())
		events, _, err2 := e.Next(t.Context(), collector.Filter{}, 0)
		stats, err3 := e.Stats(t.Context(), collector.Filter{})
		minute, err4 := e.OldestMinute(t.Context())
		counts, _, err5 := e.PageCounts(t.Context(), 0)
		losses, err6 := e.PageLosses(t.Context(), time.Unix(0, 0))
		if err := errors.Join(err, err2, err3, err4, err5, err6); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if int(last) != want || len(events) != want || len(stats.Counts) != min(want, 1) || (minute > 0) != (want > 0) || len(counts)+len(losses) > 0 {
			t.Errorf("%s: last row %d, %d events, %v, minute %d, %v, %v", what, last, len(events), stats.Counts, minute, counts, losses)
		}
		if err := e.Each(t.Context(), 0, 10, func(*report.Event) error { want--; return nil }); err != nil || want != 0 {
			t.Errorf("%s: %d more events, %v", what, want, err)
		}
	}
	look("no tables", 0)
	figures.Start(t.Context())
	q := report.Query{Since: noon.AddDate(-1, 0, 0), Until: noon.AddDate(1, 0, 0)}
	if f, err := figures.Query(t.Context(), q); err != nil || f.Funnel[1].Views != 0 {
		t.Errorf("no tables: %+v, %v", f, err)
	}
	send(t, openSink(t, dsn), someEvents("e", 2))
	look("two events", 2)
	await := time.Now().Add(time.Minute)
	for f := new(report.Figures); f.Funnel == nil || f.Funnel[1].Views != 1; time.Sleep(50 * time.Millisecond) {
		if f, err = figures.Query(t.Context(), q); err != nil || time.Now().After(await) {
			t.Fatalf("two events: %+v, %v", f, err)
		}
	}
	figures.Close()
	if text := told.String(); strings.Count(text, "no such table yet") != 1 || strings.Count(text, "has the table") != 1 || strings.Contains(text, "ERROR") {
		t.Error(text)
	}
}

func TestClose(t *testing.T) {
	_, e := open(t)
	e.Close()
	e.Close()
	select {
	case <-e.Done():
	default:
		t.Error("not done")
	}
	if _, err := e.LastRow(t.Context()); err == nil {
		t.Error("answers after Close")
	}
}
