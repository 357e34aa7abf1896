package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGrowth(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 600, minHeap: 600, 5 << 20: 450, 12 << 20: 200, headroom: 100, 10 * headroom: 100, math.MaxUint64: 100,
	} {
		if got := growth(live); got != want {
			t.Errorf("%d bytes live: %d %%, want %d", live, got, want)
		}
	}
	for live := uint64(1); live < 1<<40; live *= 3 {
		if goal := max(live, minHeap) * uint64(growth(live)) / 100; goal > max(live, headroom) {
			t.Errorf("%d bytes live: %d bytes more", live, goal)
		}
	}
}

// kept is what makes the heap large.
var kept []byte

// The heap's growth follows what lives, collection by collection, until the keeper
// is stopped. The operator's own setting stands.
func TestKeepHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	percent := func() int {
		p := debug.SetGCPercent(doubling)
		debug.SetGCPercent(p)
		return p
	}
	await := func(what string, ok func(int) bool) {
		t.Helper()
		for range 500 {
			if runtime.GC(); ok(percent()) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%s: %d %%", what, percent())
	}
	stop := keepHeap()
	await("small", func(p int) bool { return p > doubling })
	kept = make([]byte, 2*headroom)
	await("large", func(p int) bool { return p == doubling })
	kept = nil
	await("small again", func(p int) bool { return p > doubling })
	stop()
	await("stopped", func(p int) bool { return p == doubling })
	t.Setenv("GOGC", "150")
	debug.SetGCPercent(150)
	defer debug.SetGCPercent(doubling)
	defer keepHeap()()
	await("own setting", func(p int) bool { return p == 150 })
}
