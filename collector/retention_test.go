package collector

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

// newAged returns an endpoint whose clock says when.
func newAged(s *Store, when *time.Time) http.Handler {
	return New(s, Options{Rate: math.Inf(1), Now: func() time.Time { return *when }}).Handler(testSite)
}

func count(t *testing.T, s *Store, table string) (n int) {
	t.Helper()
	if err := readDB(t, s).QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRetention(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	now := time.Now()
	when := now
	h := newAged(s, &when)
	put := func(page, id string) string {
		a := sendText(t, h, `{"v":1,"page":"`+page+`","events":[`+loaded(id)+`]}`)
		return string(a.Results[0].Verdict)
	}
	const old, kept = 2*expiryStep + 100, 20
	when = now.Add(-41 * 24 * time.Hour)
	put("long open", "first")
	for i := range old - 1 {
		put(fmt.Sprint("old", i/10), fmt.Sprint("old", i))
	}
	sendText(t, h, `nonsense`)
	s.lose(input{site: testSite.Name, received: millis(when)}, "rate", 3)
	when = now.Add(-39 * 24 * time.Hour)
	put("long open", "later")
	for i := range kept - 1 {
		put("new", fmt.Sprint("new", i))
	}
	sendText(t, h, `more nonsense`)
	s.lose(input{site: testSite.Name, received: millis(when)}, "rate", 2)
	// As long as an event is kept its duplicates are known (D8).
	if got := put("elsewhere", "old5"); got != "duplicate" {
		t.Errorf("within the retention: %s", got)
	}
	before := count(t, s, "views")
	s.Keep(40 * 24 * time.Hour)
	for end := time.Now().Add(20 * time.Second); count(t, s, "events") > kept || count(t, s, "losses") > 2 || count(t, s, "views") > 3; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d events, %d losses, %d views of %d", count(t, s, "events"), count(t, s, "losses"), count(t, s, "views"), before)
		}
	}
	if n := len(allEvents(t, s)); n != kept {
		t.Errorf("%d events, want %d: a view is missing", n, kept)
	}
	if rejects := allRejects(t, s); len(rejects) != 1 || string(rejects[0].Raw) != "more nonsense" {
		t.Errorf("rejects %v", rejects)
	}
	when = now
	if got := put("long open", "again"); got != "stored" {
		t.Errorf("afterwards: %s", got)
	}
	if got := put("old7", "old5"); got != "stored" {
		t.Errorf("beyond the retention: %s", got)
	}
	if row, err := s.LastRow(t.Context()); err != nil || row <= old+kept {
		t.Errorf("row %d, %v: a number is used twice", row, err)
	}
}

// TestRetentionReusesSpace lets the same amount come and go: the file does not grow for ever, and
// intake does not wait for the deletion.
func TestRetentionReusesSpace(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	when := time.Now()
	h := newAged(s, &when)
	pages := func() (n int) {
		if err := readDB(t, s).QueryRow(`PRAGMA page_count`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	var sizes []int
	for round := range 3 {
		when = time.Now().Add(-40 * 24 * time.Hour)
		for i := range 50 {
			var events []string
			for k := range 50 {
				events = append(events, fmt.Sprintf(`{"id":"%d-%d-%d","type":"Loaded","object":{"pad":%q}}`, round, i, k, strings.Repeat("x", 200)))
			}
			sendText(t, h, batchOf(events...))
		}
		s.Keep(24 * time.Hour)
		db, _ := s.current()
		db.writer.transact(func() error { db.writer.expiry = expiry{}; return nil })
		when = time.Now()
		for end := time.Now().Add(20 * time.Second); count(t, s, "events") > round+1; time.Sleep(20 * time.Millisecond) {
			start := time.Now()
			sendText(t, h, batchOf(loaded(fmt.Sprint("kept", round))))
			if d := time.Since(start); d > time.Second {
				t.Errorf("an event waited %v", d)
			}
			if time.Now().After(end) {
				t.Fatalf("%d events left", count(t, s, "events"))
			}
		}
		s.Keep(0)
		sizes = append(sizes, pages())
	}
	if sizes[2] > sizes[0]*5/4 {
		t.Errorf("pages after each round: %d", sizes)
	}
}
