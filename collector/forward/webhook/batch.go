package webhook

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"iter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ctlive/collector"
	"ctlive/collector/forward"
)

const (
	maxEvents = 500
	maxBody   = 1 << 20 // bytes; a single event is sent even if it is larger
)

// form is how all is written: an event that one byte makes invalid must not hold up all others.
var form = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// batches yields the bodies that carry events. An error ends it.
func batches(events []collector.Record) iter.Seq2[[]byte, error] {
	ids := sha256.New()
	head := func(batch []collector.Record) string {
		ids.Reset()
		for i := range batch {
			addID(ids, &batch[i])
		}
		return fmt.Sprintf(`{"v":1,"id":"%x","events":[`, ids.Sum(nil)[:16])
	}
	return bodies(events, head)
}

func addID(to hash.Hash, e *collector.Record) { fmt.Fprintf(to, "%q %q\n", e.Site, e.ID) }

// erasures yields the bodies that carry notes. An error ends it.
func erasures(notes []collector.Erasure) iter.Seq2[[]byte, error] {
	return bodies(notes, func([]collector.Erasure) string { return `{"v":1,"erased":[` })
}

// bodies yields items as JSON lists within the bounds of a batch, each between head and "]}".
func bodies[T any](items []T, head func(batch []T) string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var list []byte // of items[first:i], with commas
		first := 0
		emit := func(end int) bool {
			ok := end == first || yield(append(append([]byte(head(items[first:end])), list...), "]}"...), nil)
			first, list = end, list[:0]
			return ok
		}
		for i := range items {
			text, err := json.Marshal(&items[i], form)
			if err != nil {
				yield(nil, forward.Refuse(fmt.Errorf("encode: %w", err)))
				return
			}
			if i-first == maxEvents || len(list)+len(text) > maxBody-128 { // what head and the end take
				if !emit(i) {
					return
				}
			}
			if i > first {
				list = append(list, ',')
			}
			list = append(list, text...)
		}
		emit(len(items))
	}
}
