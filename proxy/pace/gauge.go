package pace

import (
	"sync/atomic"
	"time"
)

// The marks of a gauge are one number, so that a single comparison tells whether
// anything has happened since.
const (
	isCut         = 1 << 63   // for good
	began         = 1 << 16   // one more operation has begun
	inside uint64 = 1<<16 - 1 // of which so many have not ended; it is 0 or 1 with any sane handler
)

// A gauge follows the reads of a transfer, or its writes.
type gauge struct {
	marks atomic.Uint64
	bytes atomic.Int64

	// Of the sweep alone.
	seen    uint64        // marks at the last sweep
	idle    time.Duration // for which one operation has waited
	waited  time.Duration // of the current window
	counted int64         // bytes when the window began
}

// begin is called before an operation that can wait, and reports whether it may
// take place.
func (g *gauge) begin() bool {
	if g.marks.Add(began+1)&isCut == 0 {
		return true
	}
	g.marks.Add(^uint64(0))
	return false
}

// end is called after an operation that moved n bytes, and reports whether it was
// left alone.
func (g *gauge) end(n int) bool {
	g.bytes.Add(int64(n))
	return g.marks.Add(^uint64(0))&isCut == 0
}

// cut ends the operation that mark was taken of, unless it has just ended itself.
func (g *gauge) cut(mark uint64) bool { return g.marks.CompareAndSwap(mark, mark|isCut) }

func (g *gauge) wasCut() bool { return g.marks.Load()&isCut != 0 }

// stuck reports, after slow, whether one operation has waited for d.
func (g *gauge) stuck(d time.Duration) bool {
	return g.seen&inside != 0 && g.seen == g.marks.Load() && g.idle >= d
}

// slow is called once in every interval. It reports whether the operation under
// way, whose mark it returns, has waited for idle, or is below rate in a window of
// waiting; window 0: there is no rate.
func (g *gauge) slow(every, idle, window time.Duration, rate int64) (mark uint64, slow bool) {
	mark = g.marks.Load()
	if mark&inside == 0 || mark&isCut != 0 {
		g.seen = mark
		return mark, false
	}
	if g.seen != mark {
		g.seen, g.idle = mark, -every // it began just now
	}
	g.idle += every
	return mark, g.idle >= idle || window > 0 && g.belowRate(every, window, rate)
}

// belowRate adds an interval to the window, and judges the window when it is full.
// One without a byte is left to the limit for that: a train in a tunnel is not a
// trickle. One that is too slow stays, to be judged again with the next interval:
// a byte that arrives just before the cut must not win another window.
func (g *gauge) belowRate(every, window time.Duration, rate int64) bool {
	if g.waited += every; g.waited < window {
		return false
	}
	bytes := g.bytes.Load()
	moved := bytes - g.counted
	if moved > 0 && float64(moved) < float64(rate)*window.Seconds() {
		return true
	}
	g.counted, g.waited = bytes, 0
	return false
}
