package inject

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Who has begun comes before who has not, but not for ever.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTurns(1)
		var order []string
		begin := func(name string, taken int) {
			go func() {
				own := turn{of: all, taken: taken}
				own.take()
				order = append(order, name)
				own.give()
			}()
			synctest.Wait()
		}
		first := turn{of: all}
		first.take()
		begin("new", 0)
		begin("endless", maxHaste+1)
		begin("begun", 1)
		begin("begun, too", maxHaste)
		first.give()
		first.give() // does nothing
		synctest.Wait()
		if want := []string{"begun", "begun, too", "new", "endless"}; !slices.Equal(order, want) || all.free != 1 {
			t.Errorf("order %q, %d turns are free", order, all.free)
		}
	})
}

// A page begins when there is room for it: those that are under way end, or stall. It
// does not wait for longer than they are worth.
func TestTurnsLimit(t *testing.T) {
	for name, c := range map[string]struct {
		change func(under []*turn)
		waits  time.Duration
	}{
		"nothing happens": {func([]*turn) {}, patience},
		"one ends":        {func(under []*turn) { under[0].end() }, 0},
		"one ends in its turn": {func(under []*turn) {
			under[1].take()
			under[1].end()
			under[1].give()
		}, 0},
		"they stall": {func([]*turn) { time.Sleep(2 * patience) }, 0},
		"all but one work on": {func(under []*turn) {
			for range 3 {
				time.Sleep(patience)
				for _, u := range under[1:] {
					u.take()
					u.give()
				}
			}
		}, 0},
		"all work on": {func(under []*turn) {
			for range 3 {
				time.Sleep(patience)
				for _, u := range under {
					u.take()
					u.give()
				}
			}
		}, patience},
		"one has no end": {func(under []*turn) {
			for range maxHaste {
				under[0].take()
				under[0].give()
			}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := newTurns(2)
				var under []*turn
				for range all.limit {
					page := &turn{of: all}
					page.take()
					page.give()
					under = append(under, page)
				}
				c.change(under)
				start := time.Now()
				page := turn{of: all}
				page.take()
				if waited := time.Since(start); waited != c.waits {
					t.Errorf("a page began after %v, want %v", waited, c.waits)
				}
			})
		})
	}
}

// Whatever pages do, all have their turns, and nothing is left of them.
func TestTurnsOfMany(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			all := newTurns(2)
			var pages sync.WaitGroup
			for i := range uint64(100) {
				pages.Go(func() {
					random := rand.New(rand.NewPCG(seed, i))
					rest := func() { time.Sleep(time.Duration(random.Int64N(int64(3 * patience)))) }
					page := turn{of: all}
					rest()
					for range random.IntN(2 * maxHaste) {
						page.take()
						if random.IntN(4) == 0 {
							rest()
						}
						page.give()
						rest()
						if random.IntN(maxHaste) == 0 {
							page.end()
						}
					}
					page.end()
				})
			}
			pages.Wait()
			time.Sleep(patience) // a look that is due
			all.mu.Lock()
			defer all.mu.Unlock()
			if all.free != 2 || all.underWay != 0 || all.stalled != 0 || all.away != [2]int{} || all.waking {
				t.Errorf("seed %d: %d free, %d under way, %d stalled, %v away, waking: %t",
					seed, all.free, all.underWay, all.stalled, all.away, all.waking)
			}
		})
	}
}
