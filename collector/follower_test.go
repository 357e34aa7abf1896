package collector

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestAfter reads everything in the order of the rows, however it is cut.
func TestAfter(t *testing.T) {
	s := openStore(t, t.TempDir())
	h := New(s, Options{Rate: math.Inf(1)}).Handler(testSite)
	for i := range 7 {
		sendText(t, h, batchOf(fmt.Sprintf(`{"id":"%d","at":%d,"type":"Loaded"}`, i, 100-i), loaded("0")))
	}
	for limit := 1; limit < 9; limit++ {
		var got []string
		for row := int64(0); ; {
			page, err := s.After(t.Context(), row, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			row = page[len(page)-1].Row
			got = append(got, ids(page)...)
		}
		if want := []string{"0", "1", "2", "3", "4", "5", "6"}; !slices.Equal(got, want) {
			t.Errorf("%d at a time: %q", limit, got)
		}
	}
}

func TestAfterHasThePageTotals(t *testing.T) {
	s := openStore(t, t.TempDir())
	h := New(s, Options{}).Handler(testSite)
	sendText(t, h, `{"v":1,"page":"p","refused":3,"dropped":2,"events":[`+loaded("a")+`]}`)
	page, err := s.After(t.Context(), 0, 9)
	if err != nil || len(page) != 1 || page[0].Refused != 3 || page[0].Dropped != 2 {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestEndsOutliveWhatHasThem(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	check := func(want Ends) {
		t.Helper()
		got, err := s.Ends(t.Context())
		want.Store = got.Store
		if got != want || got.Store == "" || err != nil {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	check(Ends{})
	h := New(s, Options{}).Handler(testSite)
	sendText(t, h, batchOf(loaded("a"), `{"id":"b","type":"ChatStarted","object":{"chatID":"7"}}`))
	for _, chat := range []string{"7", "8"} {
		if _, err := Erase(t.Context(), dir, Subject{Chat: chat}); err != nil {
			t.Fatal(err)
		}
	}
	check(Ends{Event: 2, Erasure: 2})
	notes, err := s.Erasures(t.Context(), 0, 9)
	if err != nil || len(notes) != 2 || notes[0].Kind != "chat" || notes[0].ID != "7" || notes[1].Row != 2 || time.Since(notes[0].At.Time()) > time.Minute {
		t.Errorf("%+v, %v", notes, err)
	}
	if notes, err := s.Erasures(t.Context(), 1, 1); err != nil || len(notes) != 1 || notes[0].ID != "8" {
		t.Errorf("%+v, %v", notes, err)
	}
}

func TestIdentity(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	first, err := s.Identity(t.Context())
	if err != nil || first == "" {
		t.Fatalf("%q, %v", first, err)
	}
	s.Close()
	if again, err := openStore(t, dir).Identity(t.Context()); again != first || err != nil {
		t.Errorf("opened again: %q, %v; was %q", again, err, first)
	}
	if _, err := s.Identity(t.Context()); err == nil {
		t.Error("a closed store has an identity")
	}
}

func TestWaiting(t *testing.T) {
	s := openStore(t, t.TempDir())
	when := time.Now().Add(-time.Hour)
	h := newAged(s, &when)
	for i := range 5 {
		sendText(t, h, batchOf(loaded(fmt.Sprint(i)), loaded("0"))) // duplicates use numbers up
	}
	for _, test := range []struct {
		name string
		row  int64
		want int64
	}{{"all", 0, 5}, {"some", 1, 4}, {"none", 1000, 0}} {
		n, since, err := s.Waiting(t.Context(), test.row)
		if err != nil || n != test.want || (since == 0) != (n == 0) {
			t.Errorf("%s: %d since %v, %v; want %d", test.name, n, since, err, test.want)
		}
		if n > 0 && since != millis(when) {
			t.Errorf("%s: since %v", test.name, since)
		}
	}
}

func TestLanded(t *testing.T) {
	s := openStore(t, t.TempDir())
	h := New(s, Options{}).Handler(testSite)
	landed := s.Landed()
	select {
	case <-landed:
		t.Fatal("nothing has come yet")
	default:
	}
	sendText(t, h, batchOf(loaded("a")))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case <-landed:
	case <-ctx.Done():
		t.Error("nobody was told")
	}
}

// taker is who has read up to a row.
type taker struct {
	mu   sync.Mutex
	row  int64
	lost []int64
}

func (k *taker) taken() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.row
}

func (k *taker) lose(rows []int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lost = append(k.lost, rows...)
}

// TestHold: retention leaves what nobody has taken, up to the cap, and counts what it deletes then.
func TestHold(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		name  string
		taken int64
		left  []string
		lost  []int64
	}{
		{"nothing taken", 0, []string{"33", "31", "2"}, []int64{1, 2}},
		{"one taken", 1, []string{"33", "31", "2"}, []int64{2}},
		{"one of the held taken", 3, []string{"31", "2"}, nil},
		{"all taken", 5, []string{"2"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := openStore(t, t.TempDir())
			k := taker{row: test.taken}
			s.Hold(k.taken, 10*24*time.Hour, k.lose)
			var when time.Time
			h := newAged(s, &when)
			for _, days := range []int{45, 42, 33, 31, 2} {
				when = now.Add(-time.Duration(days) * 24 * time.Hour)
				sendText(t, h, fmt.Sprintf(`{"v":1,"page":"%d","events":[%s]}`, days, loaded(fmt.Sprint(days))))
			}
			s.Keep(30 * 24 * time.Hour)
			n := len(test.left)
			for end := time.Now().Add(30 * time.Second); count(t, s, "events") > n && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			}
			page, err := s.After(t.Context(), 0, 9) // with their views
			if err != nil || !slices.Equal(ids(page), test.left) {
				t.Errorf("left %q, %v; want %q", ids(page), err, test.left)
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			if !slices.Equal(k.lost, test.lost) {
				t.Errorf("lost %d, want %d", k.lost, test.lost)
			}
		})
	}
}
