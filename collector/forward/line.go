package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"ctlive/collector"
)

const (
	sendTime  = 30 * time.Second       // for a batch
	lastTime  = 2 * time.Second        // for a batch that is on its way when we are to end
	gather    = 200 * time.Millisecond // from an event to the batch it goes with, where none waits
	pollEvery = time.Second            // for what other processes write
	pageEvery = 5 * time.Second        // for counts of pages
	lossEvery = time.Minute            // in the log: a large backlog is deleted in thousands of steps
)

// line is the way to one sink.
type line struct {
	name  string
	sink  Sink
	store *collector.Store
	pages func(ctx context.Context, after int64) ([]PageCount, error)
	edge  string
	back  bool // the store is back from a backup: a sink without a cursor is not new
	log   *slog.Logger
	file  string // of the cursor

	taken   atomic.Int64  // row that the cursor on the disk is at; 0 until we know that it is of this store
	lost    atomic.Int64  // events
	counted chan struct{} // filled when lost has changed
	mourned time.Time     // when the log was told of lost; it is the store's writer's
	health  health

	// What follows is the goroutine's.
	at      cursor
	sure    bool   // that the row of at has its event, or none
	saved   cursor // what is on the disk
	size    int    // events of the next batch, at most
	looked  time.Time
	backoff backoff
	told    string
}

// begin reads the cursor. What cannot be done yet, because the store is not open, is done by run.
func (l *line) begin() {
	c, err := readCursor(l.file)
	switch {
	case err == nil:
		l.at, l.saved = c, c
	case errors.Is(err, errNoCursor) && l.back: // it has been told of events, perhaps not of every erasure
	case errors.Is(err, errNoCursor):
		l.at = cursor{Erased: -1}
	default:
		l.log.Error("forward: begins with the first event", "err", err)
	}
	l.lost.Store(c.Lost)
	ctx, cancel := context.WithTimeout(context.Background(), statusTime)
	defer cancel()
	l.settle(ctx)
}

// run forwards until ctx is done.
func (l *line) run(ctx context.Context) {
	for ctx.Err() == nil {
		landed := l.store.Landed() // before we look: what comes meanwhile is seen
		more, err := l.step(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return
		case err != nil:
			l.fail(err)
			l.wait(ctx, nil, max(l.backoff.next(), asked(err)))
		default:
			l.succeed()
			if !more {
				l.rest(ctx, landed)
			}
		}
	}
}

// rest waits for something to do, and a little longer for more of it.
func (l *line) rest(ctx context.Context, landed <-chan struct{}) {
	if l.wait(ctx, landed, pollEvery) {
		l.wait(ctx, nil, gather)
	}
}

// wait waits until ctx is done or something has landed or d is over. It reports whether something has.
func (l *line) wait(ctx context.Context, landed <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-landed:
			return true
		case <-timer.C:
			return false
		case <-l.counted:
			l.save() // the next step tells of an error
		}
	}
}

// step takes one thing to the sink and reports whether there may be more. Nothing is sent before the
// cursor is on the disk: an erasure that comes between an event and the first cursor would be missed.
func (l *line) step(ctx context.Context) (more bool, err error) {
	ends, err := l.settle(ctx)
	if err != nil {
		return false, err
	}
	if ends.Erasure > l.at.Erased {
		if more, err := l.sendErasures(ctx); more || err != nil {
			return more, err
		}
	}
	if ends.Event > l.at.Row || !l.sure {
		if more, err := l.sendEvents(ctx); more || err != nil {
			return more, err
		}
	}
	return false, l.sendPages(ctx)
}

// settle sees to it that the cursor is one of the store that is there now, and on the disk.
func (l *line) settle(ctx context.Context) (ends collector.Ends, err error) {
	if ends, err = l.store.Ends(ctx); err != nil {
		return ends, err
	}
	switch {
	case l.at.Erased < 0: // a new sink has nothing that could be erased
		l.at = cursor{Store: ends.Store, Erased: ends.Erasure}
	case l.at.Store != ends.Store || l.at.Row > ends.Event || l.at.Erased > ends.Erasure:
		l.restart(ends.Store)
	}
	return ends, l.save()
}

// restart goes back to the beginning of a store.
func (l *line) restart(store string) {
	l.log.Warn("forward: another store than before, begins with its first event", "row", l.at.Row)
	l.at = cursor{Store: store}
}

// save writes the cursor if it has changed.
func (l *line) save() error {
	if l.at.Erased < 0 {
		return nil // it is of no store yet
	}
	l.at.Lost = l.lost.Load()
	if l.at != l.saved {
		if err := l.at.write(l.file); err != nil {
			return err
		}
		l.saved = l.at
	}
	l.taken.Store(l.at.Row)
	return nil
}

