package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ctlive/collector/sqlite"
)

// carriedSchema is the table in which a backup of the event store carries the counts of pages, so
// that one file has all.
const carriedSchema = `
DROP TABLE IF EXISTS page_counts;
CREATE TABLE page_counts (
	minute INTEGER NOT NULL,
	site   TEXT NOT NULL,
	result TEXT NOT NULL,
	reason TEXT NOT NULL,
	n      INTEGER NOT NULL,
	PRIMARY KEY (minute, site, result, reason)
) STRICT, WITHOUT ROWID;
INSERT INTO page_counts SELECT minute, site, result, reason, n FROM other.pages JOIN other.outcomes ON id = outcome;
`

// AddPages adds the counts of pages in the data folder dir to file, a copy of the event store there.
// [Open] and [OpenReadOnly] take them from there where the store has no counts of its own yet.
func AddPages(ctx context.Context, dir, file string) error {
	path := filepath.Join(dir, "pages.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil // what the store may carry itself is in the copy
	}
	db, err := sqlite.Open(file, "rw", 1)
	if err != nil {
		return fmt.Errorf("back up counts of pages: %w", err)
	}
	err = with(ctx, db, path, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, carriedSchema)
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("back up counts of pages: %w", err)
	}
	return nil
}

// with runs change on db while the database at path can be read as other.
func with(ctx context.Context, db *sql.DB, path string, change func(*sql.Tx) error) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, `ATTACH ? AS other`, sqlite.Source(path, "ro")); err != nil {
		return err
	}
	defer c.ExecContext(context.WithoutCancel(ctx), `DETACH other`)
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := change(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// takeCarried fills the counts of pages in db, if there are none, with those that the event store at
// path carries since it was a backup.
func takeCarried(ctx context.Context, db *sql.DB, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := with(ctx, db, path, func(tx *sql.Tx) error {
		var carried bool
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM other.sqlite_schema WHERE name = 'page_counts')
			AND NOT EXISTS (SELECT 1 FROM main.pages)`).Scan(&carried)
		if err != nil || !carried {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO outcomes (site, result, reason)
				SELECT DISTINCT site, result, reason FROM page_counts WHERE true ON CONFLICT DO NOTHING;
			INSERT INTO pages (minute, outcome, n) SELECT minute, id, n FROM page_counts JOIN outcomes USING (site, result, reason)`)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: counts of pages: %w", errSource, err)
	}
	return nil
}
