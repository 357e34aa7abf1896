package postgres

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"ctlive/collector"
	"ctlive/collector/forward"
)

// Two edges forward to one table while it is written to and erased from.
func TestEdgesForward(t *testing.T) {
	s, e := open(t)
	var edges []*edge
	var want []string
	for i := range 2 {
		edge := newEdge(t, "shop")
		f, err := forward.New(forward.Options{
			Dir: edge.dir, Store: edge.store, Logger: slog.New(slog.DiscardHandler), Backlog: time.Hour,
			Sinks: map[string]forward.Sink{"postgres:" + testTable: openSink(t, s.config.ConnString())},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		f.Start(t.Context())
		for n := range 50 {
			id, user := fmt.Sprintf("%d-%02d", i, n), "u2"
			if n == 7 {
				user = "u1"
			} else {
				want = append(want, id)
			}
			edge.put("shop", fmt.Sprintf(`{"v":1,"page":"p","events":[{"id":%q,"type":"ChatStarted","object":{"chatID":%q,"userID":%q}}]}`, id, id, user))
		}
		edges = append(edges, edge)
	}
	waitFor(t, func() bool { return len(all(t, e)) == len(want)+2 })
	for _, edge := range edges {
		if _, err := collector.Erase(t.Context(), edge.dir, collector.Subject{User: "u1"}); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool { return len(all(t, e)) == len(want) })
	got := idsOfEvents(all(t, e))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An event that a rule of the table's owner is against is named, a server that is away blames none.
func TestRefusedEvent(t *testing.T) {
	srv := server(t)
	dsn := srv.Database(t)
	edge := newEdge(t, "shop")
	status := func(dsn string) string {
		t.Helper()
		f, err := forward.New(forward.Options{
			Dir: edge.dir, Store: edge.store, Logger: slog.New(slog.DiscardHandler), Sinks: map[string]forward.Sink{"postgres:" + testTable: openSink(t, dsn)},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		f.Start(t.Context())
		waitFor(t, func() bool { return f.Status()[0].Error != "" })
		return f.Status()[0].Error
	}
	send(t, openSink(t, dsn), someEvents("e", 1)) // makes the tables
	srv.Exec(t, dsn, `ALTER TABLE ctlive_events ADD CHECK (user_id <> 'u1')`)
	edge.put("shop", `{"v":1,"page":"p","events":[{"id":"bad","type":"Loaded","object":{"userID":"u1"}}]}`)
	if got := status(dsn); !strings.HasPrefix(got, `send event "bad" of shop: `) {
		t.Error(got)
	}
	if got := status("postgres://127.0.0.1:1/x?sslmode=disable"); !strings.HasPrefix(got, "send events: ") {
		t.Error(got)
	}
}

func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come to that within a minute")
		}
	}
}
