package collector

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// loss names what one number counts.
type loss struct {
	site   string
	day    Millis // since 1970
	reason string
}

// tally counts losses in memory until the writer takes them, each second: a killed process forgets
// that much. Sites and reasons are few, so it is small.
type tally struct {
	mu sync.Mutex
	n  map[loss]int64
}

func (t *tally) add(l loss, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[loss]int64{}
	}
	t.n[l] += n
}

// take returns what was counted and begins at nought.
func (t *tally) take() map[loss]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.n
	t.n = nil
	return n
}

// lose counts n events or requests that a site lost at the time of in for reason, a stable word,
// and that are kept nowhere. It never waits.
func (s *Store) lose(in input, reason string, n int) {
	s.losses.add(loss{in.site, in.received / dayMillis, reason}, int64(n))
}

// countDuplicates counts the events of group that were known.
func (w *writer) countDuplicates(group []*job) {
	for _, j := range group {
		known := 0
		for i := range j.events {
			if !j.events[i].fresh {
				known++
			}
		}
		if known > 0 {
			w.store.lose(j.input, "duplicate", known)
		}
	}
}

// writeLosses writes what was counted since the last time.
func (w *writer) writeLosses() {
	counted := w.store.losses.take()
	if len(counted) == 0 {
		return
	}
	err := w.transact(func() error { return w.tx.addLosses(counted) })
	if err != nil {
		for l, n := range counted {
			w.store.losses.add(l, n)
		}
	}
}

func (t *transaction) addLosses(counted map[loss]int64) error {
	for l, n := range counted {
		site, err := t.site(l.site)
		if err == nil {
			_, err = t.exec(addLoss, site, int64(l.day), l.reason, n)
		}
		if err != nil {
			return fmt.Errorf("count losses: %w", err)
		}
	}
	return nil
}

// listenerLosses are the reasons for which the listener gives events up.
var listenerLosses = []string{"age", "consent", "data", "denied", "early", "full", "rate"}

// lostReasons returns what a page said of its losses as a JSON object of the known reasons, or ""
// if there are none, or more than the total.
func lostReasons(lost jsontext.Value, total int64) string {
	counts := make([]int64, len(listenerLosses))
	for name, value := range members(lost) {
		if i := slices.Index(listenerLosses, string(nameOf(name))); i >= 0 {
			counts[i], _ = integer(value, math.MaxInt32)
		}
	}
	text := []byte("{")
	for i, n := range counts {
		if total -= n; n > 0 {
			text = fmt.Appendf(text, `%q:%d,`, listenerLosses[i], n)
		}
	}
	if len(text) == 1 || total < 0 {
		return ""
	}
	text[len(text)-1] = '}'
	return string(text)
}

// lostText returns v.lost as it is stored.
func (v *view) lostText() string {
	if v.lost == "" {
		return "{}"
	}
	return v.lost
}
