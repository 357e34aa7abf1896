package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

const (
	// headroom is what the heap may grow by until it is collected, at least, in
	// bytes. Go lets a heap double: one as small as ours is idle would be collected
	// 20 times a second under load. A heap of more than headroom doubles as usual.
	headroom = 24 << 20

	doubling = 100 // Go's default, in percent of what lives

	// minHeap is what Go takes a heap for that is smaller, in bytes.
	minHeap = 4 << 20
)

// A heapKeeper sets after each collection how far the heap may grow.
type heapKeeper struct {
	live    [1]metrics.Sample
	percent int
	stopped atomic.Bool
}

// keepHeap starts to keep headroom, unless the environment says how the heap is to
// grow. What it returns gives the heap back to Go's own rule.
func keepHeap() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	k := &heapKeeper{percent: doubling}
	k.live[0].Name = "/gc/heap/live:bytes"
	k.adjust()
	return func() {
		k.stopped.Store(true)
		debug.SetGCPercent(doubling)
	}
}

// adjust is called once after each collection: what it allocates does not live.
func (k *heapKeeper) adjust() {
	if k.stopped.Load() {
		return
	}
	metrics.Read(k.live[:])
	if percent := growth(k.live[0].Value.Uint64()); percent != k.percent {
		k.percent = percent
		debug.SetGCPercent(percent)
	}
	runtime.AddCleanup(new([64]byte), func(k *heapKeeper) { k.adjust() }, k)
}

// growth returns by how many percent a heap of which so many bytes live may grow.
// Coarse steps save the pause that each change costs.
func growth(live uint64) int {
	percent := headroom * 100 / max(live, minHeap)
	return int(max(doubling, percent/50*50))
}
