package configs

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = Duration(24 * time.Hour)

// Duration is a time.Duration written with Go's units or, in front of them, days.
type Duration time.Duration

// ParseDuration reads a duration longer than zero, such as 5s, 1h30m, 395d or 1d12h.
func ParseDuration(s string) (Duration, error) {
	whole, rest, hasDays := strings.Cut(s, "d")
	if !hasDays {
		whole, rest = "0", s
	}
	days, err := strconv.ParseUint(whole, 10, 32)
	if err != nil || days > math.MaxInt64/uint64(day) {
		return 0, fmt.Errorf("%s is not a duration", quote(s))
	}
	sum := Duration(days) * day
	if rest != "" || !hasDays {
		clock, err := time.ParseDuration(rest)
		if err != nil || hasDays && clock < 0 || Duration(clock) > math.MaxInt64-sum {
			return 0, fmt.Errorf("%s is not a duration", quote(s))
		}
		sum += Duration(clock)
	}
	if sum <= 0 {
		return 0, fmt.Errorf("%s is not longer than zero", quote(s))
	}
	return sum, nil
}

// String returns d in the form that ParseDuration reads.
func (d Duration) String() string {
	days, clock := d/day, time.Duration(d%day)
	if days == 0 || clock < 0 {
		return time.Duration(d).String()
	}
	if clock == 0 {
		return fmt.Sprintf("%dd", days)
	}
	return fmt.Sprintf("%dd%s", days, clock)
}

// Size is a number of bytes.
type Size int64

var sizeUnits = []struct {
	suffix string
	bytes  Size
}{{"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// ParseSize reads a size above zero: 64KiB, 1MiB or plain bytes.
func ParseSize(s string) (Size, error) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(s, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || n > math.MaxInt64/uint64(unit.bytes) {
			break
		}
		if n == 0 {
			return 0, errors.New("the size is zero")
		}
		return Size(n) * unit.bytes, nil
	}
	return 0, fmt.Errorf("%s is not a size", quote(s))
}

// String returns s in the form that ParseSize reads.
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if s%unit.bytes == 0 && s != 0 {
			return strconv.FormatInt(int64(s/unit.bytes), 10) + unit.suffix
		}
	}
	return "0"
}

// Rate is Count events in each stretch of Per, which is a second, a minute or an hour.
type Rate struct {
	Count int
	Per   time.Duration
}

var rateUnits = []struct {
	name string
	per  time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// ParseRate reads a rate above zero, such as 50/s, 100/m or 1000/h.
func ParseRate(s string) (Rate, error) {
	digits, name, _ := strings.Cut(s, "/")
	count, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 31)
	for _, unit := range rateUnits {
		if err == nil && count > 0 && strings.TrimSpace(name) == unit.name {
			return Rate{Count: int(count), Per: unit.per}, nil
		}
	}
	return Rate{}, fmt.Errorf("%s is not a rate", quote(s))
}

// String returns r in the form that ParseRate reads.
func (r Rate) String() string {
	for _, unit := range rateUnits {
		if r.Per == unit.per {
			return fmt.Sprintf("%d/%s", r.Count, unit.name)
		}
	}
	return fmt.Sprintf("%d/%s", r.Count, r.Per)
}

// PerSecond returns the rate in events per second.
func (r Rate) PerSecond() float64 { return float64(r.Count) / r.Per.Seconds() }
