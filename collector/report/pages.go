package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"sync"
	"time"

	"ctlive/collector/sqlite"
)

const pagesSchema = `
CREATE TABLE outcomes (
	id     INTEGER PRIMARY KEY,
	site   TEXT NOT NULL,
	result TEXT NOT NULL,
	reason TEXT NOT NULL,
	UNIQUE (site, result, reason)
) STRICT;
CREATE TABLE pages (
	minute  INTEGER NOT NULL, -- since 1970
	outcome INTEGER NOT NULL REFERENCES outcomes,
	n       INTEGER NOT NULL,
	PRIMARY KEY (minute, outcome)
) STRICT, WITHOUT ROWID;
`

// errPages says that the counts of pages could not be read or written. It is not the figures' fault.
var errPages = errors.New("counts of pages")

// clockSlack is how far behind the counts the clock may be, in minutes, before somebody is told: a clock that
// is corrected a little is no news.
const clockSlack = 5

// pagesCheck is how long the look over the whole file may take at the start.
const pagesCheck = time.Second

// outcome is what the injector did with a page.
type outcome struct{ site, result, reason string }

type pageMinute struct {
	outcome
	minute int64
}

// pages counts the pages that the injector looked at, by minute, which is their position. It has a
// database of its own: unlike the figures it cannot be built again. A killed process forgets some
// seconds.
type pages struct {
	db  *database
	log *slog.Logger
	now func() time.Time

	// writing is held from taking counts to their commit, or to giving them back: while another one has
	// some of a minute, the minute is not over.
	writing sync.Mutex

	mu     sync.Mutex
	counts map[pageMinute]int64 // not written yet
	minute int64                // the last one counted in: a clock that is set back changes none that is over
	told   bool                 // the log was told that the clock is behind it
}

// openPages opens pages.db in the data folder dir.
func openPages(dir string, log *slog.Logger, now func() time.Time) (*pages, error) {
	p := &pages{log: log, now: now, counts: map[pageMinute]int64{}}
	var err error
	p.db, err = openOrDrop(filepath.Join(dir, "pages.db"), layout{version: 1, schema: pagesSchema, only: true, load: func(db *database) error {
		if err := lookOver(db.read, pagesCheck); err != nil {
			return err
		}
		if err := takeCarried(context.Background(), db.write, filepath.Join(dir, "ctlive.db")); err != nil {
			log.Error("counts of pages: not taken from the backup", "err", err)
		}
		return db.read.QueryRow(`SELECT coalesce(max(minute), 0) FROM pages`).Scan(&p.minute)
	}}, log)
	return p, err
}

// lookOver looks at all of a database, for so long at most. It returns an error only if there is damage.
func lookOver(db *sql.DB, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var verdict string
	err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict)
	if err == nil && verdict != "ok" {
		err = fmt.Errorf("%w: %s", errDamaged, verdict)
	}
	if !damaged(err) {
		return nil
	}
	return err
}

func (p *pages) close() error {
	_, err := p.flush(time.Unix(0, 0))
	return errors.Join(err, p.db.close())
}

func (p *pages) add(o outcome) {
	p.mu.Lock()
	now := p.now().Unix() / 60
	p.minute = max(p.minute, now)
	p.counts[pageMinute{o, p.minute}]++
	minute, tell := p.minute, p.minute > now+clockSlack && !p.told
	p.told = p.minute > now && (p.told || tell)
	p.mu.Unlock()
	if tell {
		p.log.Warn("counts of pages: the clock was set back; all pages count in one minute until it has come there again",
			"minute", time.Unix(minute*60, 0).UTC(), "ahead", time.Duration(minute-now)*time.Minute)
	}
}

// keep writes the counts each so often until ctx is done.
func (p *pages) keep(ctx context.Context, each time.Duration) {
	ticker := time.NewTicker(each)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if _, err := p.flush(now); err != nil {
				p.log.Error("counts of pages: not written", "err", err)
			}
		}
	}
}

// flush writes what was counted and returns the last minute that nothing will be added to.
func (p *pages) flush(now time.Time) (over int64, err error) {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.mu.Lock()
	p.minute = max(p.minute, now.Unix()/60)
	over = p.minute - 1
	counts := p.counts
	p.counts = map[pageMinute]int64{}
	p.mu.Unlock()
	if len(counts) == 0 {
		return over, nil
	}
	if err = p.write(counts); err == nil {
		return over, nil
	}
	err = fmt.Errorf("%w: %w", errPages, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, n := range counts {
		p.counts[k] += n
	}
	return 0, err
}

func (p *pages) write(counts map[pageMinute]int64) error {
	tx, err := p.db.write.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for k, n := range counts {
		if _, err := tx.Exec(`INSERT INTO outcomes (site, result, reason) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, k.site, k.result, k.reason); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO pages (minute, outcome, n)
			SELECT ?, id, ? FROM outcomes WHERE (site, result, reason) = (?, ?, ?)
			ON CONFLICT DO UPDATE SET n = n + excluded.n`, k.minute, n, k.site, k.result, k.reason); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// pagesRows are the counts of pages, by minute, that one answer has at most, unless they are of one
// minute.
const pagesRows = 10_000

// PageCounts implements [Pages]: minutes that are over are settled. Where what was counted cannot be
// written its keeper says so, and nothing is.
func (p *pages) PageCounts(ctx context.Context, after int64) (counts []PageCount, settled int64, err error) {
	settled, err = p.flush(p.now())
	if err != nil {
		settled = after
	}
	end, err := p.stretch(ctx, after, pagesRows)
	if err != nil {
		return nil, after, err
	}
	counts, err = p.between(ctx, after, end)
	return counts, max(min(settled, end), after), err
}

// overRows are the counts that over returns at once, unless a single minute has more.
const overRows = 1_000

// over returns the counts of the first minutes after one that are over.
func (p *pages) over(ctx context.Context, after int64) ([]PageCount, error) {
	last, err := p.flush(p.now())
	if err != nil {
		return nil, err
	}
	end, err := p.stretch(ctx, after, overRows)
	if err != nil {
		return nil, err
	}
	return p.between(ctx, after, min(end, last))
}

// stretch returns a minute so that from one to it there are no more than limit counts, or, where a
// single minute has more, that one.
func (p *pages) stretch(ctx context.Context, minute int64, limit int) (end int64, err error) {
	err = p.db.read.QueryRowContext(ctx, `SELECT minute FROM pages WHERE minute > ? ORDER BY minute LIMIT 1 OFFSET ?`,
		minute, limit).Scan(&end)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return math.MaxInt64, nil
	case err != nil:
		return 0, fmt.Errorf("%w: %w", errPages, err)
	}
	return max(end-1, minute+1), nil
}

// between returns what is written of the minutes after one, up to another.
func (p *pages) between(ctx context.Context, minute, end int64) ([]PageCount, error) {
	counts, err := sqlite.Rows(ctx, p.db.read, func(rows *sql.Rows) (c PageCount, err error) {
		err = rows.Scan(&c.Minute, &c.Site, &c.Result, &c.Reason, &c.N)
		c.Position = c.Minute
		return c, err
	}, `SELECT minute, site, result, reason, n FROM pages JOIN outcomes ON id = outcome WHERE minute > ? AND minute <= ? ORDER BY minute`, minute, end)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPages, err)
	}
	return counts, nil
}

// Forget implements [Pages].
func (p *pages) Forget(ctx context.Context, minute int64) error {
	if _, err := p.db.write.ExecContext(ctx, `DELETE FROM pages WHERE minute < ?`, minute); err != nil {
		return fmt.Errorf("%w: %w", errPages, err)
	}
	return nil
}
