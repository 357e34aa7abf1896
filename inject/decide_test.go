package inject

import (
	"math/rand/v2"
	"testing"
)

// decision is all that a decider says about a page.
type decision struct {
	reason           string
	point            int64
	encoding, source string
}

func (d *decider) decision() decision { return decision{d.reason, d.point, d.encoding, d.source} }

func newDecider(encoding string, patient bool) *decider {
	d := new(decider)
	d.reset(encoding, patient)
	return d
}

// However much of a page has arrived, and in whatever pieces: once there is a
// decision, it is that on the whole page, and it comes at the same byte.
func TestPrefixProperty(t *testing.T) {
	check := func(t *testing.T, docs []document) {
		for _, d := range docs {
			for _, patient := range []bool{true, false} {
				if problem := prefixProblem(d, patient); problem != "" {
					t.Errorf("%s, patient %v: %s", d.name, patient, problem)
				}
			}
		}
	}
	t.Run("nasty", func(t *testing.T) { check(t, nastyDocuments(t)) })
	t.Run("corpus", func(t *testing.T) { check(t, corpusDocuments(t)) })
}

func prefixProblem(d document, patient bool) string {
	_, header := contentType(d.response().Header)
	// Fed byte by byte, a decider has seen every prefix.
	slow := newDecider(header, patient)
	decided := len(d.page) + 1 // the length of the shortest prefix that decides
	for i := range d.page {
		safe := slow.mark
		slow.feed(d.page[i : i+1])
		switch {
		case slow.done() && decided > len(d.page):
			decided = i + 1
			if slow.reason == "" && slow.point < safe {
				return "the markup goes where bytes were let go of"
			}
		case slow.mark < safe:
			return "bytes that were let go of matter again"
		}
		if slow.complete() {
			break
		}
	}
	slow.finish()
	for range 8 {
		fast := newDecider(header, patient)
		length := rand.IntN(len(d.page) + 1)
		feedAtRandom(fast, d.page[:length])
		if fast.done() != (length >= decided) {
			return "another prefix of a length decides"
		}
		if fast.done() && (fast.reason != slow.reason || fast.point != slow.point) {
			return "a prefix decides otherwise than the whole"
		}
		feedAtRandom(fast, d.page[length:])
		fast.finish()
		if fast.decision() != slow.decision() {
			return "pieces decide otherwise than bytes"
		}
	}
	whole := newDecider(header, patient)
	whole.feed(d.page)
	whole.finish()
	if whole.decision() != slow.decision() {
		return "the whole decides otherwise than its bytes"
	}
	return ""
}

func feedAtRandom(d *decider, page []byte) {
	for len(page) > 0 {
		n := min(1+rand.IntN(1+rand.IntN(2000)), len(page))
		d.feed(page[:n])
		page = page[n:]
	}
}

// A patient decider differs from the other in one thing: it waits for a
// declaration of an encoding in which nothing can be shown.
func TestPatience(t *testing.T) {
	const page = "<!doctype html><head><meta charset=iso-2022-kr>"
	patient, hasty := newDecider("", true), newDecider("", false)
	patient.feed([]byte(page[:30]))
	hasty.feed([]byte(page[:30]))
	if patient.done() || !hasty.done() || hasty.complete() {
		t.Errorf("after the place: patient done %v, hasty done %v, complete %v", patient.done(), hasty.done(), hasty.complete())
	}
	patient.feed([]byte(page[30:]))
	hasty.feed([]byte(page[30:]))
	if patient.reason != "charset" || hasty.reason != "" || !hasty.complete() || hasty.encoding != "replacement" {
		t.Errorf("after the declaration: patient %+v, hasty %+v", patient.decision(), hasty.decision())
	}
}

func TestNoMoreThan64KiBUndecided(t *testing.T) {
	d := newDecider("utf-8", false)
	space := make([]byte, 1000)
	for i := range space {
		space[i] = ' '
	}
	for range 65 {
		d.feed(space)
	}
	if d.done() {
		t.Fatal("gave up too early")
	}
	d.feed(space)
	if !d.done() || d.reason != "not-a-document" || d.size != maxUndecided {
		t.Errorf("%+v after %d bytes", d.decision(), d.size)
	}
}
