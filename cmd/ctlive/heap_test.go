package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGrowth(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, most}, {1 << 20, most}, {headroom / 3, most}, {headroom / 2, 200}, {headroom, usual}, {1 << 40, usual},
	} {
		if got := growth(c.live); got != c.want {
			t.Errorf("%d bytes live: %d %%, want %d", c.live, got, c.want)
		}
	}
}

// startKeeper starts a keeper of the test's heap.
func startKeeper(t *testing.T) *heapKeeper {
	k := newHeapKeeper()
	k.adjust()
	t.Cleanup(k.stop)
	return k
}

// awaitPercent collects until the heap grows by a percentage that is as wanted.
func awaitPercent(t *testing.T, want func(percent uint64) bool) {
	t.Helper()
	for range 5000 {
		runtime.GC()
		if want(sample("/gc/gogc:percent")) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("the heap grows by %d %%", sample("/gc/gogc:percent"))
}

func sample(name string) uint64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// kept makes the heap large.
var kept [][]byte

// A small heap has headroom; a large one has none, nor has one that is not kept any more.
func TestKeepHeap(t *testing.T) {
	defer func() { kept = nil }()
	roomy := func(percent uint64) bool { return percent > usual }
	tight := func(percent uint64) bool { return percent == usual }
	limit := func() int64 { return debug.SetMemoryLimit(-1) }
	k := startKeeper(t)
	awaitPercent(t, roomy)
	if used := int64(sample("/memory/classes/total:bytes")); limit() > used+surge {
		t.Errorf("the memory may grow from %d bytes to %d", used, limit())
	}
	kept = append(kept, make([]byte, 2*headroom))
	awaitPercent(t, tight)
	if limit() != math.MaxInt64 {
		t.Errorf("the memory may grow to %d bytes", limit())
	}
	kept = nil
	awaitPercent(t, roomy)
	k.stop()
	awaitPercent(t, tight)
	if limit() != math.MaxInt64 {
		t.Errorf("the memory may grow to %d bytes once nobody looks after it", limit())
	}
}

// However fast a heap grows from small to large, and however late the keeper looks, it
// is collected before it takes more than double of what lives, or has grown by a surge.
func TestHeapBound(t *testing.T) {
	defer func() { kept = nil }()
	k := startKeeper(t)
	awaitPercent(t, func(percent uint64) bool { return percent > usual })
	k.mu.Lock() // the keeper is as late as can be
	defer k.mu.Unlock()
	limit := uint64(debug.SetMemoryLimit(-1))
	for size := uint64(1 << 20); size <= 128<<20; size *= 2 {
		kept = append(kept, make([]byte, size))
		runtime.GC()
		live := sample("/gc/heap/live:bytes")
		if goal := sample("/gc/heap/goal:bytes"); goal > max(2*live, limit) {
			t.Errorf("%d bytes live: the heap may grow to %d", live, goal)
		}
	}
}

// The operator's own settings stand.
func TestOperatorRules(t *testing.T) {
	for _, c := range []struct {
		percent, limit string
		want           bool
	}{{"", "", false}, {"100", "", true}, {"", "90MiB", true}, {"off", "90MiB", true}} {
		t.Setenv("GOGC", c.percent)
		t.Setenv("GOMEMLIMIT", c.limit)
		if got := operatorRules(); got != c.want {
			t.Errorf("GOGC=%s GOMEMLIMIT=%s: %t", c.percent, c.limit, got)
		}
	}
}
