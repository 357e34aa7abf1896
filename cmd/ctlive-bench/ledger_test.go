package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestLedger(t *testing.T) {
	// Two connections with 3 and 2 events, of which the last one was refused.
	sent := &load{senders: []*sender{{sent: 3}, {number: 1, sent: 2, refused: map[int]bool{1: true}}}}
	acknowledged := []serial{newSerial(0, 0), newSerial(0, 1), newSerial(0, 2), newSerial(1, 0)}
	tests := map[string]struct {
		stored []serial
		want   string // missing, twice, strangers, unasked
		bad    bool
	}{
		"exact":                   {acknowledged, "0 0 0 0", false},
		"in any order":            {[]serial{acknowledged[3], acknowledged[1], acknowledged[0], acknowledged[2]}, "0 0 0 0", false},
		"refused and stored":      {slices.Concat(acknowledged, []serial{newSerial(1, 1)}), "0 0 0 1", false},
		"missing":                 {acknowledged[1:], "1 0 0 0", true},
		"all missing":             {nil, "4 0 0 0", true},
		"twice":                   {slices.Concat(acknowledged, acknowledged[:1]), "0 1 0 0", true},
		"one twice, one missing":  {slices.Concat(acknowledged[1:], acknowledged[1:2]), "1 1 0 0", true},
		"event never sent":        {slices.Concat(acknowledged, []serial{newSerial(0, 3)}), "0 0 1 0", true},
		"connection not there":    {slices.Concat(acknowledged, []serial{newSerial(2, 0)}), "0 0 1 0", true},
		"refused for one missing": {slices.Concat(acknowledged[1:], []serial{newSerial(1, 1)}), "1 0 0 1", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var lines strings.Builder
			for _, s := range test.stored {
				fmt.Fprintf(&lines, "{\"id\":%q,\"type\":\"Loaded\"}\n", s.id(now))
			}
			b := newLedger(sent)
			if err := b.read(strings.NewReader(lines.String())); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(b.Missing, b.Twice, b.Strangers, b.Unasked); got != test.want || b.Acknowledged != 4 {
				t.Errorf("of %d: %s, want %s", b.Acknowledged, got, test.want)
			}
			if err := b.verdict(); (err != nil) != test.bad {
				t.Errorf("verdict: %v", err)
			}
		})
	}
	if err := newLedger(sent).read(strings.NewReader(`{"id":"e1"}`)); err == nil {
		t.Error("an id that is no UUID was taken")
	}
}
