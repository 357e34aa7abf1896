package collector

import (
	"bytes"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ctlive/collector/sqlite"
)

// damagedStore returns the bytes of a database with n events, all of its log written back, and which
// of its pages hold how many events.
func damagedStore(t *testing.T, n int) (file []byte, cells map[int]int) {
	t.Helper()
	dir := t.TempDir()
	s := openStore(t, dir)
	for i := range n / 100 {
		j := job{input: input{site: testSite.Name, received: 1}, view: &view{page: fmt.Sprint(i)}}
		for k := range 100 {
			j.events = append(j.events, event{id: fmt.Sprint(100*i + k), typ: "Loaded", at: Millis(100*i + k), object: []byte(`{"pad":"` + strings.Repeat("x", 100) + `"}`)})
		}
		if err := s.do(t.Context(), &j); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	cells = map[int]int{}
	db, err := sql.Open("sqlite", sqlite.Source(s.path, "ro"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT pageno, ncell FROM dbstat WHERE name = 'events' AND pagetype = 'leaf'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var page, n int
		if err := rows.Scan(&page, &n); err != nil {
			t.Fatal(err)
		}
		cells[page-1] = n
	}
	if rows.Close(); len(cells) < 20 {
		t.Fatalf("only %d pages with events", len(cells))
	}
	return readFile(t, dir, storeFile), cells
}

// TestD4DamagedDatabase spoils the file in many ways. The store opens by itself, keeps every event
// that is not on a spoilt page, sets the file aside and takes new ones.
func TestD4DamagedDatabase(t *testing.T) {
	const n = 3000
	file, cells := damagedStore(t, n)
	leaves := make([]int, 0, len(cells))
	for page := range cells {
		leaves = append(leaves, page)
	}
	slices.Sort(leaves)
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	zero := func(b []byte, page int) { clear(b[page*pageSize:][:pageSize]) }
	noise := func(b []byte, page int) {
		for i := range pageSize {
			b[page*pageSize+i] = byte(random.Uint32())
		}
	}
	lostOn := func(pages ...int) (lost int) {
		for _, page := range pages {
			lost += cells[page]
		}
		return lost
	}
	short := func(by int) (func([]byte) []byte, int) {
		var gone []int
		for page := (len(file) - by) / pageSize; page < len(file)/pageSize; page++ {
			gone = append(gone, page)
		}
		return func(b []byte) []byte { return b[:len(b)-by] }, lostOn(gone...)
	}
	type damage struct {
		name  string
		spoil func([]byte) []byte
		lost  int // events at most
	}
	one := leaves[random.IntN(len(leaves))]
	first, last := leaves[0], leaves[len(leaves)-1]
	tests := []damage{
		{"none", func(b []byte) []byte { return b }, 0},
		{"magic", func(b []byte) []byte { b[3] ^= 1; return b }, 0},
		{"header", func(b []byte) []byte { clear(b[:headerSize]); return b }, 0},
		{"leaf of zeros", func(b []byte) []byte { zero(b, one); return b }, lostOn(one)},
		{"leaf of noise", func(b []byte) []byte { noise(b, one); return b }, lostOn(one)},
		{"first and last leaf", func(b []byte) []byte { zero(b, first); noise(b, last); return b }, lostOn(first, last)},
		{"no file", func(b []byte) []byte { return nil }, n},
		{"nonsense", func(b []byte) []byte {
			return []byte("this is no database, and it is longer than a header of one hundred bytes, which is what SQLite reads first")
		}, n},
	}
	for _, by := range []int{1, 100, pageSize - 1, pageSize, 3*pageSize + 7} {
		spoil, lost := short(by)
		tests = append(tests, damage{fmt.Sprintf("%d bytes short", by), spoil, lost})
	}
	every := damage{name: "every fifth leaf"}
	var fifth []int
	for i := 0; i < len(leaves); i += 5 {
		fifth = append(fifth, leaves[i])
	}
	every.lost = lostOn(fifth...)
	every.spoil = func(b []byte) []byte {
		for _, page := range fifth {
			noise(b, page)
		}
		return b
	}
	tests = append(tests, every)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFile(t, dir, storeFile, test.spoil(bytes.Clone(file)))
			var log bytes.Buffer
			s, err := Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			waitMended(t, s, dir)
			events := allEvents(t, s)
			if len(events) < n-test.lost {
				t.Errorf("%d events, want at least %d of %d", len(events), n-test.lost, n)
			}
			for _, r := range events {
				if r.ID != fmt.Sprint(int(r.At)) {
					t.Fatalf("event %s has changed: %+v", r.ID, r)
				}
			}
			h := New(s, Options{}).Handler(testSite)
			if a := sendText(t, h, batchOf(loaded("new"))); a.code != 200 {
				t.Fatalf("next event: %d", a.code)
			}
			if row, err := s.LastRow(t.Context()); err != nil || test.lost < n && row <= n {
				t.Errorf("row %d, %v: a number is used twice", row, err)
			}
			s.Close()
			corrupt, _ := filepath.Glob(filepath.Join(dir, storeFile+corruptMark+"*"))
			if len(events) < n && len(corrupt) == 0 && test.name != "no file" {
				t.Error("nothing set aside")
			}
			for _, file := range corrupt {
				if !strings.Contains(log.String(), strings.TrimSuffix(filepath.Base(file), "-wal")) {
					t.Errorf("the log does not name %s", file)
				}
			}
			if len(events) < n {
				t.Logf("%d of %d events left; %s", len(events), n, corrupt)
			}
		})
	}
}

