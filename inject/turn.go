package inject

import (
	"runtime"
	"sync"
	"time"
)

const (
	// maxHaste is how often a page comes before those that have not begun, so that
	// none that has no end keeps them out.
	maxHaste = 64

	// perTurn is how many pages are under way for each turn: one has it, and the
	// others fill the moments in which it waits for its origin.
	perTurn = 4

	// patience is how long a page waits for those that are under way, if processors
	// are idle, and how long after its last turn a page still counts as under way.
	patience = 5 * time.Millisecond
)

// turns lets as many pages be decoded and encoded at a time as there are processors,
// and perTurn times as many be under way: each takes megabytes, and more of them at
// once are not ready any sooner. A turn is never held by who waits for the network, so
// that it always comes; and pages that wait for long keep out no others.
type turns struct {
	limit int // pages under way
	start time.Time

	mu       sync.Mutex
	free     int       // turns
	underWay int       // pages, those that are stalled among them
	now      int64     // patiences since start
	away     [2]int    // pages under way that gave their turn back now, and one patience ago
	stalled  int       // earlier
	begun    []*waiter // come first
	fresh    []*waiter
	endless  []*waiter // have come first too often
	waking   bool      // a look at those who are fresh is due
}

// A waiter is a page that waits for its turn.
type waiter struct {
	page  *turn
	since time.Time
	comes chan struct{}
}

// newTurns returns n turns.
func newTurns(n int) *turns { return &turns{limit: n * perTurn, start: time.Now(), free: n} }

var recoding = newTurns(runtime.GOMAXPROCS(0))

// A turn is one page's share of them.
type turn struct {
	of    *turns
	held  bool
	taken int
	left  int64 // when it was given back, as turns.now
	over  bool
}

// take waits for a turn.
func (t *turn) take() {
	all := t.of
	t.held = true
	all.mu.Lock()
	if t.isUnderWay() {
		all.back(t)
	}
	if all.free > 0 && (t.taken > 0 || len(all.fresh) == 0 && all.hasRoom()) {
		all.hand(t)
		all.mu.Unlock()
		return
	}
	w := &waiter{t, time.Now(), make(chan struct{})}
	queue := &all.begun
	switch {
	case t.taken == 0:
		queue = &all.fresh
	case t.taken > maxHaste:
		queue = &all.endless
	}
	*queue = append(*queue, w)
	all.serve()
	all.mu.Unlock()
	<-w.comes
}

// give passes the turn on, if it is held.
func (t *turn) give() {
	if !t.held {
		return
	}
	t.held = false
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.of.free++
	if t.isUnderWay() {
		t.of.leave(t)
	}
	t.of.serve()
}

// end tells that the page is not under way any more. Turns may be taken still.
func (t *turn) end() {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if !t.isUnderWay() {
		return
	}
	if !t.held {
		t.of.back(t)
	}
	t.over = true
	t.of.underWay--
	t.of.serve()
}

// isUnderWay reports whether others wait for the page, as they do for those that end.
func (t *turn) isUnderWay() bool { return 0 < t.taken && t.taken <= maxHaste && !t.over }

// hand gives a page one of the free turns.
func (all *turns) hand(t *turn) {
	before := t.isUnderWay()
	all.free--
	t.taken++
	switch after := t.isUnderWay(); {
	case after && !before:
		all.underWay++
	case before && !after:
		all.underWay--
	}
}

// serve hands out turns while there are free ones and pages that may have them.
func (all *turns) serve() {
	for all.free > 0 {
		queue := all.next()
		if queue == nil {
			return
		}
		w := (*queue)[0]
		*queue = (*queue)[1:]
		all.hand(w.page)
		close(w.comes)
	}
}

// next returns the queue whose first is next, or nil.
func (all *turns) next() *[]*waiter {
	if len(all.begun) > 0 {
		return &all.begun
	}
	if len(all.fresh) > 0 {
		first := all.fresh[0].since
		wait := patience - time.Since(first)
		switch {
		case len(all.endless) > 0 && all.endless[0].since.Before(first):
		case wait <= 0 || all.hasRoom():
			return &all.fresh
		default:
			all.lookAfter(wait)
		}
	}
	if len(all.endless) > 0 {
		return &all.endless
	}
	return nil
}

// lookAfter serves after d, when a page has waited long enough.
func (all *turns) lookAfter(d time.Duration) {
	if all.waking {
		return
	}
	all.waking = true
	time.AfterFunc(d, func() {
		all.mu.Lock()
		defer all.mu.Unlock()
		all.waking = false
		all.serve()
	})
}

// hasRoom reports whether one more page may be under way.
func (all *turns) hasRoom() bool {
	all.advance()
	return all.underWay-all.stalled < all.limit
}

// leave counts a page as away.
func (all *turns) leave(t *turn) {
	all.advance()
	t.left = all.now
	all.away[0]++
}

// back takes a page out of those that are away.
func (all *turns) back(t *turn) {
	all.advance()
	if ago := all.now - t.left; ago < int64(len(all.away)) {
		all.away[ago]--
	} else {
		all.stalled--
	}
}

// advance counts those that have been away for long as stalled.
func (all *turns) advance() {
	now := int64(time.Since(all.start) / patience)
	for ; all.now < now && all.away != [2]int{}; all.now++ {
		all.stalled += all.away[1]
		all.away = [2]int{0, all.away[0]}
	}
	all.now = now
}
