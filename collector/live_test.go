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
