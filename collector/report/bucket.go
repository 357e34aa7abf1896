package report

import "time"

// Levels of buckets. A range is put together of the largest that fit into it: hours in the middle,
// minutes at its ends. The quarter is there for time zones that are half an hour or a quarter off.
const (
	minutes = iota
	quarters
	hours
	levels
)

// span is how many minutes a bucket of a level has.
var span = [levels]int64{1, 15, 60}

// bucketID is the place of a bucket: its level (8 bits), site (24 bits) and number since 1970 (32
// bits), so that those of one site follow each other.
type bucketID int64

const (
	allSites = 0
	maxSite  = 1<<24 - 1
)

// bucketAt returns the bucket of a level that minute, counted since 1970, lies in.
func bucketAt(level int, site, minute int64) bucketID {
	return bucketID(int64(level)<<56 | site<<32 | minute/span[level])
}

func (id bucketID) level() int { return int(id >> 56) }

func (id bucketID) site() int64 { return int64(id) >> 32 & maxSite }

// minute returns the one that the bucket begins with.
func (id bucketID) minute() int64 { return int64(id) & 0xffffffff * span[id.level()] }

// stretch is the minutes from, up to but not including to, in buckets of a level.
type stretch struct {
	level    int
	from, to int64
}

// stretches cuts the minutes from..to into as few buckets as there are, none above the level top.
func stretches(from, to int64, top int) []stretch {
	if top == minutes || to-from < 2*span[top] {
		if top > minutes {
			return stretches(from, to, top-1)
		}
		return []stretch{{minutes, from, to}}
	}
	first, last := ceil(from, span[top]), to-to%span[top]
	var all []stretch
	if from < first {
		all = stretches(from, first, top-1)
	}
	if first < last {
		all = append(all, stretch{top, first, last})
	}
	if last < to {
		all = append(all, stretches(last, to, top-1)...)
	}
	return all
}

func ceil(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// topLevel returns the largest level of which a bucket lies within one hour of zone's clocks, for
// all of the minutes from..to.
func topLevel(from, to int64, zone *time.Location) int {
	top := hours
	end := time.Unix(to*60, 0)
	for t := time.Unix(from*60, 0); ; {
		_, offset := t.In(zone).Zone()
		for top > minutes && int64(offset)%(span[top]*60) != 0 {
			top--
		}
		_, next := t.In(zone).ZoneBounds()
		if !next.IsZero() && !next.After(t) {
			next = t.Add(24 * time.Hour) // Go 1.26 has the last day of 2040, in UTC, end where it begins
		}
		if next.IsZero() || !next.Before(end) {
			return top
		}
		t = next
	}
}
