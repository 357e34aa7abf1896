package report

import "encoding/binary"

// none is a time that is not known.
const none = -1

// view is what the events of one page view have told: without doubtful ones [clean], and all
// [every].
type view struct {
	layers           [2]viewLayer
	refused, dropped int64 // by its listener
	lost             lost  // of dropped
}

const (
	clean = iota
	every
)

type viewLayer struct {
	first int64  // milliseconds; none: there is no event
	url   int64  // of the first event
	steps uint16 // that were reached, by bits
}

func newView() view {
	return view{layers: [2]viewLayer{{first: none}, {first: none}}}
}

// add takes an event at a time on a URL. less says whether the URL goes before another one of the
// same moment, so that the order of arrival makes no difference.
func (l *viewLayer) add(at, url int64, steps uint16, less func(a, b int64) bool) {
	l.steps |= steps
	if l.first == none || at < l.first || at == l.first && url != l.url && less(url, l.url) {
		l.first, l.url = at, url
	}
}

// counts calls f, n times over, with all that v counts in its site's minutes.
func (v *view) counts(n int64, f func(at int64, key key, n int64)) {
	both(v.layers[clean] == v.layers[every], func(layer int, doubt kind, sign int64) {
		l := &v.layers[layer]
		if l.first == none {
			return
		}
		for step := range int64(stepCount) {
			if l.steps&(1<<step) != 0 {
				f(l.first, keyOf(counters|doubt, steps+step), n*sign)
			}
		}
		f(l.first, keyOf(pageViews|doubt, l.url), n*sign)
	})
	if at := v.layers[every].first; at != none && v.refused+v.dropped > 0 {
		f(at, keyOf(counters, refused), n*v.refused)
		rest := v.dropped
		for i, some := range v.lost {
			if rest -= some; some > 0 {
				f(at, keyOf(counters, lostCounters+int64(i)), n*some)
			}
		}
		f(at, keyOf(counters, dropped), n*rest)
	}
}

// both calls f for what counts without doubtful events and, unless that is the same, for what
// changes if they are believed: the clean layer goes and the other one comes.
func both(same bool, f func(layer int, doubt kind, sign int64)) {
	f(clean, 0, 1)
	if !same {
		f(clean, ifDoubted, -1)
		f(every, ifDoubted, 1)
	}
}

// encode returns v as it is stored.
func (v *view) encode() []byte {
	b := make([]byte, 0, 32)
	for _, l := range v.layers {
		b = appendNumbers(b, l.first, l.url, int64(l.steps))
	}
	b = appendNumbers(b, v.refused, v.dropped)
	if v.lost == (lost{}) {
		return b
	}
	return appendNumbers(b, v.lost[:]...)
}

func decodeView(b []byte) (v view, ok bool) {
	var steps [2]int64
	all := []*int64{&v.layers[0].first, &v.layers[0].url, &steps[0], &v.layers[1].first, &v.layers[1].url, &steps[1], &v.refused, &v.dropped}
	if ok = takeNumbers(b, all...); !ok {
		for i := range v.lost {
			all = append(all, &v.lost[i])
		}
		ok = takeNumbers(b, all...)
	}
	v.layers[0].steps, v.layers[1].steps = uint16(steps[0]), uint16(steps[1])
	return v, ok
}

func appendNumbers(b []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		b = binary.AppendVarint(b, n)
	}
	return b
}

// takeNumbers reads what appendNumbers wrote, all of b. It reports false if b is something else.
func takeNumbers(b []byte, numbers ...*int64) bool {
	for _, n := range numbers {
		size := 0
		if *n, size = binary.Varint(b); size <= 0 {
			return false
		}
		b = b[size:]
	}
	return len(b) == 0
}
