package report

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// kind is what is counted. Each comes twice: as it is without doubtful events, and, with the bit
// ifDoubted, what changes if they are believed, which may be less than nought: a page view that begins
// earlier goes from one bucket to another.
type kind uint8

const (
	counters   kind = iota // value: a counter
	pageViews              // value: the URL on which the page view began
	pageChats              // value: the URL on which the chat started
	waits                  // value: milliseconds
	durations              // value: milliseconds
	unanswered             // value: when a chat started that was never online
	outcomes               // value: what the injector did with a page

	ifDoubted kind = 1 << 4
)

// The counters.
const (
	types        = 0                   // events, in the order of typeNames
	clicks       = types + typeCount   // in the order of clickNames
	steps        = clicks + clickCount // page views, in the order of stepNames
	flags        = steps + stepCount   // events, by the bits of collector.Flags
	started      = flags + flagCount   // chats
	online       = started + 1         // chats
	finished     = online + 1          // chats
	refused      = finished + 1        // messages that pages did not believe
	dropped      = refused + 1         // events that pages could not keep, for no known reason
	lostCounters = dropped + 1         // and those for a reason, in the order of lostNames
	counterEnd   = lostCounters + lostCount
	lostCount    = 7
	typeCount    = 9
	clickCount   = 5
	stepCount    = 8
	flagCount    = 6
	unknownType  = typeCount - 1
	otherClick   = clickCount - 1
)

var (
	typeNames = [typeCount]string{"Loaded", "WidgetShown", "WidgetHidden", "WidgetClicked", "DatacollectionStarted",
		"ChatStarted", "ChatOnline", "ChatFinished", "unknown"}
	clickNames = [clickCount]string{"Chat", "CallbackNow", "CallbackLater", "ClickToCall", "other"}
	stepNames  = [stepCount]string{"listener", "Loaded", "WidgetShown", "WidgetClicked", "DatacollectionStarted",
		"ChatStarted", "ChatOnline", "ChatFinished"}
	flagNames = [flagCount]string{"unknown_type", "bad_field", "untrusted", "bot", "prerender", "skew"}
)

// key is a kind and a value of less than 48 bits.
type key uint64

const valueBits = 48

func keyOf(k kind, value int64) key { return key(k)<<valueBits | key(value)&(1<<valueBits-1) }

func (k key) kind() kind   { return kind(k >> valueBits) }
func (k key) value() int64 { return int64(k & (1<<valueBits - 1)) }

// count is how often a key was counted.
type count struct {
	key key
	n   int64
}

// change is a count that is to be added to a bucket.
type change struct {
	bucket bucketID
	count
}

// compact sorts changes, adds up those of one key in one bucket and leaves out what comes to nought.
func compact(changes []change) []change {
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.bucket, b.bucket), cmp.Compare(a.key, b.key))
	})
	out := changes[:0]
	for i := 0; i < len(changes); {
		c := changes[i]
		for i++; i < len(changes) && changes[i].bucket == c.bucket && changes[i].key == c.key; i++ {
			c.n += changes[i].n
		}
		if c.n != 0 {
			out = append(out, c)
		}
	}
	return out
}

// rollUp returns the changes of all levels, of each site and of all together, that changes of
// minutes make. Those of a bucket follow each other in the order of their keys.
func rollUp(changes []change) []change {
	own := compact(changes)
	all := slices.Clone(own)
	for i, c := range all {
		all[i].bucket = bucketAt(minutes, allSites, c.bucket.minute())
	}
	var out []change
	for _, changes := range [][]change{own, compact(all)} {
		out = append(out, changes...)
		for level := quarters; level < levels; level++ {
			changes = slices.Clone(changes)
			for i, c := range changes {
				changes[i].bucket = bucketAt(level, c.bucket.site(), c.bucket.minute())
			}
			changes = compact(changes)
			out = append(out, changes...)
		}
	}
	return out
}

// merge adds changes, which are compact, to the tally of a bucket.
func merge(tally []count, changes []change) []count {
	out := make([]count, 0, len(tally)+len(changes))
	for len(tally) > 0 || len(changes) > 0 {
		switch {
		case len(changes) == 0 || len(tally) > 0 && tally[0].key < changes[0].key:
			out, tally = append(out, tally[0]), tally[1:]
		case len(tally) == 0 || changes[0].key < tally[0].key:
			out, changes = append(out, changes[0].count), changes[1:]
		default:
			if n := tally[0].n + changes[0].n; n != 0 {
				out = append(out, count{tally[0].key, n})
			}
			tally, changes = tally[1:], changes[1:]
		}
	}
	return out
}

// encode returns the tally as it is stored: for each kind its number, how many values follow, and
// for each value its distance from the one before and how often it was counted, all as varints.
func encode(tally []count) []byte {
	var b []byte
	for len(tally) > 0 {
		kind := tally[0].key.kind()
		n := 0
		for n < len(tally) && tally[n].key.kind() == kind {
			n++
		}
		b = binary.AppendUvarint(append(b, byte(kind)), uint64(n))
		last := int64(0)
		for _, c := range tally[:n] {
			b = binary.AppendUvarint(b, uint64(c.key.value()-last))
			b = binary.AppendVarint(b, c.n)
			last = c.key.value()
		}
		tally = tally[n:]
	}
	return b
}

// decode calls f for each count of a stored tally. It reports false if b is none.
func decode(b []byte, f func(kind kind, value, n int64)) bool {
	for len(b) > 0 {
		kind := kind(b[0])
		values, size := binary.Uvarint(b[1:])
		if size <= 0 {
			return false
		}
		b = b[1+size:]
		value := int64(0)
		for range values {
			distance, size := binary.Uvarint(b)
			if size <= 0 {
				return false
			}
			n, size2 := binary.Varint(b[size:])
			if size2 <= 0 {
				return false
			}
			b = b[size+size2:]
			if value += int64(distance); value>>valueBits != 0 {
				return false
			}
			f(kind, value, n)
		}
	}
	return true
}