// waitMended waits until s is ready and has looked its file over.
func waitMended(t *testing.T, s *Store, dir string) {
	t.Helper()
	for range 3 {
		waitReady(t, s)
		db, err := s.current()
		for err == nil && len(db.suspect) > 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(300 * time.Millisecond) // the look itself
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"+mendingMark+"*"))
	if len(left) > 0 {
		t.Errorf("not done: %q", left)
	}
}

// TestD2KillWhileMending stops a mending after each of its steps; the next start ends with the same.
func TestD2KillWhileMending(t *testing.T) {
	t.Parallel()
	const n = 3000
	file, _ := damagedStore(t, n)
	clear(file[:headerSize])
	aside := storeFile + mendingMark + "20261122T170000.000Z"
	states := map[string]map[string][]byte{
		"set aside":       {aside: file},
		"log left behind": {aside: file, storeFile + "-wal": []byte("log"), storeFile + "-shm": []byte("index")},
		"half copied":     {aside: file, storeFile + newMark: file[:len(file)/2]},
		"log brought":     {aside: file, aside + "-wal": nil},
	}
	for name, files := range states {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, content := range files {
				writeFile(t, dir, name, content)
			}
			s := openStore(t, dir)
			waitMended(t, s, dir)
			if got := len(allEvents(t, s)); got != n {
				t.Errorf("%d events of %d", got, n)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*"+newMark+"*")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			s.Close()
			// Killed after the new database was in place: nothing is copied again.
			corrupt, _ := filepath.Glob(filepath.Join(dir, "*"+corruptMark+"*Z"))
			if len(corrupt) != 1 {
				t.Fatalf("set aside: %q", corrupt)
			}
			if err := os.Rename(corrupt[0], filepath.Join(dir, aside)); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, dir)
			waitMended(t, s, dir)
			if got := len(allEvents(t, s)); got != n {
				t.Errorf("after another start: %d events of %d", got, n)
			}
		})
	}
}

// TestD4FoundWhileRunning spoils pages under a running store.
func TestD4FoundWhileRunning(t *testing.T) {
	t.Parallel()
	const n = 3000
	file, cells := damagedStore(t, n)
	dir := t.TempDir()
	writeFile(t, dir, storeFile, file)
	s := openStore(t, dir)
	waitMended(t, s, dir)
	lost := 0
	f, err := os.OpenFile(s.path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for page, n := range cells {
		if lost += n; lost > 300 {
			lost -= n
			break
		}
		if _, err := f.WriteAt(make([]byte, pageSize), int64(page)*pageSize); err != nil {
			t.Fatal(err)
		}
	}
	h := New(s, Options{}).Handler(testSite)
	sendText(t, h, batchOf(loaded("new"))) // readers read anew what has changed
	for _, err := range s.Events(t.Context(), Filter{}) {
		if err != nil {
			break // what the dashboard comes upon
		}
	}
	time.Sleep(200 * time.Millisecond)
	waitMended(t, s, dir)
	f.Close() // not before: closing drops SQLite's locks on the file
	events := allEvents(t, s)
	if len(events) < n+1-lost || len(events) > n {
		t.Errorf("%d events, %d were on the spoilt pages", len(events), lost)
	}
}
