package inject

import (
	"slices"
	"testing"
	"testing/synctest"
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
