// Package report keeps the figures of the dashboard: how many page views reached which step, what
// became of the chats, when and where.
//
// The figures are sums over minutes, quarters of an hour and hours, in a database of their own,
// report.db, so that intake never waits for them. A [Report] reads the event store behind its own
// cursor, in the order of the rows, and adds what is new within a second. What it remembers of a
// page view and of a chat lets a late event correct what an earlier one has counted: the order of
// arrival makes no difference. Deleting report.db loses nothing; it is built again from the store.
//
// The one thing the events do not tell, how many pages the proxy has injected, comes through
// [Report.Page] and is kept in pages.db.
//
// At an edge, [Open] makes the figures of its own store. [OpenSource] makes those of any other store
// of events that is a [Source], and of the counts of pages of all edges.
//
// # What is counted
//
// A page view counts at its first event, and once for each step that it reached. A chat is known by
// its id, counts at its first event, and began on the page of its first ChatStarted. Its wait ends
// with the first ChatOnline, its duration with the last ChatFinished; neither is below nought. An
// event that names no page view is one of its own; it shows a listener if it is a Loaded.
//
// When the store deletes events, their figures go with them: after an erasure within seconds, after
// its retention within a day. What is deleted cannot be read any more, so it is not subtracted; a
// new database is built from the events that are left, beside the old one, and takes its place.
package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"ctlive/collector"
)

const (
	pollEvery  = 250 * time.Millisecond // for new rows
	remotePoll = time.Second            // likewise, on another machine
	checkEvery = time.Second            // for what the store has deleted
	idleEvery  = 5 * time.Second        // for all that while no event comes, and for those of other processes
	pagesEvery = 5 * time.Second        // until counts of pages are on disk
	sweepEvery = 10 * time.Minute       // for losses that came without an event
	agedEvery  = 24 * time.Hour         // at least, between two rebuilds for the sake of retention
)

var errNoFigures = errors.New("no database of figures is open")

// Report is the figures of one store. Its methods are safe for concurrent use. One process at a
// time has them.
type Report struct {
	path  string
	src   Source
	pages Pages
	own   *pages // the same as pages, which we count ourselves; nil: others do
	log   *slog.Logger
	now   func() time.Time
	poll  time.Duration
	news  func() <-chan struct{} // closed with the next event, as far as we are told; nil: we are not
	free  func() error           // closes what Open has opened beside the database

	work   sync.Mutex // held by who changes the figures
	looked time.Time  // at what the store has deleted
	swept  time.Time

	crowded sync.Once    // the log was told of errMoved
	suspect atomic.Bool  // somebody came upon damage
	fresh   atomic.Int64 // Unix milliseconds at which the source was read last; 1: never

	mu   sync.RWMutex // held to read while db is in use
	db   *database    // nil while there is none
	stop context.CancelFunc
	done sync.WaitGroup
}

// Open opens the figures of store, which lives in the folder dir. A database of another version or
// one that is damaged is dropped: it fills again from the store. The caller closes the report, and
// the store after it.
func Open(dir string, store *collector.Store, log *slog.Logger) (*Report, error) {
	src := newFileSource(dir, store)
	r, err := OpenSource(filepath.Join(dir, "report.db"), src, nil, log)
	if err != nil {
		return nil, err
	}
	r.own, err = openPages(dir, log, func() time.Time { return r.now() })
	if err != nil {
		r.db.close()
		return nil, fmt.Errorf("open page counts: %w", err)
	}
	r.pages, r.poll, r.news = r.own, pollEvery, store.Landed
	r.free = func() error {
		src.close()
		return r.own.close()
	}
	return r, nil
}

// OpenSource opens the figures of src and pages, which are kept in the file at path, as [Open] does.
// While src or pages fail, the figures are the last ones and say so: [Figures.Stale]. The caller
// closes the report, and then what it reads.
func OpenSource(path string, src Source, pages Pages, log *slog.Logger) (*Report, error) {
	db, err := openOrDrop(path, figuresLayout, log)
	if err != nil {
		return nil, fmt.Errorf("open figures: %w", err)
	}
	r := &Report{
		path: path, src: src, pages: pages, log: log, now: time.Now, poll: remotePoll,
		free: func() error { return nil }, db: db, stop: func() {},
	}
	r.fresh.Store(1)
	return r, nil
}

