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

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	h := New(s, Options{Rate: math.Inf(1)}).Handler(testSite)
	other, err := OpenReadOnly(dir) // as another process would
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()

	const before, after = 10, 300
	var want []string
	put := func(i int) {
		sendText(t, h, batchOf(loaded(fmt.Sprint(i)), fmt.Sprintf(`{"id":"x%d","type":"WidgetShown"}`, i)))
		want = append(want, fmt.Sprint(i))
	}
	for i := range before {
		put(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	got := make([][]string, 2)
	for i, store := range []*Store{s, other} {
		wg.Go(func() {
			for r, err := range store.Follow(ctx, Filter{Type: "Loaded", Limit: 1}) {
				if err != nil {
					t.Error(err)
				}
				if got[i] = append(got[i], r.ID); len(got[i]) == before+after {
					return
				}
			}
		})
	}
	for i := range after {
		put(before + i)
	}
	wg.Wait()
	for i := range got {
		if !slices.Equal(got[i], want) {
			t.Errorf("follower %d: %q", i, got[i])
		}
	}
}

func TestFollowEnds(t *testing.T) {
	ends := func(name string, s *Store, ctx context.Context, end func()) {
		ended := make(chan bool)
		go func() {
			for _, err := range s.Follow(ctx, Filter{}) {
				t.Errorf("%s: %v", name, err)
			}
			close(ended)
		}()
		time.Sleep(20 * time.Millisecond)
		end()
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			t.Errorf("%s: still following", name)
		}
	}
	s := openStore(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	ends("context", s, ctx, cancel)
	ends("close", s, t.Context(), func() { s.Close() })
}

// TestLatest: who reads slowly gets the latest events, and one who keeps up gets all.
func TestLatest(t *testing.T) {
	s := openStore(t, t.TempDir())
	h := New(s, Options{Rate: math.Inf(1)}).Handler(testSite)
	put := func(from, n int) {
		var events []string
		for i := range n {
			events = append(events, loaded(fmt.Sprint(from+i)))
		}
		sendText(t, h, batchOf(events...))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := newCursor(s, Filter{}, 0)
	c.latest = 10
	look := func(want ...string) {
		t.Helper()
		page, ok, err := c.next(ctx, time.Minute)
		var got []string
		for _, r := range page {
			got = append(got, r.ID)
		}
		if !ok || err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %t, %v; want %q", got, ok, err, want)
		}
	}
	put(0, 3)
	look("0", "1", "2")
	put(3, 2)
	look("3", "4")
	put(5, 30)
	look("25", "26", "27", "28", "29", "30", "31", "32", "33", "34")
}
