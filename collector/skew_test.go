package collector

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestE10Skew(t *testing.T) {
	const day = int64(dayMillis)
	now := testTime.UnixMilli()
	tests := []struct {
		name   string
		sentAt string
		at     string
		want   int64 // stored
		skew   bool
		flags  string
	}{
		{"right", fmt.Sprint(now - 200), fmt.Sprint(now - 1000), now - 1000, false, ""},
		{"half a minute ahead", fmt.Sprint(now + 30_000), fmt.Sprint(now + 29_000), now + 29_000, false, ""},
		{"3 days ahead", fmt.Sprint(now + 3*day), fmt.Sprint(now + 3*day - 5000), now - 5000, true, "skew"},
		{"3 days behind", fmt.Sprint(now - 3*day), fmt.Sprint(now - 3*day - 5000), now - 5000, true, "skew"},
		{"1970", "9000", "4000", now - 5000, true, "skew"},
		{"1970, event before it began", "9000", "0", now - 9000, true, "skew"},
		{"queued for a week, right", fmt.Sprint(now), fmt.Sprint(now - 7*day), now - 7*day, false, ""},
		{"queued for a week, 3 days ahead", fmt.Sprint(now + 3*day), fmt.Sprint(now - 4*day), now - 7*day, true, "skew"},
		{"clock set back before sending", fmt.Sprint(now), fmt.Sprint(now + 7_200_000), now, true, "skew"},
		{"missing", "", fmt.Sprint(now - 1000), now - 1000, false, ""},
		{"missing, from the future", "", fmt.Sprint(now + day), now, true, "skew"},
		{"missing, from 1970", "", "4000", now, true, "skew"},
		{"NaN, which JSON has as null", "null", fmt.Sprint(now - 1000), now - 1000, false, "bad_field"},
		{"NaN, which JSON has as null, from the future", "null", fmt.Sprint(now + day), now, true, "bad_field,skew"},
		{"text", `"NaN"`, fmt.Sprint(now - 1000), now - 1000, false, "bad_field"},
		{"infinite", "1e999", fmt.Sprint(now - 1000), now - 1000, false, "bad_field"},
		{"3 days ahead, no time of the event", fmt.Sprint(now + 3*day), "", now, false, ""},
		{"end of time", fmt.Sprint(int64(maxTime)), fmt.Sprint(int64(maxTime)), now, true, "skew"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, s := newEndpoint(t, Options{})
			body := `{"v":1,"events":[{"id":"a","type":"Loaded"`
			if test.at != "" {
				body += `,"at":` + test.at
			}
			body += `}]`
			if test.sentAt != "" {
				body += `,"sent_at":` + test.sentAt
			}
			a := sendText(t, h, body+`}`)
			if got := strings.Join(a.Results[0].Flags, ","); got != test.flags {
				t.Errorf("flags %q, want %q", got, test.flags)
			}
			got := allEvents(t, s)[0]
			if got.At != Millis(test.want) || got.ReceivedAt != Millis(now) {
				t.Errorf("at %v, want %v", got.At, Millis(test.want))
			}
			if reported := fmt.Sprint(int64(got.Reported)); test.skew && reported != test.at || !test.skew && got.Reported != 0 {
				t.Errorf("reported %v", reported)
			}
		})
	}
}

// TestC18ClockSetBack: within a page durations are those of the monotonic clock where the wall clock
// was set back, and those of the wall clock where the machine slept.
func TestC18ClockSetBack(t *testing.T) {
	const sec = 1000
	for _, test := range []struct {
		name     string
		at, mono []int64 // seconds
		want     []int64
	}{
		{"even", []int64{-30, -20, -10}, []int64{1, 11, 21}, []int64{-30, -20, -10}},
		{"set back by 2 hours", []int64{7170, 7180, -10}, []int64{1, 11, 21}, []int64{-30, -20, -10}},
		{"set back twice", []int64{7170, 3580, -10}, []int64{1, 11, 21}, []int64{-30, -20, -10}},
		{"slept", []int64{-7200, -20, -10}, []int64{1, 11, 21}, []int64{-7200, -20, -10}},
		{"no monotonic clock", []int64{-10, -20, -30}, []int64{0, 0, 0}, []int64{-10, -20, -30}},
		{"two pages", []int64{-30, -10}, []int64{500, 1}, []int64{-30, -10}},
	} {
		b := batch{dated: true, sentAt: Millis(testTime.UnixMilli())}
		for i := range test.at {
			b.events = append(b.events, event{at: Millis(testTime.UnixMilli() + test.at[i]*sec), mono: test.mono[i] * sec, dated: true})
		}
		b.correctTimes(millis(testTime))
		var got []int64
		for _, e := range b.events {
			got = append(got, (int64(e.at)-testTime.UnixMilli())/sec)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// FuzzTimes: whatever a page says, a stored time lies between a year before and a minute after the
// arrival, what was changed is marked and kept, and on one monotonic clock no duration is negative
// by more than rounding.
func FuzzTimes(f *testing.F) {
	f.Add(int64(0), int64(1), int64(2), int64(3), int64(4), true)
	f.Add(int64(1795359600123), int64(1795359600001), int64(1234), int64(1795352400001), int64(1300), true)
	f.Add(int64(maxTime), int64(maxTime), int64(maxSafeJSON), int64(0), int64(1), false)
	f.Fuzz(func(t *testing.T, sent, at1, mono1, at2, mono2 int64, dated bool) {
		if min(sent, at1, at2, mono1, mono2) < 0 || max(sent, at1, at2) > maxTime || max(mono1, mono2) > maxSafeJSON {
			t.Skip() // integer lets none of these in
		}
		received := millis(time.UnixMilli(1795359600200))
		in := []event{{at: Millis(at1), mono: mono1, dated: true}, {at: Millis(at2), mono: mono2, dated: true}}
		b := batch{sentAt: Millis(sent), dated: dated, events: slices.Clone(in)}
		b.correctTimes(received)
		for i, e := range b.events {
			if e.at > received+clockTolerance || e.at < received-oldestEvent {
				t.Fatalf("event %d: %v", i, e.at)
			}
			if changed := e.at != in[i].at; changed != (e.flags&Skew != 0) || changed && e.was != in[i].at {
				t.Fatalf("event %d: %v was %v, flags %v", i, e.at, in[i].at, e.flags.Names())
			}
		}
		one, two := b.events[0], b.events[1]
		if 0 < mono1 && mono1 <= mono2 && one.at > two.at+monoTolerance && one.at != received {
			t.Fatalf("%v before %v", one.at, two.at)
		}
	})
}