// Start follows the store until ctx is done or the report closed. It is called once.
func (r *Report) Start(ctx context.Context) {
	ctx, r.stop = context.WithCancel(ctx)
	r.done.Go(func() { r.follow(ctx) })
	if r.own != nil {
		r.done.Go(func() { r.own.keep(ctx, pagesEvery) })
	}
}

// Close ends what Start began, writes the counts of pages and closes the databases. Closing twice
// does no harm.
func (r *Report) Close() error {
	r.stop()
	r.done.Wait()
	r.work.Lock()
	defer r.work.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db == nil {
		return nil
	}
	err := errors.Join(r.free(), r.db.close())
	r.db = nil
	return err
}

// Page counts a page of site that the injector looked at: result is "injected" or "skipped", reason
// a skip reason or "". It costs a map lookup and never waits for a disk. It is for a report that
// [Open] has opened.
func (r *Report) Page(site, result, reason string) {
	r.own.add(outcome{site, result, reason})
}

// OwnPages returns the counts of pages that came through [Report.Page], those of the first minutes
// after one: of minutes that are over, to which nothing is added any more, and some 1,000 at most.
func (r *Report) OwnPages(ctx context.Context, after int64) ([]PageCount, error) {
	if r.own == nil {
		return nil, nil
	}
	return r.own.over(ctx, after)
}

// follow brings the figures up to date again and again. It rests as long as it worked, so that
// intake has the machine even while there is much to catch up on.
func (r *Report) follow(ctx context.Context) {
	told := ""
	for ctx.Err() == nil {
		start, news := time.Now(), r.next()
		more, err := r.update(ctx)
		switch {
		case err == nil:
			r.fresh.Store(start.UnixMilli())
			if told != "" {
				told = ""
				r.log.Info("figures: up to date again")
			}
		case ctx.Err() == nil && err.Error() != told:
			told = err.Error()
			r.log.Error("figures: not up to date", "err", err)
		}
		if more {
			pause(ctx, time.Since(start), nil)
			continue
		}
		pause(ctx, r.poll, nil)
		if news != nil && err == nil {
			pause(ctx, idleEvery-r.poll, news)
		}
	}
}

// next returns what ends with the next event, nil if nobody tells.
func (r *Report) next() <-chan struct{} {
	if r.news == nil {
		return nil
	}
	return r.news()
}

// pause waits for d, or until ctx is done or there is news.
func pause(ctx context.Context, d time.Duration, news <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-news:
	case <-timer.C:
	}
}

// update takes one batch of new rows into the figures and reports whether there may be more.
func (r *Report) update(ctx context.Context) (more bool, err error) {
	r.work.Lock()
	defer r.work.Unlock()
	more, err = r.updateLocked(ctx)
	if errors.Is(err, errMoved) {
		r.crowded.Do(func() { r.log.Warn("figures", "err", err, "file", r.path) })
		return true, nil
	}
	if r.suspect.Swap(false) && err == nil {
		err = errDamaged
	}
	if !damaged(err) {
		return more, err
	}
	r.log.Error("figures: damaged, building them again", "file", r.path, "err", err)
	return true, r.dropLocked()
}

func (r *Report) updateLocked(ctx context.Context) (more bool, err error) {
	if r.db == nil {
		return true, r.replaceLocked(func() error { return nil })
	}
	last, err := r.src.LastRow(ctx)
	if err != nil {
		return false, err // the store is not open at the moment
	}
	if time.Since(r.looked) > checkEvery {
		stale, err := r.staleLocked(ctx)
		if err != nil {
			return false, err
		}
		if stale {
			return true, r.rebuildLocked(ctx, true)
		}
		r.looked = time.Now()
	}
	folded, err := r.db.takePages(ctx, r.pages)
	if err != nil {
		return false, err
	}
	if time.Since(r.swept) > sweepEvery {
		if err := r.db.sweep(ctx, r.src, r.now().Add(-48*time.Hour)); err != nil {
			return false, err
		}
		r.swept = time.Now()
	}
	if last <= r.db.at.row {
		return folded, nil
	}
	n, err := r.db.advance(ctx, r.src)
	return folded || n == batchRows, err
}

// catchUp brings the figures up to date with what the store has now.
func (r *Report) catchUp(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = r.update(ctx); err != nil {
			return err
		}
	}
	return nil
}
