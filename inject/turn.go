package inject

import (
	"runtime"
	"sync"
)

// turns lets as many pages be decoded and encoded at a time as there are
// processors: a page that is under way takes megabytes, and more of them at once
// are not ready any sooner. A turn is never held by who waits for the network,
// so that it always comes.
type turns struct {
	mu    sync.Mutex
	free  int
	begun []chan struct{} // waiting; those who hold memory come first
	fresh []chan struct{}
}

// newTurns returns n turns.
func newTurns(n int) *turns { return &turns{free: n} }

var recoding = newTurns(runtime.GOMAXPROCS(0))

// A turn is one page's share of them.
type turn struct {
	of    *turns
	held  bool
	taken int
}

// maxHaste is how often a page comes before those that have not begun, so that
// none that has no end keeps them out.
const maxHaste = 64

// take waits for a turn.
func (t *turn) take() {
	t.held = true
	t.of.mu.Lock()
	if t.of.free > 0 {
		t.of.free--
		t.of.mu.Unlock()
		t.taken++
		return
	}
	queue := &t.of.begun
	if t.taken == 0 || t.taken > maxHaste {
		queue = &t.of.fresh
	}
	comes := make(chan struct{})
	*queue = append(*queue, comes)
	t.of.mu.Unlock()
	<-comes
	t.taken++
}

// give passes the turn on, if it is held.
func (t *turn) give() {
	if !t.held {
		return
	}
	t.held = false
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	for _, queue := range []*[]chan struct{}{&t.of.begun, &t.of.fresh} {
		if len(*queue) > 0 {
			close((*queue)[0])
			*queue = (*queue)[1:]
			return
		}
	}
	t.of.free++
}
