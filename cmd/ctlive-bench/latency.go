package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"time"
)

const (
	stepBits = 6  // a bucket is at most 1/64 wide, of what it holds
	maxBits  = 37 // longer than 137 s is counted as that long
	buckets  = (maxBits - stepBits + 1) << stepBits
)

// latencies counts durations by size, in 8 KiB however many they are. The zero value is ready to use.
type latencies struct {
	counts  [buckets]uint32
	n       uint64
	longest time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.counts[bucket(d)]++
	l.n++
	l.longest = max(l.longest, d)
}

// merge adds all that other has counted.
func (l *latencies) merge(other *latencies) {
	for i, n := range other.counts {
		l.counts[i] += n
	}
	l.n += other.n
	l.longest = max(l.longest, other.longest)
}

// quantile returns what the fraction q of the durations do not exceed: no less than the exact value,
// and at most 1/64 more. It is 0 if there are none.
func (l *latencies) quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(l.n)))
	for i, n := range l.counts {
		if uint64(n) >= rank {
			return min(upper(i), l.longest)
		}
		rank -= uint64(n)
	}
	return l.longest
}

// latenciesWire is how latencies go to another process: only the buckets that hold any.
type latenciesWire struct {
	Counts  map[int]uint32 `json:"counts"`
	Longest time.Duration  `json:"longest"`
}

func (l *latencies) MarshalJSON() ([]byte, error) {
	wire := latenciesWire{map[int]uint32{}, l.longest}
	for i, n := range l.counts {
		if n > 0 {
			wire.Counts[i] = n
		}
	}
	return json.Marshal(wire)
}

func (l *latencies) UnmarshalJSON(b []byte) error {
	var wire latenciesWire
	if err := json.Unmarshal(b, &wire); err != nil {
		return err
	}
	*l = latencies{longest: wire.Longest}
	for i, n := range wire.Counts {
		if i < 0 || i >= buckets {
			return fmt.Errorf("latencies have no bucket %d", i)
		}
		l.counts[i] = n
		l.n += uint64(n)
	}
	return nil
}

// bucket returns the place of d. Durations below 128 ns have one each; of those above, each power of
// two has 64.
func bucket(d time.Duration) int {
	ns := uint64(min(max(d, 0), 1<<maxBits-1))
	shift := max(0, bits.Len64(ns)-stepBits-1)
	return shift<<stepBits + int(ns>>shift)
}

// upper returns the longest duration of bucket i.
func upper(i int) time.Duration {
	shift := max(0, i>>stepBits-1)
	return time.Duration(i-shift<<stepBits+1)<<shift - 1
}

// summary is what a report says of latencies.
type summary struct {
	Count   uint64  `json:"count"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Longest float64 `json:"max_ms"`
}

func (l *latencies) summary() *summary {
	return &summary{l.n, millis(l.quantile(0.5)), millis(l.quantile(0.99)), millis(l.longest)}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
