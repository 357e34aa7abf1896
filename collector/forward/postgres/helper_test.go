package postgres

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"ctlive/collector"
	"ctlive/collector/forward/postgres/pgtest"
)

// shared is a server that tests use which do not harm it; each has a database of its own.
var shared struct {
	once   sync.Once
	server *pgtest.Server
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		shared.server.Close()
	}
	os.Exit(code)
}

func server(t testing.TB) *pgtest.Server {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = pgtest.New() })
	if shared.err != nil {
		t.Skip("SKIP: ", shared.err)
	}
	return shared.server
}

const testTable = "ctlive_events"

func openSink(t testing.TB, dsn string) *Sink {
	t.Helper()
	s, err := New(Options{DSN: dsn, Table: testTable, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openEvents(t testing.TB, dsn string) *Events {
	t.Helper()
	e, err := Open(t.Context(), Options{DSN: dsn, Table: testTable})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// open returns a sink and a reader of a new database.
func open(t testing.TB) (*Sink, *Events) {
	t.Helper()
	dsn := server(t).Database(t)
	s := openSink(t, dsn)
	if err := s.connect(t.Context()); err != nil { // makes the tables
		t.Fatal(err)
	}
	return s, openEvents(t, dsn)
}

func send(t testing.TB, s *Sink, events []collector.Record) {
	t.Helper()
	if err := s.Send(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

// all returns the events of e in the order of their rows.
func all(t testing.TB, e *Events) []collector.Record {
	t.Helper()
	events, _, err := e.behind(t.Context(), collector.Filter{}, 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func idsOfEvents(events []collector.Record) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

// someEvents returns n events whose ids begin so.
func someEvents(prefix string, n int) []collector.Record {
	events := make([]collector.Record, n)
	for i := range events {
		events[i] = collector.Record{
			ID: fmt.Sprintf("%s%06d", prefix, i), Site: "shop", Type: "Loaded", At: collector.Millis(1795348799000 + i), ReceivedAt: collector.Millis(1795348800000 + i),
			Page: "p1", Flags: []string{}, Object: jsontext.Value(`{"widgetID":"w1"}`),
		}
	}
	return events
}

// lines returns events as they go over the wire, with what does not but belongs to them.
func lines(t testing.TB, events []collector.Record) string {
	t.Helper()
	var out bytes.Buffer
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %d %d\n", line, e.Refused, e.Dropped)
	}
	return out.String()
}

// edge is a store as it stands beside a proxy.
type edge struct {
	t     testing.TB
	dir   string
	store *collector.Store
	sites map[string]http.Handler
}

func newEdge(t testing.TB, sites ...string) *edge {
	t.Helper()
	e := &edge{t: t, dir: t.TempDir(), sites: map[string]http.Handler{}}
	var err error
	if e.store, err = collector.Open(e.dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.store.Close() })
	c := collector.New(e.store, collector.Options{Rate: math.Inf(1), Trusted: true})
	for _, site := range sites {
		e.sites[site] = c.Handler(collector.Site{Name: site})
	}
	return e
}

func (e *edge) put(site, body string) {
	e.t.Helper()
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("User-Agent", "Mozilla/5.0")
	answer := httptest.NewRecorder()
	e.sites[site].ServeHTTP(answer, r)
	if answer.Code != http.StatusOK {
		e.t.Fatalf("%d %s", answer.Code, answer.Body)
	}
}

func (e *edge) events() []collector.Record {
	e.t.Helper()
	events, err := e.store.After(e.t.Context(), 0, 1_000_000)
	if err != nil {
		e.t.Fatal(err)
	}
	return events
}

// forward brings all events of the edge to s, some at a time.
func (e *edge) forward(s *Sink) {
	e.t.Helper()
	for part := range slices.Chunk(e.events(), 100) {
		send(e.t, s, part)
	}
}

// value returns the only column of the only row of a SELECT.
func value[T any](t testing.TB, dsn, text string) (v T) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if err := c.QueryRow(t.Context(), text).Scan(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
