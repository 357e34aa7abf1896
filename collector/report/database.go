package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"ctlive/collector/sqlite"
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

// errMoved says that another process counts into the same figures.
var errMoved = errors.New("another process keeps these figures, too; give each ctlive a data folder of its own")

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
	drop, what := sqlite.Remove, "database begun anew"
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
	return sqlite.Remove(path)
}

func openDatabase(path string, l layout) (*database, error) {
	if _, err := sqlite.Create(path); err != nil {
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
	db.write, err = sqlite.Open(db.path, "rw", 1, "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=synchronous(NORMAL)",
		"_pragma=cache_size(-16384)", "_pragma=journal_size_limit(16777216)")
	if err != nil {
		return err
	}
	if err := begin(db.write, l); err != nil {
		return err
	}
	if db.read, err = sqlite.Open(db.path, "rw", 4, "_pragma=query_only(1)", "_pragma=cache_size(-8192)"); err != nil {
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

func (db *database) close() error {
	var errs []error
	for _, pool := range []*sql.DB{db.read, db.write} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// damaged reports whether err means that the database it comes from is at fault: one of figures, or
// one that is being opened.
func damaged(err error) bool {
	return errors.Is(err, errDamaged) || sqlite.Damaged(err) && !errors.Is(err, errSource) && !errors.Is(err, errPages)
}

// readProgress returns how far the figures that q sees are.
func readProgress(ctx context.Context, q sqlite.Querier) (p progress, err error) {
	err = q.QueryRowContext(ctx, `SELECT row, oldest, erased, store, pages, began FROM progress`).
		Scan(&p.row, &p.oldest, &p.erased, &p.store, &p.pages, &p.began)
	return p, err
}
