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

	"ctlive/collector"
	"ctlive/collector/sqlite"
)

// errSource says that the event store could not be read.
var errSource = errors.New("read event store")

// fileSource is the Source of a [collector.Store]: it reads no more of an event than is counted, which
// takes a third of the time of a whole record. It reads the file itself and follows it when it is
// replaced: a store mends a damaged file by putting another in its place.
type fileSource struct {
	path  string
	store *collector.Store

	mu    sync.Mutex
	db    *sql.DB
	file  os.FileInfo      // that db has open
	sites map[int64]string // of that file
}

func newFileSource(dir string, store *collector.Store) *fileSource {
	return &fileSource{path: filepath.Join(dir, "ctlive.db"), store: store}
}

// LastRow returns the row of the newest event. It fails while the store is not open.
func (s *fileSource) LastRow(ctx context.Context) (int64, error) { return s.store.LastRow(ctx) }

// reader returns the connections to the file that is there now.
func (s *fileSource) reader() (*sql.DB, error) {
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
	s.db, err = sqlite.Open(s.path, "ro", 2)
	s.file, s.sites = file, map[int64]string{}
	return s.db, err
}

func (s *fileSource) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		s.db.Close()
	}
}

// read returns what a SELECT of the event store has.
func read[T any](ctx context.Context, s *fileSource, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	db, err := s.reader()
	if err != nil {
		return nil, err
	}
	all, err := sqlite.Rows(ctx, db, scan, text, args...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSource, err)
	}
	return all, nil
}

// Head implements [Source]: a store is named by the moment when it was made.
func (s *fileSource) Head(ctx context.Context) (Head, error) {
	rows, err := read(ctx, s, func(rows *sql.Rows) (h Head, err error) {
		err = rows.Scan(&h.Oldest, &h.Last, &h.Erased, &h.Store)
		return h, err
	}, `SELECT coalesce((SELECT min(row) FROM events), 0), coalesce((SELECT max(row) FROM events), 0),
		coalesce((SELECT max(row) FROM erased), 0), (SELECT applied FROM schema_version WHERE version = 1)`)
	if err != nil {
		return Head{}, err
	}
	return rows[0], nil
}

// Each implements [Source].
func (s *fileSource) Each(ctx context.Context, after int64, limit int, f func(*Event) error) error {
	db, err := s.reader()
	if err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, `SELECT e.row, e.site, e.at, e.type, v.page, v.url, coalesce(e.chat_id, ''), e.flags,
		CASE e.type WHEN 'WidgetClicked' THEN e.object END, v.refused, v.dropped, v.lost
		FROM events e JOIN views v ON v.id = e.view WHERE e.row > ? ORDER BY e.row LIMIT ?`, after, limit)
	if err != nil {
		return fmt.Errorf("%w: %w", errSource, err)
	}
	defer rows.Close()
	var e Event
	var site int64
	var page, object, lost sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&e.Row, &site, &e.At, &e.Type, &page, &e.URL, &e.Chat, &e.Flags, &object, &e.Refused, &e.Dropped, &lost); err != nil {
			return fmt.Errorf("%w: %w", errSource, err)
		}
		e.Page, e.Object, e.Lost = page, object, lost
		if e.Site, err = s.siteName(ctx, site); err != nil {
			return err
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
func (s *fileSource) siteName(ctx context.Context, site int64) (string, error) {
	s.mu.Lock()
	name, ok := s.sites[site]
	s.mu.Unlock()
	if ok {
		return name, nil
	}
	names, err := read(ctx, s, scanText, `SELECT name FROM sites WHERE id = ?`, site)
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%w: no site %d", errSource, site)
	}
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sites[site] = names[0]
	return names[0], nil
}

func scanText(rows *sql.Rows) (text string, err error) {
	err = rows.Scan(&text)
	return text, err
}

// PageLosses implements [Source].
func (s *fileSource) PageLosses(ctx context.Context, since time.Time) ([]PageLoss, error) {
	return read(ctx, s, func(rows *sql.Rows) (l PageLoss, err error) {
		err = rows.Scan(&l.Site, &l.Page, &l.Refused, &l.Dropped, &l.Lost)
		return l, err
	}, `SELECT s.name, page, refused, dropped, lost FROM views JOIN sites s ON s.id = views.site
		WHERE day >= ? AND refused + dropped > 0`, since.Unix()/86400)
}

// Losses implements [Source].
func (s *fileSource) Losses(ctx context.Context, site string, since, until int64) ([]Loss, error) {
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

// OldestMinute implements [Source].
func (s *fileSource) OldestMinute(ctx context.Context) (int64, error) {
	minutes, err := read(ctx, s, func(rows *sql.Rows) (minute int64, err error) {
		err = rows.Scan(&minute)
		return minute, err
	}, `SELECT received / 60000 FROM events ORDER BY row LIMIT 1`)
	if err != nil || len(minutes) == 0 {
		return 0, err
	}
	return minutes[0], nil
}
