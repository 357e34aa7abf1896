package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	type collections struct {
		n    int
		gap  time.Duration
		live uint64
	}
	busy := collections{steady, frequent, smallHeap}
	for name, c := range map[string]struct {
		of   []collections
		want bool
	}{
		"none":                   {nil, false},
		"a burst":                {[]collections{{steady - 1, time.Millisecond, 1}}, false},
		"steady use":             {[]collections{busy}, true},
		"seldom":                 {[]collections{{10 * steady, frequent + 1, 1}}, false},
		"a large heap":           {[]collections{{10 * steady, frequent, smallHeap + 1}}, false},
		"fewer with headroom":    {[]collections{busy, {10, quiet, 1}}, true},
		"grown":                  {[]collections{busy, {1, 1, smallHeap + 1}}, false},
		"quiet":                  {[]collections{busy, {1, quiet + 1, 1}}, false},
		"a burst after a pause":  {[]collections{busy, {1, quiet + 1, 1}, {steady - 1, 1, 1}}, false},
		"steady use after pause": {[]collections{busy, {1, quiet + 1, 1}, busy}, true},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			p := pace{small: smallHeap, last: now}
			for _, cs := range c.of {
				for range cs.n {
					now = now.Add(cs.gap)
					p.collected(now, cs.live)
				}
			}
			if p.roomy != c.want {
				t.Errorf("headroom: %t, want %t", p.roomy, c.want)
			}
		})
	}
}

// startKeeper starts a keeper whose collections are 10 ms apart, and to which the heap
// is small as it is.
func startKeeper(t *testing.T) *heapKeeper {
	now := time.Now()
	k := newHeapKeeper(func() time.Time { now = now.Add(10 * time.Millisecond); return now })
	k.pace.small += liveHeap()
	k.adjust()
	t.Cleanup(k.stop)
	return k
}

// awaitRoom collects until the keeper has headroom, or has none.
func (k *heapKeeper) awaitRoom(t *testing.T, want bool) {
	t.Helper()
	for range 5000 {
		runtime.GC()
		k.mu.Lock()
		has := k.room.Cap() > 0
		k.mu.Unlock()
		if has == want {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("headroom is not %t", want)
}

func sample(name string) uint64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// liveHeap collects what does not live and returns the size of the rest, in bytes.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	return sample("/gc/heap/live:bytes")
}

// kept makes the heap large.
var kept [][]byte

// A small heap that is collected often has headroom; a large one has none, nor has
// one that is not kept any more.
func TestKeepHeap(t *testing.T) {
	defer func() { kept = nil }()
	goal := func() uint64 { return sample("/gc/heap/goal:bytes") }
	k := startKeeper(t)
	before := goal()
	k.awaitRoom(t, true)
	runtime.GC()
	if more := int64(goal() - before); more < headroom*3/2 {
		t.Errorf("the heap's goal is %d bytes further", more)
	}
	kept = append(kept, make([]byte, 2*smallHeap))
	k.awaitRoom(t, false)
	kept = nil
	k.awaitRoom(t, true)
	k.stop()
	k.awaitRoom(t, false)
}

// However fast a heap grows from small to large, and however late the keeper looks, it
// is collected before it takes more than double of what lives and of the headroom.
func TestHeapBound(t *testing.T) {
	defer func() { kept = nil }()
	k := startKeeper(t)
	k.awaitRoom(t, true)
	k.mu.Lock() // the keeper is as late as can be
	defer k.mu.Unlock()
	const slack = 2 << 20 // stacks, global variables
	start := liveHeap()   // with the headroom
	for size := uint64(1 << 20); size <= 128<<20; size *= 2 {
		kept = append(kept, make([]byte, size))
		runtime.GC()
		live := start + 2*size
		if goal := sample("/gc/heap/goal:bytes"); goal > 2*live+slack {
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
