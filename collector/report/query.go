package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Query says which figures are wanted.
type Query struct {
	Site         string         // "": all sites
	Since, Until time.Time      // taken to whole minutes, Since down and Until up; zero: a day ago, now
	Zone         *time.Location // of days and hours; nil: UTC
	Compare      bool           // with the range of the same length before
	Flagged      bool           // with events flagged untrusted, bot or prerender
}

// ErrRange says that a query's range makes no sense.
var ErrRange = errors.New("the range ends before it begins")

const (
	defaultRange = 24 * time.Hour
	fewestSteps  = 24
	maxMinute    = 253402300800 / 60 // the year 10000
)

// stepMinutes are the steps of time there are. A range has at least fewestSteps of the largest that
// it has so many of, unless it is shorter than that many minutes; from one to the next is a factor
// of four at most, so it has no more than 200.
var stepMinutes = []int64{1, 2, 5, 10, 15, 30, 60, 2 * 60, 3 * 60, 6 * 60, 12 * 60, day, 2 * day, week, 4 * week,
	13 * week, 52 * week, 4 * 52 * week, 16 * 52 * week}

const (
	day    = 24 * 60
	week   = 7 * day
	monday = 4 * day // the first one
)

// extent is a range in minutes since 1970, and how it is cut in steps.
type extent struct {
	from, to    int64
	start, step int64
	zone        *time.Location
}

// extent returns the range of q.
func (q *Query) extent(now time.Time) (x extent, err error) {
	until, since := q.Until, q.Since
	if until.IsZero() {
		until = now
	}
	if since.IsZero() {
		since = until.Add(-defaultRange)
	}
	x.zone = q.Zone
	if x.zone == nil {
		x.zone = time.UTC
	}
	x.from = min(max(floor(since.Unix(), 60), 0), maxMinute)
	x.to = min(max(-floor(-until.Unix(), 60), 0), maxMinute)
	if until.Nanosecond() > 0 && until.Unix()%60 == 0 {
		x.to++
	}
	if x.from >= x.to || !since.Before(until) {
		return x, fmt.Errorf("%w: %s is not before %s", ErrRange, since.Format(time.RFC3339), until.Format(time.RFC3339))
	}
	for _, step := range stepMinutes {
		if x.step == 0 || (x.to-x.from)/step >= fewestSteps {
			x.step = step
		}
	}
	x.start = x.align()
	return x, nil
}

// align returns where the step begins in which x does. Steps go by the clocks of the zone as they
// are there: days begin at midnight and weeks on Mondays, until the clocks change.
func (x *extent) align() int64 {
	start := x.from
	for range 2 { // the clocks may change between the two
		_, offset := time.Unix(start*60, 0).In(x.zone).Zone()
		shift := floor(int64(offset), 60)
		if x.step%week == 0 {
			shift -= monday
		}
		start = floor(x.from+shift, x.step)*x.step - shift
	}
	return start
}

// floor returns n / unit, rounded down.
func floor(n, unit int64) int64 {
	if n < 0 {
		return -((unit - 1 - n) / unit)
	}
	return n / unit
}

func (x *extent) steps() int { return int((x.to - x.start + x.step - 1) / x.step) }

// top returns the largest level whose buckets lie within one step and one hour of the clock.
func (x *extent) top() int {
	top := topLevel(x.from, x.to, x.zone)
	for top > minutes && (x.step%span[top] != 0 || x.start%span[top] != 0) {
		top--
	}
	return top
}

// Query returns the figures of a range. It takes no longer for a site with many events than for one
// with few, but for the chats and pages that there are.
func (r *Report) Query(ctx context.Context, q Query) (*Figures, error) {
	now := r.now()
	x, err := q.extent(now)
	if err != nil {
		return nil, err
	}
	around, err := r.look(ctx, q, x)
	if err != nil && (r.own != nil || ctx.Err() != nil) {
		return nil, fmt.Errorf("figures: %w", err)
	}
	f, err2 := r.figures(ctx, q, x, now, around)
	if err2 != nil {
		if damaged(err2) {
			r.suspect.Store(true)
		}
		return nil, fmt.Errorf("figures: %w", err2)
	}
	if err != nil {
		f.Behind, f.Stale = 0, r.fresh.Load()
		return f, nil
	}
	f.Behind = max(around.last-f.Behind, 0)
	f.Losses = append(f.Losses, around.losses...)
	return f, nil
}

// around is what the database of figures does not have.
type around struct {
	losses []Loss
	last   int64       // row
	recent []PageCount // those that were not taken in at the time, at least
}

// look returns what the source says now. It waits for another machine, perhaps, so that it holds no
// lock.
func (r *Report) look(ctx context.Context, q Query, x extent) (a around, err error) {
	at, err := r.progress(ctx)
	if err != nil {
		return a, err
	}
	if a.last, err = r.src.LastRow(ctx); err != nil { // the quickest answer, if the machine is away
		return a, err
	}
	if a.recent, _, err = r.pages.PageCounts(ctx, at.pages); err != nil {
		return a, err
	}
	a.losses, err = r.src.Losses(ctx, q.Site, x.from*60_000, x.to*60_000)
	return a, err
}

// progress returns how far the figures are.
func (r *Report) progress(ctx context.Context) (progress, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.db == nil {
		return progress{}, errNoFigures
	}
	return readProgress(ctx, r.db.read)
}

// figures returns what the database has; Behind is the row that it has come to.
func (r *Report) figures(ctx context.Context, q Query, x extent, now time.Time, around around) (*Figures, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.db == nil {
		return nil, errNoFigures
	}
	tx, err := r.db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	a := &answer{ctx: ctx, tx: tx, recent: around.recent, query: q, extent: x, now: now}
	f, err := a.figures()
	if err != nil || !q.Compare {
		return f, err
	}
	x.from, x.to = max(x.from-(x.to-x.from), 0), x.from
	x.start = x.align()
	a.extent = x
	f.Previous, err = a.previous()
	return f, err
}
