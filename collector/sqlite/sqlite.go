// Package sqlite opens the SQLite files of a data folder, all of them alike: whoever does waits some
// seconds for another process's lock, keeps temporary tables in memory, where they leave no traces,
// and takes no misspelt column for a text.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Source names the database at an absolute path for the driver, which is called "sqlite". The mode is
// "ro", "rw" or "rwc", which makes a file that is missing; params are the driver's, as in
// "_pragma=synchronous(FULL)".
func Source(path, mode string, params ...string) string {
	params = append(params, "mode="+mode, "_dqs=0", "_pragma=busy_timeout(5000)", "_pragma=temp_store(MEMORY)", "_pragma=cell_size_check(1)")
	u := url.URL{Scheme: "file", Path: path, RawQuery: strings.Join(params, "&")}
	return u.String()
}

// Open returns a pool of so many connections to the database at path, which are kept until the pool is
// closed. It does not connect yet.
func Open(path, mode string, connections int, params ...string) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", Source(path, mode, params...))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// Create makes an empty file, for the owner's eyes only, and reports whether it did: one that exists is
// not even opened, because closing it would drop the POSIX locks that this process may hold on it
// through SQLite.
func Create(path string) (made bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// Remove deletes the database at path, if there is one. Nobody has it open. The database goes first:
// SQLite knows that a log without one is of no use.
func Remove(path string) error {
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Code returns SQLite's result code that is the cause of err, without its extension; 0 if none is.
func Code(err error) int {
	if cause, ok := errors.AsType[*driver.Error](err); ok {
		return cause.Code() & 0xff
	}
	return 0
}

// Damaged reports whether err means that the file, not the disk or a lock, is at fault.
func Damaged(err error) bool {
	code := Code(err)
	return code == lib.SQLITE_CORRUPT || code == lib.SQLITE_NOTADB
}

// Querier is a database, a connection or a transaction.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Rows returns all rows of a SELECT.
func Rows[T any](ctx context.Context, q Querier, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, item)
	}
	return all, rows.Err()
}
