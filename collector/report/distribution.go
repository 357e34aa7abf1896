package report

import (
	"cmp"
	"slices"
	"time"
)

// Bounds of the bars, in milliseconds: as people think of time spent waiting and talking.
var (
	waitBounds = inMillis(time.Second, 2*time.Second, 5*time.Second, 10*time.Second, 20*time.Second, 30*time.Second,
		time.Minute, 2*time.Minute, 5*time.Minute)
	durationBounds = inMillis(30*time.Second, time.Minute, 2*time.Minute, 3*time.Minute, 5*time.Minute, 10*time.Minute,
		15*time.Minute, 30*time.Minute, time.Hour)
)

func inMillis(durations ...time.Duration) []int64 {
	ms := make([]int64, len(durations))
	for i, d := range durations {
		ms[i] = d.Milliseconds()
	}
	return ms
}

// distribution returns that of spells, whose order it changes. A count may be less than nought if
// others of the same length make up for it.
func distribution(spells []spell, bounds []int64) Distribution {
	slices.SortFunc(spells, func(a, b spell) int { return cmp.Compare(a.ms, b.ms) })
	var d Distribution
	for i := range bounds {
		d.Buckets = append(d.Buckets, Bar{To: &bounds[i]})
	}
	d.Buckets = append(d.Buckets, Bar{})
	bar := 0
	for _, s := range spells {
		for bar < len(bounds) && s.ms > bounds[bar] {
			bar++
		}
		d.Buckets[bar].N += s.n
		d.N += s.n
	}
	d.Median, d.P95 = rank(spells, (d.N+1)/2), rank(spells, (d.N*95+99)/100)
	return d
}

// rank returns the n-th of sorted spells; 0 if n is 0.
func rank(spells []spell, n int64) int64 {
	for i := 0; i < len(spells) && n > 0; {
		ms := spells[i].ms
		for ; i < len(spells) && spells[i].ms == ms; i++ {
			n -= spells[i].n
		}
		if n <= 0 {
			return ms
		}
	}
	return 0
}
