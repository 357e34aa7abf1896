package configs

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5s": 5 * time.Second, "1h30m": 90 * time.Minute, "395d": 395 * 24 * time.Hour, "1d12h": 36 * time.Hour,
		"1.5h": 90 * time.Minute, "106751d": 106751 * 24 * time.Hour, "1ns": 1,
	} {
		if got, err := ParseDuration(text); err != nil || time.Duration(got) != want {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "0s", "0d", "5", "d", "-5s", "-1d", "1d-1h", "1.5d", "1h1d", "1d1d", "1d ", "106752d", "106751d24h", "99999999999999999999d", "1w", "+1d"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{
		"64KiB": 64 << 10, "1MiB": 1 << 20, "1": 1, "65536": 64 << 10, "8 MiB": 8 << 20, "8796093022207MiB": math.MaxInt64 - 1<<20 + 1,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "0KiB", "-1", "KiB", "1.5MiB", "64KB", "64kib", "1GiB", "8796093022208MiB", "9223372036854775808", "0x10", "1_000"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]float64{"50/s": 50, "120/m": 2, "7200/h": 2, "1 / s": 1} {
		if got, err := ParseRate(text); err != nil || got.PerSecond() != want {
			t.Errorf("%s: got %v, %v; want %v/s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "50", "/s", "0/s", "-1/s", "1.5/s", "50/d", "50/s/s", "2147483648/s"} {
		if got, err := ParseRate(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestUnitsRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		n := 1 + random.Int64()>>random.IntN(63)
		if d, err := ParseDuration(Duration(n).String()); err != nil || d != Duration(n) {
			t.Fatalf("%d prints %s, which reads as %d, %v", n, Duration(n), d, err)
		}
		if s, err := ParseSize(Size(n).String()); err != nil || s != Size(n) {
			t.Fatalf("%d prints %s, which reads as %d, %v", n, Size(n), s, err)
		}
		rate := Rate{Count: int(n>>33) + 1, Per: rateUnits[n%3].per}
		if r, err := ParseRate(rate.String()); err != nil || r != rate {
			t.Fatalf("%v reads as %v, %v", rate, r, err)
		}
	}
}

func TestUnitsString(t *testing.T) {
	for got, want := range map[string]string{
		(395 * day).String():             "395d",
		(day + 30*60*1e9).String():       "1d30m0s",
		Duration(90 * 60 * 1e9).String(): "1h30m0s",
		Duration(0).String():             "0s",
		Size(64 << 10).String():          "64KiB",
		Size(3 << 20).String():           "3MiB",
		Size(1500).String():              "1500",
		Size(0).String():                 "0",
		Rate{50, time.Second}.String():   "50/s",
		Rate{}.String():                  "0/0s",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
