package report

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var errAway = errors.New("no answer")

// remote is a Source and Pages on a machine that may be away: the events are those of a world, the
// counts of pages increments that edges have told.
type remote struct {
	*fileSource
	away       atomic.Bool
	increments []PageCount
}

func (r *remote) LastRow(ctx context.Context) (int64, error) {
	if r.away.Load() {
		return 0, errAway
	}
	return r.fileSource.LastRow(ctx)
}

// PageCounts gives three at a time.
func (r *remote) PageCounts(_ context.Context, after int64) ([]PageCount, int64, error) {
	if r.away.Load() {
		return nil, 0, errAway
	}
	next := min(after+3, int64(len(r.increments)))
	return r.increments[after:next], next, nil
}

func (r *remote) Forget(context.Context, int64) error { return nil }

// tell adds an increment.
func (r *remote) tell(c PageCount) {
	c.Position = int64(len(r.increments)) + 1
	r.increments = append(r.increments, c)
}

func openRemote(w *world) *remote {
	w.t.Helper()
	r := &remote{fileSource: newFileSource(w.dir, w.store)}
	w.t.Cleanup(r.close)
	w.report.Close()
	var err error
	if w.report, err = OpenSource(filepath.Join(w.t.TempDir(), "report.db"), r, r, slog.New(slog.DiscardHandler)); err != nil {
		w.t.Fatal(err)
	}
	w.report.now = func() time.Time { return w.now }
	return r
}

// Edges tell of pages late, in any order of minutes, and the figures have each of them once.
func TestRemoteFigures(t *testing.T) {
	w := newWorld(t, clocks.AddDate(0, 0, 31))
	src := openRemote(w)
	rng := rand.New(rand.NewPCG(5, 5))
	for range 40 {
		c := PageCount{Minute: minuteOf(clocks) + rng.Int64N(24*60), Site: siteNames[rng.IntN(3)], Result: "injected", N: 1 + rng.Int64N(5)}
		if rng.IntN(3) == 0 {
			c.Result, c.Reason = "skipped", "csp"
		}
		src.tell(c)
		w.pages = append(w.pages, c)
		if rng.IntN(4) == 0 {
			w.catchUp()
		}
	}
	w.random(rng, 60, clocks, 24*time.Hour)
	w.catchUp()
	q := Query{Since: clocks, Until: clocks.Add(24 * time.Hour), Zone: time.UTC}
	got := w.query(q)
	want := text(t, funnelOf(w.expect(q, got)))
	if got := text(t, funnelOf(got)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if err := w.report.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := text(t, funnelOf(w.query(q))); got != want {
		t.Errorf("built again:\n got %s\nwant %s", got, want)
	}
}

// funnelOf returns what the two computations have in one order.
func funnelOf(f *Figures) any {
	results := slices.Clone(f.Injection.Results)
	slices.SortFunc(results, func(a, b Outcome) int { return int(a.N - b.N) })
	return []any{f.Funnel, f.Chats, f.Pages, f.Losses, results}
}

// While the source is away the figures are the last ones and say since when; then they go on.
func TestRemoteAway(t *testing.T) {
	w := newWorld(t, noon.Add(time.Hour))
	src := openRemote(w)
	src.away.Store(true)
	if f := w.query(Query{}); f.Stale != 1 {
		t.Errorf("never read: stale %d", f.Stale)
	}
	src.away.Store(false)
	w.tell("A", "ChatStarted c1 0")
	src.tell(PageCount{Minute: minuteOf(noon), Site: "a.test", Result: "injected", N: 3})
	at := following(t, w, src)
	q := Query{Since: noon.Add(-time.Hour), Until: noon.Add(time.Hour)}
	f := w.query(q)
	if f.Stale != at || f.Chats.Started != 1 || f.Funnel[0].Views != 3 || f.Behind != 0 {
		t.Errorf("away: stale %d, want %d; %+v", f.Stale, at, f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.report.Query(ctx, q); err == nil {
		t.Error("no error for somebody who has gone")
	}
	src.away.Store(false)
	w.tell("B", "ChatStarted c2 10")
	if f := w.query(q); f.Stale != 0 || f.Chats.Started != 2 {
		t.Errorf("back: %+v", f)
	}
}

// following lets the report follow until it is up to date and src goes away, and returns when that was.
func following(t *testing.T, w *world, src *remote) int64 {
	w.report.poll = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { w.report.follow(ctx) })
	for end := time.Now().Add(20 * time.Second); w.report.fresh.Load() == 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the source is not read")
		}
	}
	src.away.Store(true)
	cancel()
	done.Wait()
	return w.report.fresh.Load()
}
