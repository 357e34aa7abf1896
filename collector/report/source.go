package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// errSource says that the event store could not be read.
var errSource = errors.New("read event store")

// source reads the event store: no more of an event than is counted, which takes a third of the
// time of a whole record. It reads the file itself and follows it when it is replaced: a store
// mends a damaged file by putting another in its place.
type source struct {
	path string

	mu   sync.Mutex
	db   *sql.DB
	file os.FileInfo // that db has open
}

func newSource(dir string) *source { return &source{path: filepath.Join(dir, "ctlive.db")} }

// reader returns the connections to the file that is there now.
func (s *source) reader() (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	file, err := os.Stat(s.path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSource, err)
	}
	if s.db != nil && os.SameFile(s.file, file) {
		return s.db, nil
	}
	if s.db != nil {
		s.db.Close()
	}
	s.db, err = connect(s.path, 2, "mode=ro", "_pragma=cell_size_check(1)")
	s.file = file
	return s.db, err
}

func (s *source) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		s.db.Close()
	}
}

// read returns what a SELECT of the event store has.
func read[T any](ctx context.Context, s *source, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	db, err := s.reader()
	if err != nil {
		return nil, err
	}
	all, err := rowsOf(ctx, db, scan, text, args...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSource, err)
	}
	return all, nil
}

// head returns what an event store looks like at its ends: the row of its oldest event, of its last
// erasure, and a name of its own; and the row of its newest event.
func (s *source) head(ctx context.Context) (p progress, last int64, err error) {
	rows, err := read(ctx, s, func(rows *sql.Rows) (progress, error) {
		var p progress
		err := rows.Scan(&p.oldest, &last, &p.erased, &p.store)
		return p, err
	}, `SELECT coalesce((SELECT min(row) FROM events), 0), coalesce((SELECT max(row) FROM events), 0),
		coalesce((SELECT max(row) FROM erased), 0), (SELECT applied FROM schema_version WHERE version = 1)`)
	if err != nil {
		return p, 0, err
	}
	return rows[0], last, nil
}

// event is what counts of a stored event.
type event struct {
	row, site, at    int64
	typ              string
	page, object     sql.RawBytes // object: only of a click
	url, chat        string
	flags            int64
	refused, dropped int64 // of its page, so far
}

// events calls f with the first limit events behind a row, in the order of their rows. What f is
// given is valid until it returns.
func (s *source) events(ctx context.Context, after int64, limit int, f func(*event) error) error {
	db, err := s.reader()
	if err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, `SELECT e.row, e.site, e.at, e.type, v.page, v.url, coalesce(e.chat_id, ''), e.flags,
		CASE e.type WHEN 'WidgetClicked' THEN e.object END, v.refused, v.dropped
		FROM events e JOIN views v ON v.id = e.view WHERE e.row > ? ORDER BY e.row LIMIT ?`, after, limit)
	if err != nil {
		return fmt.Errorf("%w: %w", errSource, err)
	}
	defer rows.Close()
	var e event
	for rows.Next() {
		if err := rows.Scan(&e.row, &e.site, &e.at, &e.typ, &e.page, &e.url, &e.chat, &e.flags, &e.object, &e.refused, &e.dropped); err != nil {
			return fmt.Errorf("%w: %w", errSource, err)
		}
		if err := f(&e); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%w: %w", errSource, err)
	}
	return nil
}

// siteName returns the name of a site.
func (s *source) siteName(ctx context.Context, site int64) (string, error) {
	names, err := read(ctx, s, scanText, `SELECT name FROM sites WHERE id = ?`, site)
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%w: no site %d", errSource, site)
	}
	if err != nil {
		return "", err
	}
	return names[0], nil
}

func scanText(rows *sql.Rows) (text string, err error) {
	err = rows.Scan(&text)
	return text, err
}

// pageLoss is the losses of a page view that told of some.
type pageLoss struct {
	site             int64
	page             []byte
	refused, dropped int64
}

// pageLosses returns those of page views that sent something since a day.
func (s *source) pageLosses(ctx context.Context, since time.Time) ([]pageLoss, error) {
	return read(ctx, s, func(rows *sql.Rows) (l pageLoss, err error) {
		err = rows.Scan(&l.site, &l.page, &l.refused, &l.dropped)
		return l, err
	}, `SELECT site, page, max(refused), max(dropped) FROM views WHERE day >= ? AND refused + dropped > 0 GROUP BY site, page`,
		since.Unix()/86400)
}

// losses returns what was lost on the way to the store. Some of it is counted by day only: of those
// it is the days, in UTC, that the range touches.
func (s *source) losses(ctx context.Context, site string, since, until int64) ([]Loss, error) {
	return read(ctx, s, func(rows *sql.Rows) (Loss, error) {
		l := Loss{Where: "server"}
		err := rows.Scan(&l.Reason, &l.N)
		return l, err
	}, `WITH lost (site, reason, n) AS (
			SELECT site, reason, count(*) FROM quarantine WHERE received >= ?1 AND received < ?2 GROUP BY site, reason
			UNION ALL SELECT site, reason, n FROM losses WHERE day BETWEEN ?1 / 86400000 AND (?2 - 1) / 86400000 AND reason <> 'duplicate')
		SELECT reason, sum(n) FROM lost JOIN sites ON sites.id = lost.site WHERE ?3 IN ('', sites.name) GROUP BY reason ORDER BY reason`,
		since, until, site)
}

// oldestMinute returns the minute in which the oldest event came, 0 if there is none.
func (s *source) oldestMinute(ctx context.Context) (int64, error) {
	minutes, err := read(ctx, s, func(rows *sql.Rows) (minute int64, err error) {
		err = rows.Scan(&minute)
		return minute, err
	}, `SELECT received / 60000 FROM events ORDER BY row LIMIT 1`)
	if err != nil || len(minutes) == 0 {
		return 0, err
	}
	return minutes[0], nil
}
