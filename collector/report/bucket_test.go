package report

import (
	"testing"
	"time"
)

// TestTopLevelEnds: in zones with daylight saving the clocks change as far as the rule of the zone goes.
func TestTopLevelEnds(t *testing.T) {
	from, to := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()/60, int64(maxMinute)
	for name, want := range map[string]int{
		"UTC": hours, "Europe/Rome": hours, "America/New_York": hours, "Asia/Kolkata": quarters, "Australia/Lord_Howe": quarters,
	} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := topLevel(from, to, zone); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