func (l *line) sendErasures(ctx context.Context) (more bool, err error) {
	notes, err := l.store.Erasures(ctx, l.at.Erased, maxErasures)
	if err != nil || len(notes) == 0 {
		return false, err
	}
	for i := range notes {
		notes[i].Edge = l.edge
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	if err := l.sink.Erase(ctx, notes); err != nil {
		what := "an erasure"
		if len(notes) > 1 {
			what = fmt.Sprintf("%d erasures", len(notes))
		}
		return false, fmt.Errorf("pass %s on: %w", what, err)
	}
	l.at.Erased = notes[len(notes)-1].Row
	return true, l.save()
}

func (l *line) sendEvents(ctx context.Context) (more bool, err error) {
	page, err := l.next(ctx)
	if errors.Is(err, errOtherRow) {
		l.restart(l.at.Store)
		return true, l.save()
	}
	if err != nil || len(page) == 0 {
		return false, err
	}
	if store, err := l.store.Identity(ctx); err != nil || store != l.at.Store {
		return true, err // it was replaced before we read
	}
	batch := cut(page)
	if err := l.send(ctx, batch); err != nil {
		if l.backoff.failures > 0 { // not for a sink that fails now and then
			l.size = max(len(batch)/2, 1)
		}
		return false, err
	}
	more = len(page) == l.size || len(batch) < len(page)
	l.size = min(2*l.size, maxEvents)
	last := &batch[len(batch)-1]
	l.at.Row, l.at.Last = last.Row, mark(last)
	return more, l.save()
}

// next returns the first events behind the cursor. A store that was put back, under its old name, may have
// come past the cursor's row again, with other events: the error is then errOtherRow. Where the row's event
// has been deleted nothing tells.
func (l *line) next(ctx context.Context) ([]collector.Record, error) {
	page, err := l.store.After(ctx, l.at.Row-1, l.size+1)
	if err != nil {
		return nil, err
	}
	if len(page) > 0 && page[0].Row == l.at.Row {
		if l.at.Last != "" && l.at.Last != mark(&page[0]) {
			return nil, errOtherRow
		}
		page = page[1:]
	}
	l.sure = true
	return page[:min(len(page), l.size)], nil
}

func (l *line) send(ctx context.Context, batch []collector.Record) error {
	ctx, cancel := deadline(ctx)
	defer cancel()
	err := l.sink.Send(ctx, batch)
	switch {
	case err == nil:
		return nil
	case len(batch) == 1 && refused(err):
		return fmt.Errorf("send event %q of %s: %w", batch[0].ID, batch[0].Site, err)
	}
	return fmt.Errorf("send events: %w", err)
}

// sendPages passes on the counts of pages, now and then.
func (l *line) sendPages(ctx context.Context) error {
	sink, ok := l.sink.(PageSink)
	if !ok || l.pages == nil || time.Since(l.looked) < pageEvery {
		return nil
	}
	counts, err := l.pages(ctx, l.at.Pages)
	if err != nil || len(counts) == 0 {
		l.looked = time.Now()
		return err
	}
	last := l.at.Pages
	for i := range counts {
		counts[i].Edge = l.edge
		last = max(last, counts[i].Minute)
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	if err := sink.Pages(ctx, counts); err != nil {
		return fmt.Errorf("send counts of pages: %w", err)
	}
	l.at.Pages = last
	return l.save()
}

// deadline returns a context for one call of the sink. When parent ends the call has a moment left:
// the engine may have the events already, and would get them again.
func deadline(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), sendTime)
	stop := context.AfterFunc(parent, func() {
		select {
		case <-ctx.Done():
		case <-time.After(lastTime):
			cancel()
		}
	})
	return ctx, func() {
		stop()
		cancel()
	}
}

// fail notes why a step failed. The log is told once of each cause, and of the event that stands alone.
func (l *line) fail(err error) {
	text := err.Error()
	l.health.say(text)
	if text != l.told {
		l.told = text
		l.log.Warn("forward: held up, trying again", "err", err)
	}
}

func (l *line) succeed() {
	l.backoff.reset()
	l.health.say("")
	if l.told != "" {
		l.told = ""
		l.log.Info("forward: goes on")
	}
}

// lose counts those of the deleted rows that the sink has not taken.
func (l *line) lose(rows []int64) {
	n := 0
	for _, row := range rows {
		if row > l.taken.Load() {
			n++
		}
	}
	if n == 0 {
		return
	}
	all := l.lost.Add(int64(n))
	if time.Since(l.mourned) >= lossEvery {
		l.mourned = time.Now()
		l.log.Error("forward: events are deleted that the sink has not taken, they are older than the retention and the backlog", "lost_so_far", all)
	}
	select {
	case l.counted <- struct{}{}:
	default:
	}
}
