package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A quantile is at least the exact one, and at most 1/64 more.
func TestQuantile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	shapes := map[string]func() time.Duration{
		"nanoseconds": func() time.Duration { return time.Duration(random.IntN(200)) },
		"one value":   func() time.Duration { return 12345 },
		"even":        func() time.Duration { return time.Duration(random.Int64N(int64(time.Second))) },
		"long tail":   func() time.Duration { return time.Duration(math.Exp(6 + 3*random.NormFloat64())) },
	}
	for name, shape := range shapes {
		for _, n := range []int{1, 2, 99, 100, 101, 20_000} {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				var l latencies
				var exact []time.Duration
				for range n {
					d := shape()
					l.add(d)
					exact = append(exact, d)
				}
				slices.Sort(exact)
				for _, q := range []float64{0.001, 0.5, 0.99, 1} {
					want := exact[int(math.Ceil(q*float64(n)))-1]
					if got := l.quantile(q); got < want || got > want+want/64 {
						t.Errorf("quantile %v: %d, want %d to %d", q, got, want, want+want/64)
					}
				}
			})
		}
	}
}

func TestBucketBounds(t *testing.T) {
	for i := range buckets {
		if got := bucket(upper(i)); got != i {
			t.Fatalf("the longest of bucket %d is in %d", i, got)
		}
		if got := bucket(upper(i) + 1); got != i+1 && i+1 < buckets {
			t.Fatalf("what follows bucket %d is in %d", i, got)
		}
	}
	for _, d := range []time.Duration{-1, math.MinInt64} {
		if bucket(d) != 0 {
			t.Errorf("%d is not in the first bucket", d)
		}
	}
	if bucket(math.MaxInt64) != buckets-1 {
		t.Error("the longest duration is not in the last bucket")
	}
}

func TestMerge(t *testing.T) {
	var parts [3]latencies
	var all latencies
	for i := range 3000 {
		parts[i%3].add(time.Duration(i * i))
		all.add(time.Duration(i * i))
	}
	var merged latencies
	for i := range parts {
		merged.merge(&parts[i])
	}
	if merged != all {
		t.Error("merged parts are not the whole")
	}
}

func Example() {
	var l latencies
	for ms := range 100 {
		l.add(time.Duration(1+ms) * time.Millisecond)
	}
	fmt.Println(l.quantile(0.5).Round(time.Millisecond), l.quantile(0.99).Round(time.Millisecond), l.longest)
	fmt.Println((&latencies{}).quantile(0.99))
	// Output:
	// 50ms 100ms 100ms
	// 0s
}

// What goes to another process arrives there.
func TestLatenciesWire(t *testing.T) {
	var sent, got latencies
	for i := range 1000 {
		sent.add(time.Duration(i*i) * time.Microsecond)
	}
	wire, err := json.Marshal(&sent)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(wire, &got); err != nil || got != sent {
		t.Errorf("%d durations in place of %d, %v", got.n, sent.n, err)
	}
	for _, bad := range []string{`{"counts":{"-1":1}}`, `{"counts":{"99999":1}}`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("no error for %s", bad)
		}
	}
}
