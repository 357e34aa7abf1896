package main

import (
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"time"
)

const (
	// headroom is what a small heap in steady use may grow by until it is collected,
	// in bytes, besides doubling as any heap of Go.
	headroom = 8 << 20

	// smallHeap is the most that may live in a heap with headroom, in bytes: to a
	// larger one it makes less of a difference.
	smallHeap = 8 << 20

	// steady is how many collections in a row, each within frequent of the one
	// before, earn headroom. A start and a burst of 64 compressed pages make ten: what
	// an idle process needs at the peak is as without headroom.
	steady   = 32
	frequent = 125 * time.Millisecond

	// quiet is the time without a collection after which headroom is of no use.
	quiet = time.Second
)

// A pace decides by the collections it is told of whether the heap has headroom.
type pace struct {
	small uint64 // bytes; see smallHeap
	last  time.Time
	quick int // collections in a row
	roomy bool
}

// collected tells of a collection that has left so many bytes alive.
func (p *pace) collected(now time.Time, live uint64) {
	gap := now.Sub(p.last)
	p.last = now
	switch {
	case live > p.small || gap > quiet:
		p.quick, p.roomy = 0, false
	case p.roomy:
	case gap > frequent:
		p.quick = 0
	default:
		p.quick++
		p.roomy = p.quick >= steady
	}
}

// A heapKeeper gives the heap headroom by keeping as many bytes alive that nobody
// writes to: they take part in the doubling, and take none of the machine's memory.
// Until they are let go of, a heap that grows takes as much more than by Go's own
// rule, never a multiple of its size, as it would with a percentage.
type heapKeeper struct {
	clock func() time.Time

	mu      sync.Mutex
	live    [1]metrics.Sample
	pace    pace
	room    strings.Builder // with headroom: Grow clears no memory, as make would
	stopped bool
}

// keepHeap starts to look after the heap, unless the environment says how it is to
// grow. What it returns gives the heap back to Go's own rule.
func keepHeap() (stop func()) {
	if operatorRules() {
		return func() {}
	}
	k := newHeapKeeper(time.Now)
	k.adjust()
	return k.stop
}

// operatorRules reports whether the environment says how the heap is to grow.
func operatorRules() bool { return os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" }

func newHeapKeeper(clock func() time.Time) *heapKeeper {
	k := &heapKeeper{clock: clock, pace: pace{small: smallHeap}}
	k.live[0].Name = "/gc/heap/live:bytes"
	return k
}

// adjust is called once after each collection: what it allocates does not live.
func (k *heapKeeper) adjust() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	metrics.Read(k.live[:])
	live, room := k.live[0].Value.Uint64(), uint64(k.room.Cap())
	k.pace.collected(k.clock(), live-min(live, room))
	k.keep()
	runtime.AddCleanup(new([64]byte), func(k *heapKeeper) { k.adjust() }, k)
}

// keep takes the room, or lets go of it, as the pace says.
func (k *heapKeeper) keep() {
	switch has := k.room.Cap() > 0; {
	case k.pace.roomy && !has:
		k.room.Grow(headroom)
	case !k.pace.roomy && has:
		k.room.Reset()
	}
}

func (k *heapKeeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	k.room.Reset()
}
