package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// headroom is what a small heap may grow by until it is collected, in bytes. One
	// of which more than that lives may double, as any heap of Go.
	headroom = 12 << 20

	// usual is the percentage by which a heap of Go grows, and most that of a small
	// one: as much may be wrong if what lives has doubled when a collection tells it.
	usual, most = 100, 300

	// surge is what the memory in use may grow by until a collection tells how much
	// lives, in bytes. It holds for a heap that is allowed more than usual.
	surge = 24 << 20
)

// growth returns the percentage by which a heap may grow of which so many bytes live.
func growth(live uint64) int {
	return int(min(max(headroom*100/max(live, 1), usual), most))
}

// A heapKeeper gives a small heap headroom: one of 2 MB that doubles is collected 50
// times a second at saturation.
type heapKeeper struct {
	mu      sync.Mutex
	seen    []metrics.Sample
	stopped bool
}

// keepHeap starts to look after the heap, unless the environment says how it is to
// grow. What it returns gives the heap back to Go's own rule.
func keepHeap() (stop func()) {
	if operatorRules() {
		return func() {}
	}
	k := newHeapKeeper()
	k.adjust()
	return k.stop
}

// operatorRules reports whether the environment says how the heap is to grow.
func operatorRules() bool { return os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" }

func newHeapKeeper() *heapKeeper {
	return &heapKeeper{seen: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}}
}

// adjust is called once after each collection: what it allocates does not live.
func (k *heapKeeper) adjust() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	metrics.Read(k.seen)
	live, total, released := k.seen[0].Value.Uint64(), k.seen[1].Value.Uint64(), k.seen[2].Value.Uint64()
	percent, limit := growth(live), int64(math.MaxInt64)
	if percent > usual {
		limit = int64(total - released + surge)
	}
	allow(percent, limit)
	runtime.AddCleanup(new([64]byte), func(k *heapKeeper) { k.adjust() }, k)
}

func (k *heapKeeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	allow(usual, math.MaxInt64)
}

// allow says how the heap may grow: by a percentage, if the memory in use stays within
// limit bytes.
func allow(percent int, limit int64) {
	debug.SetMemoryLimit(limit)
	debug.SetGCPercent(percent)
}
