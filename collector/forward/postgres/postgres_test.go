package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"ctlive/collector"
	"ctlive/collector/forward"
	"ctlive/collector/forward/postgres/pgtest"
)

// What comes out of PostgreSQL is what the local store had, to the byte.
func TestRecordsComeBackAsTheyWere(t *testing.T) {
	s, e := open(t)
	edge := newEdge(t, "shop", "é日本")
	long := strings.Repeat("x", 8<<10)
	for i, event := range []string{
		`{"type":"ChatStarted","object":{"chatID":"c\u0000\"1","userID":"\u0000"}}`,
		`{"type":"ChatStarted","object":{"chatID":"` + long + `","userID":"` + long + `"}}`,
		`{"type":"Loaded","object":{"half":"\ud83d","whole":"\ud83d\ude00😀","n":1e999,"f":1.0,"nul":"\u0000","\u0000":"\\x00\\N"}}`,
		`{"type":"new \\N kind","object":["a\tb",null,{}],"nul":"\u0000","more":{"é":"\u00e9"}}`,
		`{"type":"Loaded","object":null}`,
		`{"type":"Loaded","mono":5,"seq":9007199254740991,"at":253402300799999}`,
		`{"type":"Loaded","at":0}`,
	} {
		event = fmt.Sprintf(`{"id":"e%d",%s`, i, event[1:])
		edge.put("shop", `{"v":1,"page":"p\u0000","session":"0190a7b4-0000-7000-8000-000000000000","url":"https://a.test/\u0000?é","title":"\ud83d\u0000\\N\\.","referrer":"\t\n","lang":"de","refused":3,"dropped":2,"sent_at":1,"events":[`+event+`]}`)
	}
	edge.put("é日本", `{"v":1,"page":"","events":[{"id":"e0","type":"Loaded"}]}`)
	edge.forward(s)
	if got, want := lines(t, all(t, e)), lines(t, edge.events()); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// What a record has that no store of ours would let in holds up nothing.
func TestNothingBlocksTheQueue(t *testing.T) {
	s, e := open(t)
	big := jsontext.Value(`{"x":"` + strings.Repeat("é", 32<<10) + `"}`)
	events := someEvents("e", 4)
	events[0].Title, events[0].Flags = "a\x00b\xff", []string{"\x00", "bot"}
	events[1].Object, events[1].Extra = big, big
	events[2].Object = jsontext.Value(`{"half":"\ud83d"}`)
	events[3].ChatID, events[3].UserID = strings.Repeat("u\x00", 64<<10), "\xff"
	send(t, s, events)
	got := all(t, e)
	if want := []string{"e000000", "e000001", "e000002", "e000003"}; !slices.Equal(idsOfEvents(got), want) {
		t.Fatalf("got %q, want %q", idsOfEvents(got), want)
	}
	if r := got[0]; r.Title != "a\ufffdb\ufffd" || !slices.Equal(r.Flags, []string{"\ufffd", "bot"}) {
		t.Errorf("got %q, %q", r.Title, r.Flags)
	}
	if r := got[1]; string(r.Object) != string(big) || string(r.Extra) != string(big) {
		t.Error("a large object came back changed")
	}
	if r := got[2]; string(r.Object) != `"{\"half\":\"\\ud83d\"}"` {
		t.Errorf("got %s: no JSON that a reader takes", r.Object)
	}
	chat := collector.Filter{Chat: events[3].ChatID}
	for r, err := range e.Events(t.Context(), chat) {
		if err != nil || r.ID != events[3].ID || r.UserID != "\ufffd" {
			t.Errorf("%v, %q, user %q", err, r.ID, r.UserID)
		}
	}
}

func TestD8SameEventsAgain(t *testing.T) {
	s, e := open(t)
	events := someEvents("e", 10)
	send(t, s, events[:6])
	first := lines(t, all(t, e))
	other := slices.Clone(events[:6])
	for i := range other {
		other[i].Title = "came later"
	}
	send(t, s, other)
	if got := lines(t, all(t, e)); got != first {
		t.Errorf("a batch that came again changed something:\n%swas\n%s", got, first)
	}
	again := openSink(t, s.config.ConnString()) // after a restart
	send(t, again, slices.Concat(events, events))
	if got, want := idsOfEvents(all(t, e)), idsOfEvents(events); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	elsewhere := slices.Clone(events)
	for i := range elsewhere {
		elsewhere[i].Site = "another"
	}
	send(t, again, elsewhere)
	if n := len(all(t, e)); n != 20 {
		t.Errorf("%d events, want 20: an id belongs to its site", n)
	}
}

// Edges store at the same time, and a reader behind a cursor sees each event once, in the order of
// rows.
func TestReaderMissesNothing(t *testing.T) {
	s, e := open(t)
	dsn := s.config.ConnString()
	const edges, batches, size = 3, 30, 20
	var edgesDone sync.WaitGroup
	var running atomic.Int64
	for i := range edges {
		sink := openSink(t, dsn)
		running.Add(1)
		edgesDone.Go(func() {
			defer running.Add(-1)
			for n := range batches {
				if err := sink.Send(t.Context(), someEvents(fmt.Sprintf("e%d-%d-", i, n), size)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := map[string]bool{}
	for row, last := int64(0), false; ; {
		page, _, err := e.behind(t.Context(), collector.Filter{}, row, 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			if seen[r.ID] || r.Row <= row {
				t.Fatalf("row %d after %d: %s", r.Row, row, r.ID)
			}
			seen[r.ID], row = true, r.Row
		}
		if len(page) == 0 && last {
			break
		}
		last = running.Load() == 0
	}
	edgesDone.Wait()
	if len(seen) != edges*batches*size {
		t.Errorf("the reader saw %d events of %d", len(seen), edges*batches*size)
	}
}

// The server crashes again and again while edges store: every event that was acknowledged is there
// once.
func TestServerCrashes(t *testing.T) {
	srv := pgtest.Start(t)
	dsn := srv.Database(t)
	const edges, batches, size = 2, 40, 25
	var done sync.WaitGroup
	var acked [edges][]string
	var failures, sent atomic.Int64
	for i := range edges {
		sink := openSink(t, dsn)
		done.Go(func() {
			for n := range batches {
				events := someEvents(fmt.Sprintf("e%d-%02d-", i, n), size)
				for {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					err := sink.Send(ctx, events)
					cancel()
					if err == nil || t.Context().Err() != nil {
						break
					}
					failures.Add(1)
					time.Sleep(10 * time.Millisecond)
				}
				acked[i] = append(acked[i], idsOfEvents(events)...)
				sent.Add(1)
			}
		})
	}
	for _, at := range []int64{10, 30, 50} {
		for sent.Load() < at {
			time.Sleep(time.Millisecond)
		}
		srv.Kill()
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
	}
	done.Wait()
	if failures.Load() == 0 {
		t.Error("no attempt failed")
	}
	want := slices.Concat(acked[:]...)
	got := idsOfEvents(all(t, openEvents(t, dsn)))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d events stored, %d acknowledged, or others", len(got), len(want))
	}
}

func TestErase(t *testing.T) {
	s, e := open(t)
	event := func(id, typ, chat, user, object string) collector.Record {
		r := someEvents(id, 1)[0]
		r.ID, r.Type, r.ChatID, r.UserID, r.Object = id, typ, chat, user, jsontext.Value(object)
		return r
	}
	send(t, s, []collector.Record{
		event("start", "ChatStarted", "c1", "u1", `{}`),
		event("operator", "ChatOnline", "c1", "", `{"users":["someone"]}`),
		event("mentioned", "ChatOnline", "c2", "", `{"users":["u1","u2"]}`),
		event("button", "WidgetClicked", "", "u2", `{"elementID":"u1"}`),
		event("other", "ChatStarted", "c3", "u2", `{"x":"u12"}`),
		event("chat", "ChatStarted", "c4", "u3", `{}`),
		event("nobody", "Loaded", "", "", `{}`),
		event("number", "Loaded", "", "", `{"users":[41,42]}`),
		event("count", "Loaded", "", "", `{"n":42}`),
		event("escaped", "Loaded", "", "", `{"x":["a\"b"]}`),
	})
	notes := []collector.Erasure{{Row: 1, Kind: "user", ID: "u1", At: 5}, {Row: 2, Kind: "chat", ID: "c4", At: 6}, {Row: 3, Kind: "user", ID: `a"b`, At: 7}, {Row: 4, Kind: "user", ID: "", At: 8}, {Row: 5, Kind: "user", ID: "42", At: 9}}
	head := headOf(t, e)
	for range 2 { // it may be given them again
		if err := s.Erase(t.Context(), notes); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := idsOfEvents(all(t, e)), []string{"button", "other", "nobody", "count"}; !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
	after := headOf(t, e)
	if after.Erased <= head.Erased || after.Store != head.Store || after.Oldest <= head.Oldest {
		t.Errorf("the ends are %+v, were %+v", after, head)
	}
	if n := value[int64](t, s.config.ConnString(), `SELECT count(*) FROM ctlive_events_erased`); n != 5 {
		t.Errorf("%d notes, want 5", n)
	}
}

// A note is carried out once: what comes later, of another edge as well, is not meant by it.
func TestEraseAgain(t *testing.T) {
	s, e := open(t)
	person := func(prefix string) (all []collector.Record) {
		all = someEvents(prefix, 4)
		all[0].ChatID, all[0].UserID = prefix+"chat", "u1"
		all[1].ChatID = prefix + "chat"
		all[2].Object = jsontext.Value(`{"x":"u1"}`)
		return all // the last one is nobody's
	}
	erase := func(notes ...collector.Erasure) {
		t.Helper()
		if err := s.Erase(t.Context(), notes); err != nil {
			t.Fatal(err)
		}
	}
	left := func(name string, want ...string) {
		t.Helper()
		if got := idsOfEvents(all(t, e)); !slices.Equal(got, want) {
			t.Errorf("%s: left are %q, want %q", name, got, want)
		}
	}
	send(t, s, person("a"))
	note := collector.Erasure{Row: 1, Kind: "user", ID: "u1", At: 5, Edge: "one"}
	erase(note)
	send(t, s, person("b"))
	erase(note)
	left("carried out", "a000003", "b000000", "b000001", "b000002", "b000003")

	other := collector.Erasure{Row: 1, Kind: "user", ID: "u1", At: 5, Edge: "two"}
	if err := s.tables.add(t.Context(), s.conn, staged(task{notes: []collector.Erasure{other}}), addNotes); err != nil {
		t.Fatal(err) // it comes no further
	}
	send(t, s, person("c"))
	anew := collector.Erasure{Row: 1, Kind: "chat", ID: "cchat", At: 6, Edge: "one"} // of a store that numbers anew
	erase(note, other, anew)
	left("begun, and a new one", "a000003", "b000003", "c000002", "c000003")
	if n := value[int64](t, s.config.ConnString(), `SELECT count(*) FROM ctlive_events_erased`); n != 3 {
		t.Errorf("%d erasures, want 3", n)
	}
}

// Tables that were made before notes were kept get a table for them.
func TestTablesWithoutNotes(t *testing.T) {
	srv := server(t)
	dsn := srv.Database(t)
	send(t, openSink(t, dsn), someEvents("a", 2))
	srv.Exec(t, dsn, `DROP TABLE ctlive_events_notes`)
	s, e := openSink(t, dsn), openEvents(t, dsn)
	if err := s.Erase(t.Context(), []collector.Erasure{{Kind: "user", ID: "w1"}}); err != nil {
		t.Error(err)
	}
	if n := len(all(t, e)); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// A search that takes longer than one attempt goes on where it was.
func TestSweepGoesOn(t *testing.T) {
	s, e := open(t)
	events := someEvents("e", 3*sweepRows/2)
	events[0].Object, events[len(events)-1].Object = jsontext.Value(`{"x":"u1"}`), jsontext.Value(`{"x":"u1"}`)
	for part := range slices.Chunk(events, 10_000) {
		send(t, s, part)
	}
	s.sweep.task = task{[]collector.Erasure{{Kind: "user", ID: "u1"}}, int64(len(events))}
	if more, err := s.sweep.next(t.Context(), s.conn, s.tables); !more || err != nil {
		t.Fatal(more, err)
	}
	s.drop()
	from := s.sweep.row
	if err := s.Erase(t.Context(), slices.Clone(s.sweep.notes)); err != nil {
		t.Fatal(err)
	}
	if from < sweepRows || s.sweep.row <= from {
		t.Errorf("went on from %d to %d", from, s.sweep.row)
	}
	if n := len(all(t, e)); n != len(events)-2 {
		t.Errorf("%d events are left of %d", n, len(events))
	}
}

func TestPages(t *testing.T) {
	s, e := open(t)
	tell := func(counts ...forward.PageCount) {
		t.Helper()
		if err := s.Pages(t.Context(), counts); err != nil {
			t.Fatal(err)
		}
	}
	tell(forward.PageCount{Edge: "a", Minute: 7, Site: "shop", Result: "injected", N: 5}, forward.PageCount{Edge: "a", Minute: 7, Site: "shop", Result: "skipped", Reason: "csp", N: 1})
	tell(forward.PageCount{Edge: "b", Minute: 7, Site: "shop", Result: "injected", N: 2}, forward.PageCount{Edge: "b", Minute: 7, Site: "shop", Result: "injected", N: 3})
	tell(forward.PageCount{Edge: "a", Minute: 7, Site: "shop", Result: "injected", N: 5}, forward.PageCount{Edge: "a", Minute: 6, Site: "\x00", Result: "injected", N: 1})
	tell(forward.PageCount{Edge: "a", Minute: 7, Site: "shop", Result: "injected", N: 9})
	tell(forward.PageCount{Edge: "a", Minute: 7, Site: "shop", Result: "injected", N: 8}) // an answer to an older batch
	tell()
	sum := map[string]int64{}
	position := int64(0)
	for {
		counts, settled, err := e.PageCounts(t.Context(), position)
		if err != nil {
			t.Fatal(err)
		}
		if settled == position {
			break
		}
		for _, c := range counts {
			if c.Position <= position {
				t.Errorf("position %d comes after %d", c.Position, position)
			}
			position = c.Position
			sum[fmt.Sprint(c.Minute, c.Site, c.Result, c.Reason)] += c.N
		}
	}
	want := map[string]int64{fmt.Sprint(7, "shop", "injected", ""): 12, fmt.Sprint(7, "shop", "skipped", "csp"): 1, fmt.Sprint(6, "\ufffd", "injected", ""): 1}
	if fmt.Sprint(sum) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", sum, want)
	}
}

func TestTableNames(t *testing.T) {
	for name, want := range map[string]string{
		"ctlive_events": `"ctlive_events"`, "Stats.Events": `"Stats"."Events"`, "select": `"select"`,
		"": "", "a b": "", `a"; DROP TABLE x; --`: "", "a.b.c": "", ".a": "", "a.": "", "1a": "", "é": "",
		strings.Repeat("a", 47): `"` + strings.Repeat("a", 47) + `"`, strings.Repeat("a", 48): "",
	} {
		tables, err := tablesOf(name)
		if err != nil {
			if want != "" {
				t.Errorf("%q: %v", name, err)
			}
		} else if got := tables.named(""); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}

func TestTablesInASchema(t *testing.T) {
	srv := server(t)
	dsn := srv.Database(t)
	srv.Exec(t, dsn, `CREATE SCHEMA "Stats"`)
	name := "Stats." + "Select" + strings.Repeat("x", 41)
	var edges sync.WaitGroup
	for i := range 4 { // each finds no tables, one makes them
		edges.Go(func() {
			s, err := New(Options{DSN: dsn, Table: name})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.Send(t.Context(), someEvents(fmt.Sprint(i), 5)); err != nil {
				t.Error(err)
			}
		})
	}
	edges.Wait()
	e, err := Open(t.Context(), Options{DSN: dsn, Table: name})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if n := len(all(t, e)); n != 20 {
		t.Errorf("%d events, want 20", n)
	}
}

func TestLayout(t *testing.T) {
	srv := server(t)
	dsn := srv.Database(t)
	s := openSink(t, dsn)
	send(t, s, someEvents("e", 1))
	store := headOf(t, openEvents(t, dsn)).Store
	for _, change := range []string{`UPDATE ctlive_events_layout SET version = 2`, `DELETE FROM ctlive_events_layout`} {
		srv.Exec(t, dsn, change)
		s.drop()
		if err := s.Send(t.Context(), someEvents("e", 1)); !errors.Is(err, ErrLayout) {
			t.Errorf("%s: %v", change, err)
		}
		if _, err := Open(t.Context(), Options{DSN: dsn, Table: testTable}); !errors.Is(err, ErrLayout) {
			t.Errorf("%s: %v", change, err)
		}
	}
	srv.Exec(t, dsn, `DROP TABLE ctlive_events, ctlive_events_layout, ctlive_events_pages, ctlive_events_page_increments, ctlive_events_erased, ctlive_events_notes`)
	s.drop()
	send(t, s, someEvents("e", 1))
	if again := headOf(t, openEvents(t, dsn)).Store; again == store {
		t.Error("tables that were made anew are the same store")
	}
}

// Who may not make tables can still write to those that are there.
func TestFewRights(t *testing.T) {
	srv := server(t)
	dsn := srv.Database(t)
	send(t, openSink(t, dsn), someEvents("a", 1))
	srv.Exec(t, dsn, `DROP ROLE IF EXISTS writer`)
	srv.Exec(t, dsn, `CREATE ROLE writer LOGIN`)
	srv.Exec(t, dsn, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO writer`)
	s := openSink(t, strings.Replace(dsn, "postgres@", "writer@", 1))
	send(t, s, someEvents("b", 1))
	if err := s.Erase(t.Context(), []collector.Erasure{{Kind: "user", ID: "u1"}}); err != nil {
		t.Error(err)
	}
	if err := s.Pages(t.Context(), []forward.PageCount{{Edge: "a", N: 1}}); err != nil {
		t.Error(err)
	}
	srv.Exec(t, dsn, `CREATE ROLE reader LOGIN`)
	srv.Exec(t, dsn, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader`)
	if n := len(all(t, openEvents(t, strings.Replace(dsn, "postgres@", "reader@", 1)))); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// Whatever the database's defaults are, a commit waits for the disk and a second edge for the first.
func TestOddDefaults(t *testing.T) {
	srv := server(t)
	dsn := srv.Database(t)
	name := dsn[strings.LastIndex(dsn, "/")+1 : strings.Index(dsn, "?")]
	for _, set := range []string{"synchronous_commit = off", "default_transaction_isolation = 'serializable'", "timezone = 'Asia/Kathmandu'", "datestyle = 'German'", "default_transaction_read_only = on"} {
		srv.Exec(t, dsn, "ALTER DATABASE "+name+" SET "+set)
	}
	s := openSink(t, dsn)
	events := someEvents("e", 3)
	if err := s.Send(t.Context(), events); err == nil {
		t.Fatal("tables were made where only reading is allowed")
	}
	srv.Exec(t, dsn, "BEGIN READ WRITE; ALTER DATABASE "+name+" RESET default_transaction_read_only; COMMIT")
	send(t, s, events)
	if got, want := lines(t, all(t, openEvents(t, dsn))), lines(t, events); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if err := run(t.Context(), s.conn, beginStaging); err != nil {
		t.Fatal(err)
	}
	var commit string
	if err := s.conn.QueryRow(t.Context(), `SHOW synchronous_commit`).Scan(&commit); err != nil || commit != "on" {
		t.Errorf("synchronous_commit is %q, %v", commit, err)
	}
}

func TestOtherEncoding(t *testing.T) {
	srv := server(t)
	srv.Exec(t, srv.DSN("postgres"), `CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`)
	err := openSink(t, srv.DSN("latin")).Send(t.Context(), someEvents("e", 1))
	if err == nil || !strings.Contains(err.Error(), "LATIN1") {
		t.Errorf("got %v", err)
	}
}

func TestErrorsTellNoPassword(t *testing.T) {
	var all []error
	for _, dsn := range []string{
		"postgres://u:s3cret@127.0.0.1:1/x", "postgres://127.0.0.1:1/x?password=s3cret", "host=127.0.0.1 port=1 user=u password=s3cret",
		"postgres://u:s3cret@a:b:c/x", "postgres://u:s3:cret@h/%zz", "postgres://u:s3cret@h/x?sslmode=s3cret", "passwort=s3cret", "host=h sslmode=verify-full sslrootcert=/none password=s3cret",
	} {
		s, err := New(Options{DSN: dsn, Table: testTable})
		if err == nil {
			err = s.Send(t.Context(), someEvents("e", 1))
		}
		all = append(all, err)
		_, err = Open(t.Context(), Options{DSN: dsn, Table: testTable})
		all = append(all, err)
	}
	for i, err := range all {
		if err == nil {
			t.Errorf("%d: no error", i)
		} else if text := err.Error(); strings.Contains(text, "s3") || strings.Contains(text, "cret@") {
			t.Error(text)
		}
	}
}
