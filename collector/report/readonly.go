package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"ctlive/collector"
	"ctlive/collector/sqlite"
)

const (
	readPoll    = pollEvery
	readPolls   = 6 // until nobody seems to keep the figures
	memoryPages = ":memory:"
)

// Reader answers queries about a folder whose figures another process keeps, or nobody does. It
// changes nothing in the folder. Its methods are safe for concurrent use.
type Reader struct {
	report *Report
	src    *fileSource
	pages  *pages
	temp   string // folder of a copy; "": there is none
}

// OpenReadOnly opens the figures of store, which lives in the folder dir. Where nobody keeps them up
// to date it makes a copy in the folder for temporary files that is, which takes a while if there
// is much to count, and tells progress, unless nil, how many of all events are counted. The caller
// closes the reader, and the store after it.
func OpenReadOnly(ctx context.Context, dir string, store *collector.Store, progress func(done, all int64)) (*Reader, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	pages, err := readPages(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("open page counts: %w", err)
	}
	src := newFileSource(dir, store)
	r := &Reader{src: src, pages: pages, report: &Report{
		path: filepath.Join(dir, "report.db"), src: src, pages: pages, own: pages,
		log: slog.New(slog.DiscardHandler), now: time.Now, stop: func() {},
	}}
	if err := r.open(ctx, progress); err != nil {
		r.Close()
		return nil, fmt.Errorf("open figures: %w", err)
	}
	return r, nil
}

// Query returns the figures of a range.
func (r *Reader) Query(ctx context.Context, q Query) (*Figures, error) { return r.report.Query(ctx, q) }

// Close closes what is open and deletes the copy.
func (r *Reader) Close() error {
	r.src.close()
	err := r.pages.db.close()
	if r.report.db != nil {
		err = errors.Join(err, r.report.db.close())
	}
	if r.temp != "" {
		err = errors.Join(err, os.RemoveAll(r.temp))
	}
	return err
}

// open finds figures that are up to date, or makes some. Those that cannot be read are no reason to
// fail: all of them are in the store.
func (r *Reader) open(ctx context.Context, progress func(done, all int64)) error {
	db, err := readDatabase(r.report.path, figuresLayout)
	if err != nil {
		return r.build(ctx, nil, progress)
	}
	if kept, err := r.kept(ctx, db); err == nil && kept {
		r.report.db = db
		return nil
	}
	defer db.close()
	return r.build(ctx, db, progress)
}

// kept reports whether db is up to date or, as it moves, kept so by somebody.
func (r *Reader) kept(ctx context.Context, db *database) (bool, error) {
	head, err := r.report.src.Head(ctx)
	if err != nil {
		return false, err
	}
	var before progress
	for poll := range readPolls {
		at, err := readProgress(ctx, db.read)
		if err != nil {
			return false, err
		}
		same := at.store == head.Store && at.erased == head.Erased
		if same && (at.row >= head.Last || poll > 0 && at.row > before.row) {
			return true, nil
		}
		before = at
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(readPoll):
		}
	}
	return false, nil
}

// build makes figures of our own: those of old, which may be nil, and what is new since.
func (r *Reader) build(ctx context.Context, old *database, progress func(done, all int64)) (err error) {
	if r.temp, err = os.MkdirTemp("", "ctlive-figures-"); err != nil {
		return err
	}
	path := filepath.Join(r.temp, "report.db")
	if old != nil {
		if _, err := old.read.ExecContext(ctx, `VACUUM INTO ?`, path); err != nil {
			if err := sqlite.Remove(path); err != nil {
				return err
			}
		}
	}
	if r.report.db, err = openOrDrop(path, figuresLayout, r.report.log); err != nil {
		return err
	}
	r.report.path = path
	r.report.work.Lock()
	defer r.report.work.Unlock()
	return r.report.completeLocked(ctx, progress)
}

// completeLocked counts what is not counted yet, without a change to the counts of pages: those are
// somebody else's.
func (r *Report) completeLocked(ctx context.Context, progress func(done, all int64)) error {
	stale, err := r.staleLocked(ctx)
	if err != nil {
		return err
	}
	if stale {
		if err := r.dropLocked(); err != nil {
			return err
		}
		if _, err := r.staleLocked(ctx); err != nil { // notes which store it is
			return err
		}
	}
	last, err := r.src.LastRow(ctx)
	if err != nil {
		return err
	}
	for r.db.at.row < last {
		n, err := r.db.advance(ctx, r.src)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		progress(r.db.at.row, last)
	}
	for more := true; more; {
		if more, err = r.db.takePages(ctx, r.pages); err != nil {
			return err
		}
	}
	return r.db.sweep(ctx, r.src, time.Unix(0, 0))
}

// readDatabase opens the database at path, which may be another process's, to read it.
func readDatabase(path string, l layout) (*database, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	read, err := sqlite.Open(path, "ro", 2, "_pragma=cache_size(-16384)")
	if err != nil {
		return nil, err
	}
	var version int
	err = read.QueryRow(`PRAGMA user_version`).Scan(&version)
	if err == nil && version != l.version {
		err = fmt.Errorf("%s: %w: %d, not %d", path, errVersion, version, l.version)
	}
	if err != nil {
		read.Close()
		return nil, err
	}
	return &database{path: path, read: read, dictionary: newDictionary()}, nil
}

// readPages opens counts of pages that are only read. No file is no pages, but for those that the
// event store carries.
func readPages(ctx context.Context, dir string) (*pages, error) {
	db, err := readDatabase(filepath.Join(dir, "pages.db"), layout{version: 1})
	if errors.Is(err, fs.ErrNotExist) {
		db = &database{path: memoryPages}
		if db.read, err = emptyPages(); err == nil {
			err = takeCarried(ctx, db.read, filepath.Join(dir, "ctlive.db"))
		}
	}
	if err != nil {
		return nil, err
	}
	return &pages{db: db, now: time.Now, counts: map[pageMinute]int64{}}, nil
}

func emptyPages() (*sql.DB, error) {
	db, err := sql.Open("sqlite", memoryPages)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // each has a memory of its own
	if _, err := db.Exec(pagesSchema); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}
