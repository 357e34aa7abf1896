package collector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ctlive/collector/sqlite"
)

func TestOpenMakesAPrivateStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data? #1")
	s := openStore(t, dir)
	h := New(s, Options{}).Handler(testSite)
	sendText(t, h, batchOf(loaded("a")))
	for name, want := range map[string]os.FileMode{".": 0o700, storeFile: 0o600, storeFile + "-wal": 0o600, storeFile + "-shm": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: mode %o, want %o", name, got, want)
		}
	}
}

func TestOpenRefusesWhatIsNotDurable(t *testing.T) {
	tests := []struct {
		name, synchronous, journal string
		want                       bool
	}{
		{"as we open it", "FULL", "WAL", true},
		{"power loss", "NORMAL", "WAL", false},
		{"no log", "FULL", "DELETE", false},
	}
	for _, test := range tests {
		path := filepath.Join(t.TempDir(), storeFile)
		db, err := sql.Open("sqlite", sqlite.Source(path, "rwc", "_pragma=journal_mode("+test.journal+")", "_pragma=synchronous("+test.synchronous+")"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := checkDurable(t.Context(), db); (err == nil) != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestOlderThan(t *testing.T) {
	for v, want := range map[string]bool{"3.51.2": true, "3.51.3": false, "3.54.1": false, "3.50.9": true, "4.0.0": false, "2.99.9": true} {
		if got := olderThan(v, 3, 51, 3); got != want {
			t.Errorf("%s: %t", v, got)
		}
	}
}

func TestReadOnlyStore(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReadOnly(dir); !errors.Is(err, ErrNoStore) {
		t.Errorf("empty folder: %v", err)
	}
	s := openStore(t, dir)
	h := New(s, Options{}).Handler(testSite)
	sendText(t, h, batchOf(loaded("a")))

	reader, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	sendText(t, h, batchOf(loaded("b")))
	if n := len(allEvents(t, reader)); n != 2 {
		t.Errorf("while the store is written: %d events, want 2", n)
	}
	if _, err := readDB(t, reader).Exec(`DELETE FROM events`); err == nil {
		t.Error("a reader could write")
	}
	reader.Close()
	s.Close()
	reader, err = OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if n := len(allEvents(t, reader)); n != 2 {
		t.Errorf("while nobody writes: %d events, want 2", n)
	}
}

func TestTwoWriters(t *testing.T) {
	dir := t.TempDir()
	handlers := []http.Handler{
		New(openStore(t, dir), Options{Rate: math.Inf(1)}).Handler(testSite),
		New(openStore(t, dir), Options{Rate: math.Inf(1)}).Handler(testSite),
	}
	var wg sync.WaitGroup
	for i, h := range handlers {
		wg.Go(func() {
			for n := range 50 {
				if a := sendText(t, h, batchOf(loaded(fmt.Sprintf("%d-%d", i, n)))); a.code != 200 {
					t.Errorf("got %d", a.code)
				}
			}
		})
	}
	wg.Wait()
	if n := len(allEvents(t, openStore(t, dir))); n != 100 {
		t.Errorf("%d events, want 100", n)
	}
}

func TestD8DuplicatesAreKnownForEver(t *testing.T) {
	dir := t.TempDir()
	now := testTime
	const uuid = "0b6f1f6e-51a5-4f0c-9d3c-2f6b8a1f4a11"
	for i, wait := range []time.Duration{0, time.Second, 3 * time.Minute, 2 * time.Hour, 40 * 24 * time.Hour} {
		now = now.Add(wait)
		s := openStore(t, dir)
		h := New(s, Options{Now: func() time.Time { return now }}).Handler(testSite)
		want := Duplicate
		if i == 0 {
			want = Stored
		}
		// In capitals it is another id: we do not know what an id means to its sender.
		a := sendText(t, h, batchOf(loaded(uuid), loaded(strings.ToUpper(uuid)), loaded("short")))
		for _, r := range a.Results {
			if r.Verdict != want {
				t.Errorf("after %v: %s %s, want %s", wait, r.ID, r.Verdict, want)
			}
		}
		s.Close()
	}
	s := openStore(t, dir)
	other := New(s, Options{}).Handler(Site{Name: "other", Hosts: testSite.Hosts})
	if a := sendText(t, other, batchOf(loaded(uuid))); a.Results[0].Verdict != Stored {
		t.Errorf("on another site: %s", a.Results[0].Verdict)
	}
	if n := len(allEvents(t, s)); n != 4 {
		t.Errorf("%d events, want 4", n)
	}
}

func TestD3DiskFull(t *testing.T) {
	h, s, f := newFaulty(t)
	var acked []string
	put := func(id string) answer {
		a := sendText(t, h, batchOf(`{"id":"`+id+`","type":"Loaded","object":{"pad":"`+strings.Repeat("x", 8<<10)+`"}}`))
		if a.code == 200 {
			acked = append(acked, id)
		}
		return a
	}
	limitPages(f, 60)
	var full answer
	for i := 0; full.code != http.StatusServiceUnavailable; i++ {
		if full = put(fmt.Sprintf("before-%d", i)); i > 100 {
			t.Fatal("the disk is never full")
		}
	}
	if full.Reason != "store" || full.header.Get("Retry-After") != "5" {
		t.Errorf("got %q, Retry-After %q", full.Reason, full.header.Get("Retry-After"))
	}
	if a := sendText(t, h, strings.Repeat("x", 32<<10)); a.code != http.StatusServiceUnavailable {
		t.Errorf("what cannot be quarantined is answered %d", a.code)
	}
	limitPages(f, math.MaxInt32)
	waitReady(t, s)
	if a := put("after"); a.code != 200 {
		t.Errorf("with room again: %d %s", a.code, a.Message)
	}
	checkLedger(t, s, acked)
}

// limitPages lets the database grow to n pages: SQLite then says that the disk is full.
func limitPages(f *faults, n int) {
	f.onBegin(func(c conn) {
		if _, err := c.ExecContext(context.Background(), fmt.Sprintf(`PRAGMA max_page_count = %d`, n), nil); err != nil {
			panic(err)
		}
	})
}

// checkLedger checks that each acknowledged id is stored, and none twice.
func checkLedger(t testing.TB, s *Store, acked []string) {
	t.Helper()
	stored := map[string]int{}
	for _, r := range allEvents(t, s) {
		stored[r.ID]++
	}
	for _, id := range acked {
		if stored[id] == 0 {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	for id, n := range stored {
		if n > 1 {
			t.Errorf("%s is stored %d times", id, n)
		}
	}
}

func TestD4DamagedLog(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	h := New(s, Options{Rate: math.Inf(1)}).Handler(testSite)
	const n = 20
	for i := range n {
		sendText(t, h, batchOf(loaded(fmt.Sprint(i))))
	}
	db, wal := readFile(t, dir, storeFile), readFile(t, dir, storeFile+"-wal")
	damage := map[string]func([]byte) []byte{
		"none":           func(b []byte) []byte { return b },
		"no log":         func(b []byte) []byte { return nil },
		"one byte short": func(b []byte) []byte { return b[:len(b)-1] },
		"page short":     func(b []byte) []byte { return b[:len(b)-4096] },
		"half":           func(b []byte) []byte { return b[:len(b)/2] },
		"bit near end":   func(b []byte) []byte { b[len(b)-1000] ^= 1; return b },
		"bit in middle":  func(b []byte) []byte { b[len(b)/2] ^= 0x80; return b },
		"bit in header":  func(b []byte) []byte { b[5] ^= 1; return b },
		"tail of zeros":  func(b []byte) []byte { clear(b[len(b)-5000:]); return b },
	}
	for name, spoil := range damage {
		t.Run(name, func(t *testing.T) {
			copied := t.TempDir()
			writeFile(t, copied, storeFile, db)
			writeFile(t, copied, storeFile+"-wal", spoil(slices.Clone(wal)))
			writeFile(t, copied, storeFile+"-shm", []byte("garbage"))
			s := openStore(t, copied)
			events := allEvents(t, s)
			for i, r := range events { // commits before the damage, and no others
				if r.ID != fmt.Sprint(i) {
					t.Fatalf("event %d has id %s", i, r.ID)
				}
			}
			if name == "none" && len(events) != n || name == "one byte short" && len(events) != n-1 {
				t.Errorf("%d events left of %d", len(events), n)
			}
			h := New(s, Options{}).Handler(testSite)
			if a := sendText(t, h, batchOf(loaded("new"))); a.code != 200 {
				t.Errorf("next event: %d", a.code)
			}
		})
	}
}

func readFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestD13CleanStopUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	h := New(s, Options{Rate: math.Inf(1)}).Handler(testSite)
	var mu sync.Mutex
	var acked []string
	var senders sync.WaitGroup
	for i := range 8 {
		senders.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d", i, n)
				a := sendText(t, h, batchOf(loaded(id)))
				if a.code != 200 {
					if a.code != http.StatusServiceUnavailable {
						t.Errorf("answer %d", a.code)
					}
					return
				}
				mu.Lock()
				acked = append(acked, id)
				mu.Unlock()
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	senders.Wait()
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if len(acked) == 0 {
		t.Fatal("nothing was acknowledged")
	}
	checkLedger(t, openStore(t, dir), acked)
	if _, err := os.Stat(filepath.Join(dir, storeFile+"-wal")); err != nil {
		t.Log("the log is gone after a clean stop, as it should") // reopened above: either is fine
	}
}

func TestQueueIsBounded(t *testing.T) {
	h, s := newEndpoint(t, Options{Rate: math.Inf(1)})
	release := blockWrites(t, s)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	var err error
	queued := 0
	for ; !errors.Is(err, errQueueFull); queued++ {
		e := event{id: fmt.Sprint(queued), typ: "Loaded", object: []byte("{}")}
		err = s.do(gone, &job{view: &view{}, events: []event{e}})
		if queued > 3*queueLen {
			t.Fatal("the queue is never full")
		}
	}
	if a := sendText(t, h, batchOf(loaded("a"))); a.code != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d", a.code)
	}
	release()
	s.Close() // drains
}

// blockWrites takes the write lock away from s, as a stuck process would.
func blockWrites(t *testing.T, s *Store) (release func()) {
	t.Helper()
	db := writeDB(t, s)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		tx.Rollback()
	})
	t.Cleanup(release)
	return release
}

func TestNo200BeforeTheCommit(t *testing.T) {
	h, s := newEndpoint(t, Options{})
	release := blockWrites(t, s)
	answers := make(chan answer, 2)
	go func() { answers <- sendText(t, h, batchOf(loaded("a"))) }()
	go func() { answers <- sendText(t, h, `nonsense`) }()
	select {
	case a := <-answers:
		t.Fatalf("answer %d while the store could not be written", a.code)
	case <-time.After(200 * time.Millisecond):
	}
	if len(allEvents(t, s)) != 0 {
		t.Fatal("stored through the lock")
	}
	release()
	codes := []int{(<-answers).code, (<-answers).code}
	if slices.Sort(codes); !slices.Equal(codes, []int{200, 400}) {
		t.Errorf("got %d", codes)
	}
	if len(allEvents(t, s)) != 1 || len(allRejects(t, s)) != 1 {
		t.Error("not stored")
	}
}

func TestD6StuckWriterIsNot200(t *testing.T) {
	h, s := newEndpoint(t, Options{})
	release := blockWrites(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader(batchOf(loaded("a"))))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d", w.Code)
	}
	release()
	if a := sendText(t, h, batchOf(loaded("a"))); a.code != 200 || a.Results[0].Verdict != Duplicate {
		t.Errorf("sent again: %d %q, want the duplicate of what was still in the queue", a.code, a.verdicts())
	}
}

func TestSchema(t *testing.T) {
	t.Run("newer", func(t *testing.T) {
		dir := t.TempDir()
		s := openStore(t, dir)
		if _, err := writeDB(t, s).Exec(`INSERT INTO schema_version (version) VALUES (99)`); err != nil {
			t.Fatal(err)
		}
		s.Close()
		for name, err := range map[string]error{"write": second(Open(dir, slog.Default())), "read": second(OpenReadOnly(dir))} {
			if !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "99") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("from version 1", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, storeFile)
		if err := create(path); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", sqlite.Source(path, "rwc"))
		if err != nil {
			t.Fatal(err)
		}
		old := readFile(t, "testdata", "version1.sql")
		if _, err := db.Exec(string(old)); err != nil {
			t.Fatal(err)
		}
		db.Close()
		s := openStore(t, dir)
		events, rejects := allEvents(t, s), allRejects(t, s)
		if n := count(t, s, "views WHERE day = 1795366800000 / 86400000"); n != 1 {
			t.Error("the view's last day is not known")
		}
		if len(events) != 2 || events[0].ID != "0b6f1f6e-51a5-4f0c-9d3c-2f6b8a1f4a11" || events[1].ChatID != "c1" || events[0].Page != "p1" {
			t.Errorf("events %+v", events)
		}
		if len(rejects) != 1 || string(rejects[0].Raw) != "nonsense" {
			t.Errorf("rejects %+v", rejects)
		}
		h := New(s, Options{}).Handler(testSite)
		if a := sendText(t, h, batchOf(loaded(events[0].ID), loaded("new"))); !slices.Equal(a.verdicts(), []string{"duplicate", "stored"}) {
			t.Errorf("got %q", a.verdicts())
		}
	})
	t.Run("a step that fails leaves the version before", func(t *testing.T) {
		s := openStore(t, t.TempDir())
		steps := append(migrations(), `CREATE TABLE later (x)`, `CREATE TABLE half (x); INSERT INTO missing VALUES (1)`)
		for range 2 { // starting again does not help, and does no harm
			err := migrate(t.Context(), writeDB(t, s), steps)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("schema %d", len(steps))) {
				t.Errorf("got %v", err)
			}
		}
		if version, err := schemaVersion(t.Context(), writeDB(t, s)); err != nil || version != len(steps)-1 {
			t.Errorf("version %d, %v", version, err)
		}
		if _, err := writeDB(t, s).Exec(`INSERT INTO later VALUES (1); SELECT * FROM half`); err == nil || !strings.Contains(err.Error(), "half") {
			t.Errorf("half a step was kept: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }
