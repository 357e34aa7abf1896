package collector

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

// Backup writes a copy of the store to file, as the store is at one moment, while others write to
// it: the log grows meanwhile. The copy has no unused space; it is a store when it lies in a data
// folder as ctlive.db. It appears under its name when it is complete, checked and durable. Backup
// never overwrites: the error is then [fs.ErrExist]. Each of also may add tables of its own to the
// copy before it is checked. It returns the number of events in the copy.
func (s *Store) Backup(ctx context.Context, file string, also ...func(copy string) error) (events int64, err error) {
	file, err = filepath.Abs(file)
	if err != nil {
		return 0, fmt.Errorf("back up: %w", err)
	}
	if _, err := os.Lstat(file); err == nil {
		return 0, fmt.Errorf("back up to %s: %w", file, fs.ErrExist)
	}
	part, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".part-*") // for the owner's eyes only
	if err != nil {
		return 0, fmt.Errorf("back up: %w", err)
	}
	defer sqlite.Remove(part.Name())
	part.Close()
	if _, err := query(ctx, s, scanNothing, `VACUUM INTO ?`, part.Name()); err != nil {
		return 0, fmt.Errorf("back up to %s: %w", file, err)
	}
	for _, add := range also {
		if err := add(part.Name()); err != nil {
			return 0, fmt.Errorf("back up to %s: %w", file, err)
		}
	}
	if events, err = s.compare(ctx, part.Name()); err != nil {
		return 0, fmt.Errorf("back up to %s: %w", file, err)
	}
	// A link and not a rename: it fails if somebody was faster.
	if err := errors.Join(syncFile(part.Name()), os.Link(part.Name(), file), syncDir(filepath.Dir(file))); err != nil {
		return 0, fmt.Errorf("back up: %w", err)
	}
	return events, nil
}

func scanNothing(*sql.Rows) (struct{}, error) { return struct{}{}, nil }

// compare opens the copy at path, has SQLite check it, and looks whether it has all that the store
// has up to its last event. It may have more: something may have been deleted since. It returns how
// many events it has.
func (s *Store) compare(ctx context.Context, path string) (events int64, err error) {
	db, err := sql.Open("sqlite", sqlite.Source(path, "ro", "immutable=1"))
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil || verdict != "ok" {
		return 0, fmt.Errorf("check the copy: %s: %w", verdict, errOr(err, errDamaged))
	}
	for _, table := range []string{"events", "quarantine"} {
		var rows, last int64
		if err := db.QueryRowContext(ctx, `SELECT count(*), coalesce(max(row), 0) FROM `+table).Scan(&rows, &last); err != nil {
			return 0, fmt.Errorf("check the copy: %w", err)
		}
		here, err := query(ctx, s, scanInt, `SELECT count(*) FROM `+table+` WHERE row <= ?`, last)
		if err != nil {
			return 0, err
		}
		if rows < here[0] {
			return 0, fmt.Errorf("check the copy: it has %d rows of %s where the store has %d", rows, table, here[0])
		}
		if table == "events" {
			events = rows
		}
	}
	return events, nil
}

func scanInt(rows *sql.Rows) (n int64, err error) {
	err = rows.Scan(&n)
	return n, err
}
