package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// figuresVersion is raised with each change of figuresSchema, of what its blobs hold, or of what is
// counted: a database of another version is dropped.
const figuresVersion = 2

const figuresSchema = `
CREATE TABLE progress (
	row    INTEGER NOT NULL, -- of the events: up to here all are counted
	oldest INTEGER NOT NULL, -- row of the oldest event there was when this database was begun
	erased INTEGER NOT NULL, -- erasures there had been then
	store  TEXT NOT NULL,    -- which event store it was
	pages  INTEGER NOT NULL, -- minute up to which the counts of pages are taken in
	began  INTEGER NOT NULL  -- Unix seconds
) STRICT;
INSERT INTO progress VALUES (0, 0, 0, '', 0, 0);
CREATE TABLE sites (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE urls (id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE outcomes (id INTEGER PRIMARY KEY, result TEXT NOT NULL, reason TEXT NOT NULL, UNIQUE (result, reason)) STRICT;
-- id is level, site and time (bucket.go), site 0 all of them; data is a tally (tally.go).
CREATE TABLE buckets (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE views (key BLOB PRIMARY KEY, state BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE chats (key BLOB PRIMARY KEY, state BLOB NOT NULL) STRICT, WITHOUT ROWID; -- key: a digest, no id
`

// layout is what is in a database.
type layout struct {
	version int
	schema  string
	load    func(*database) error // reads what its owner needs to know
	only    bool                  // what is in it is nowhere else
}

var figuresLayout = layout{version: figuresVersion, schema: figuresSchema, load: func(db *database) (err error) {
	db.at, err = readProgress(context.Background(), db.write)
	return err
}}

// errDamaged says that a blob of ours makes no sense.
var errDamaged = errors.New("the figures are damaged")

// errVersion says that a database was made by another version.
var errVersion = errors.New("another version")

// progress is how far the figures are.
type progress struct {
	row, oldest, erased int64
	store               string
	pages, began        int64
}

// database is a database of ours. What comes from a power cut is a state that was committed: NORMAL
// in WAL mode loses the last commits and nothing else.
type database struct {
	path        string
	write, read *sql.DB
	at          progress // of figures; its owner holds Report.work
	dictionary
}

// openOrDrop opens the database at path. If it is damaged or of another version it is deleted, or,
// where it is the only one of its kind, set aside, and begun anew.
func openOrDrop(path string, l layout, log *slog.Logger) (*database, error) {
	db, err := openDatabase(path, l)
	if !damaged(err) && !errors.Is(err, errVersion) {
		return db, err
	}
	drop, what := removeDatabase, "database begun anew"
	if l.only {
		drop, what = setAside, "database set aside and begun anew"
	}
	log.Warn(what, "file", path, "err", err)
	if err := drop(path); err != nil {
		return nil, err
	}
	return openDatabase(path, l)
}

// setAside renames the database at path, which nobody has open.
func setAside(path string) error {
	aside := path + ".aside-" + time.Now().UTC().Format("20060102T150405.000Z")
	for _, suffix := range []string{"-wal", ""} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return removeDatabase(path)
}

func openDatabase(path string, l layout) (*database, error) {
	if err := create(path); err != nil {
		return nil, err
	}
	db := &database{path: path, dictionary: newDictionary()}
	err := db.open(l)
	if err != nil {
		db.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return db, nil
}

func (db *database) open(l layout) (err error) {
	db.write, err = connect(db.path, 1, "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=synchronous(NORMAL)",
		"_pragma=cache_size(-16384)", "_pragma=journal_size_limit(16777216)")
	if err != nil {
		return err
	}
	if err := begin(db.write, l); err != nil {
		return err
	}
	if db.read, err = connect(db.path, 4, "_pragma=query_only(1)", "_pragma=cache_size(-8192)"); err != nil {
		return err
	}
	return l.load(db)
}

// begin makes the tables of an empty database.
func begin(db *sql.DB, l layout) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var have, tables int
	if err := tx.QueryRow(`SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version`).Scan(&have, &tables); err != nil {
		return err
	}
	switch {
	case have == l.version:
		return nil
	case have != 0 || tables != 0:
		return fmt.Errorf("%w: %d, not %d", errVersion, have, l.version)
	}
	if _, err := tx.Exec(l.schema + fmt.Sprintf("PRAGMA user_version = %d", l.version)); err != nil {
		return err
	}
	return tx.Commit()
}

// connect opens a pool of connections to the database at path, which closes what it keeps open only
// when it is closed itself.
func connect(path string, connections int, params ...string) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_dqs=0&_pragma=busy_timeout(5000)&_pragma=temp_store(MEMORY)"}
	for _, p := range params {
		u.RawQuery += "&" + p
	}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// create makes an empty file, for the owner's eyes only, if there is none.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func (db *database) close() error {
	var errs []error
	for _, pool := range []*sql.DB{db.read, db.write} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// removeDatabase deletes the database at path, which nobody has open.
func removeDatabase(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// damaged reports whether err means that the database it comes from is at fault: one of figures, or
// one that is being opened.
func damaged(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	cause, ok := errors.AsType[*sqlite.Error](err)
	if !ok || errors.Is(err, errSource) || errors.Is(err, errPages) {
		return false
	}
	switch cause.Code() & 0xff { // without the extension
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	}
	return false
}

// querier is what can be asked for rows.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// readProgress returns how far the figures that q sees are.
func readProgress(ctx context.Context, q querier) (p progress, err error) {
	err = q.QueryRowContext(ctx, `SELECT row, oldest, erased, store, pages, began FROM progress`).
		Scan(&p.row, &p.oldest, &p.erased, &p.store, &p.pages, &p.began)
	return p, err
}

// rowsOf returns all rows of a SELECT.
func rowsOf[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
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
