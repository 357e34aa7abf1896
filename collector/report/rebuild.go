package report

import (
	"context"
	"os"
	"time"

	"ctlive/collector/sqlite"
)

const rebuiltMark = ".new" // of the file that a rebuild fills

// Rebuild builds the figures anew from the event store and puts them in place of those there are,
// which serve until then. The numbers are the same, unless the store has deleted events.
func (r *Report) Rebuild(ctx context.Context) error {
	r.work.Lock()
	defer r.work.Unlock()
	return r.rebuildLocked(ctx, false)
}

// staleLocked reports whether the figures count what the store has not any more: events that were
// erased, or are older than it keeps, or were lost with a damaged file. With old events the counts
// of pages go that are as old.
func (r *Report) staleLocked(ctx context.Context) (bool, error) {
	head, err := r.src.Head(ctx)
	if err != nil {
		return false, err
	}
	at := &r.db.at
	switch {
	case at.row == 0: // nothing is counted yet
		at.store, at.oldest, at.erased, at.began = head.Store, head.Oldest, head.Erased, r.now().Unix()
		return false, nil
	case at.store != head.Store, at.erased != head.Erased, head.Last < at.row:
		return true, nil
	}
	if head.Oldest <= at.oldest || r.now().Sub(time.Unix(at.began, 0)) < agedEvery {
		return false, nil
	}
	minute, err := r.src.OldestMinute(ctx)
	if err == nil {
		err = r.pages.Forget(ctx, minute)
	}
	return true, err
}

// rebuildLocked fills a new file and puts it in place of the old one. With rest it leaves the
// machine to others half of the time, and goes on counting in the old one as well.
func (r *Report) rebuildLocked(ctx context.Context, rest bool) error {
	path := r.path + rebuiltMark
	if err := sqlite.Remove(path); err != nil {
		return err
	}
	fresh, err := openDatabase(path, figuresLayout)
	if err != nil {
		return err
	}
	defer sqlite.Remove(path) // on an error: else it has moved
	err = r.fill(ctx, fresh, rest)
	fresh.close() // writes its log back
	if err != nil {
		return err
	}
	return r.replaceLocked(func() error {
		if err := sqlite.Remove(r.path); err != nil {
			return err
		}
		return os.Rename(path, r.path)
	})
}

// fill takes all there is into the empty database db.
func (r *Report) fill(ctx context.Context, db *database, rest bool) error {
	head, err := r.src.Head(ctx)
	if err != nil {
		return err
	}
	db.at = progress{store: head.Store, oldest: head.Oldest, erased: head.Erased, began: r.now().Unix()}
	for n := batchRows; n == batchRows; {
		start := time.Now()
		if n, err = db.advance(ctx, r.src); err != nil {
			return err
		}
		if !rest || n < batchRows {
			continue
		}
		if r.db.at.store == head.Store {
			if _, err := r.db.advance(ctx, r.src); err != nil {
				return err
			}
		}
		time.Sleep(time.Since(start))
	}
	for more := true; more; {
		if more, err = db.takePages(ctx, r.pages); err != nil {
			return err
		}
	}
	return db.sweep(ctx, r.src, time.Unix(0, 0))
}

// dropLocked begins the figures anew, in the file itself.
func (r *Report) dropLocked() error {
	return r.replaceLocked(func() error { return sqlite.Remove(r.path) })
}

// replaceLocked closes the database, has swap put another one in its place, and opens that.
func (r *Report) replaceLocked(swap func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db != nil {
		r.db.close()
		r.db = nil
	}
	if err := swap(); err != nil {
		return err
	}
	db, err := openOrDrop(r.path, figuresLayout, r.log)
	if err != nil {
		return err
	}
	r.db = db
	return nil
}
