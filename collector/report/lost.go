package report

import (
	"slices"

	"github.com/go-json-experiment/json"
)

// lostNames are the reasons for which the listener gives events up, as it tells them.
var lostNames = [lostCount]string{"age", "consent", "data", "denied", "early", "full", "rate"}

// lost counts the events that a page dropped, by reason in the order of lostNames.
type lost [lostCount]int64

// parseLost reads what a source says of them. Reasons of another version are left out.
func parseLost(text []byte) (l lost) {
	if len(text) <= len("{}") {
		return l
	}
	var told map[string]int64
	if json.Unmarshal(text, &told) != nil {
		return l
	}
	for i, name := range lostNames {
		l[i] = max(told[name], 0)
	}
	return l
}

// lose takes the running totals of a page: reasons go with the total that they were told with, so
// that they are never more than it, and the order of arrival makes no difference.
func (v *view) lose(refused, dropped int64, reasons []byte) {
	v.refused = max(v.refused, refused)
	if dropped == 0 || dropped < v.dropped {
		return
	}
	l := parseLost(reasons)
	if dropped > v.dropped || slices.Compare(l[:], v.lost[:]) > 0 {
		v.dropped, v.lost = dropped, l
	}
}
