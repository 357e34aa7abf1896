package report

import (
	"cmp"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

var zones = []string{"UTC", "Europe/Rome", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"}

// clocks is between two changes of clocks: Lord Howe's, by half an hour, and Rome's.
var clocks = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// sorted brings into one order what is in none.
func sorted(f *Figures) *Figures {
	slices.SortFunc(f.Injection.Results, func(a, b Outcome) int {
		return cmp.Or(cmp.Compare(a.Result, b.Result), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(f.Injection.Series, func(a, b OutcomeSeries) int { return cmp.Compare(a.Reason, b.Reason) })
	return f
}

// R1 to R6: in whatever order events arrive, however often and in however many parts they are
// taken in, the figures are those of a slow computation over all of them, for any range.
func TestFiguresAreThoseOfTheRawEvents(t *testing.T) {
	for round := range 6 {
		seed := rand.Uint64()
		if round == 0 {
			seed = 1
		}
		t.Run("", func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			const span = 30 * 24 * time.Hour
			w := newWorld(t, clocks.Add(span))
			w.injected(rng, clocks, span)
			w.random(rng, 150, clocks, span)
			w.catchUp()
			queries := randomQueries(t, rng, span)
			for _, q := range queries {
				got := w.query(q)
				want := w.expect(q, got)
				differ(t, q, sorted(got), sorted(want))
			}
			before := w.answers(queries)
			if err := w.report.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			if after := w.answers(queries); !slices.Equal(before, after) {
				t.Fatalf("rebuilt:\n got %s\nwant %s", after, before)
			}
		})
	}
}

// differ reports the members in which figures are not the same.
func differ(t *testing.T, q Query, got, want *Figures) {
	t.Helper()
	g, w := reflect.ValueOf(*got), reflect.ValueOf(*want)
	for i := range g.NumField() {
		if g, w := text(t, g.Field(i).Interface()), text(t, w.Field(i).Interface()); g != w {
			t.Errorf("%+v: %s\n got %s\nwant %s", q, reflect.TypeFor[Figures]().Field(i).Name, g, w)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

func (w *world) answers(queries []Query) (all []string) {
	for _, q := range queries {
		all = append(all, text(w.t, w.query(q)))
	}
	return all
}

func randomQueries(t *testing.T, rng *rand.Rand, span time.Duration) []Query {
	queries := []Query{{Since: clocks, Until: clocks.Add(span), Zone: time.UTC}}
	for range 40 {
		a, b := time.Duration(rng.Int64N(int64(span))), time.Duration(rng.Int64N(int64(span)))
		if rng.IntN(3) == 0 {
			b = a + time.Duration(rng.Int64N(int64(6*time.Hour)))
		}
		a, b = min(a, b), max(a, b)
		q := Query{Since: clocks.Add(a), Until: clocks.Add(b + 1), Zone: zone(t, zones[rng.IntN(len(zones))]),
			Compare: rng.IntN(2) == 0, Flagged: rng.IntN(2) == 0}
		if rng.IntN(2) == 0 {
			q.Site = siteNames[rng.IntN(3)]
		}
		queries = append(queries, q)
	}
	return queries
}
