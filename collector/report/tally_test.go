package report

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// However changes are cut into batches, the tally is the same.
func TestTalliesAddUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for range 200 {
		var changes []change
		for range rng.IntN(200) {
			changes = append(changes, change{bucketAt(minutes, 1, 7), count{keyOf(kind(rng.IntN(7)), rng.Int64N(20)), rng.Int64N(5) - 2}})
		}
		want := encode(merge(nil, compact(slices.Clone(changes))))
		var stored []byte
		for rest := changes; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			var tally []count
			if !decode(stored, func(k kind, value, n int64) { tally = append(tally, count{keyOf(k, value), n}) }) {
				t.Fatalf("%x is no tally", stored)
			}
			stored = encode(merge(tally, compact(slices.Clone(rest[:n]))))
			rest = rest[n:]
		}
		if !bytes.Equal(stored, want) {
			t.Fatalf("got %x, want %x", stored, want)
		}
	}
}

// Whatever is read, values are within their bounds, and what was written comes back.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(encode([]count{{keyOf(counters, 3), 5}, {keyOf(waits, 20_000), 1}, {keyOf(waits|ifDoubted, 20_000), -1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var tally []change
		if !decode(b, func(k kind, value, n int64) {
			if value < 0 || value>>valueBits != 0 {
				t.Fatalf("value %d", value)
			}
			tally = append(tally, change{0, count{keyOf(k, value), n}})
		}) {
			return
		}
		want := merge(nil, compact(tally))
		var got []count
		if !decode(encode(want), func(k kind, value, n int64) { got = append(got, count{keyOf(k, value), n}) }) || !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
