package collector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"ctlive/collector/sqlite"
)

const (
	storeFile = "ctlive.db"
	readers   = 4               // connections that read
	checkTime = 5 * time.Second // at most, for a look over the whole file
)

// ErrNotDurable says that what is committed in the data folder would not survive a power cut.
var ErrNotDurable = errors.New("not durable")

// errDamaged is what a check says of a database that SQLite calls malformed.
var errDamaged = errors.New("the database is damaged")

// database is an open database file.
type database struct {
	path    string
	lock    *os.File // held while we write; nil in one that is only read
	read    *sql.DB
	writer  *writer       // nil in one that is only read
	suspect chan struct{} // filled when a reader came upon damage; nil in one that is only read
}

// openDatabase opens the database of s to write and to read, after finishing what a mending that
// was interrupted has left to do.
func (s *Store) openDatabase() (*database, error) {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return nil, err
	}
	lock, err := lockShared(s.path)
	if err != nil {
		return nil, err
	}
	db := &database{path: s.path, lock: lock, suspect: make(chan struct{}, 1)}
	if err := s.mend(lock); err != nil {
		db.close()
		return nil, err
	}
	if err := db.open(s); err != nil {
		db.close()
		return nil, err
	}
	db.suspect <- struct{}{} // have it looked over once
	return db, nil
}

func (db *database) open(s *Store) error {
	if err := create(db.path); err != nil {
		return err
	}
	w, err := openWriter(s, db.path)
	if err != nil {
		return err
	}
	db.writer = w
	return db.openReader()
}

// close ends the writer, after it has written what it accepted, and closes all connections.
func (db *database) close() {
	if db.writer != nil {
		db.writer.close()
	}
	if db.read != nil {
		db.read.Close()
	}
	if db.writer != nil {
		db.writer.tx.close() // the last one: it writes the log back, which a reader cannot
	}
	if db.lock != nil {
		db.lock.Close()
	}
}

func (db *database) openReader() error {
	read, err := sqlite.Open(db.path, "ro", readers)
	if err != nil {
		return err
	}
	db.read = read
	return read.Ping()
}

// check looks the file over, for at most checkTime or until closed. It returns an error only if
// there is damage.
func (db *database) check(closed <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	defer cancel()
	go func() {
		select {
		case <-closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	var verdict string
	err := db.read.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict)
	switch {
	case err == nil && verdict != "ok":
		return fmt.Errorf("%w: %s", errDamaged, verdict)
	case damaged(err):
		return err
	}
	return nil
}

// suspected notes that a reader failed with err.
func (db *database) suspected(err error) {
	if db.suspect == nil || !damaged(err) {
		return
	}
	select {
	case db.suspect <- struct{}{}:
	default:
	}
}

// damaged reports whether err means that the file, not the disk or a lock, is at fault.
func damaged(err error) bool { return errors.Is(err, errDamaged) || sqlite.Damaged(err) }

// worn reports whether err is one that the open connection may not get over, although a new one
// could: the file has gone, or its file system was mounted anew.
func worn(err error) bool {
	switch sqlite.Code(err) {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return true
	}
	return false
}

// writerSource names the database at path for the connection that writes it.
func writerSource(path string) string {
	return sqlite.Source(path, "rwc",
		"_defensive=1",
		"_pragma=journal_mode(WAL)",
		"_pragma=synchronous(FULL)",
		"_pragma=fullfsync(1)", // macOS: its fsync alone does not reach the disk
		"_pragma=secure_delete(1)",
		"_pragma=journal_size_limit(67108864)",
		"_pragma=wal_autocheckpoint(4000)", // pages
		"_pragma=cache_size(-32768)",       // KiB
	)
}

// dial connects to the database at path, to write it.
func dial(path string) (conn, error) {
	db, err := sql.Open("sqlite", "") // connects nowhere: we want the driver that is registered
	if err != nil {
		return nil, err
	}
	defer db.Close()
	c, err := db.Driver().Open(writerSource(path))
	if err != nil {
		return nil, err
	}
	return c.(conn), nil
}

// prepareDatabase checks that what is committed to path will last, and brings its schema up to
// date.
func prepareDatabase(path string, log *slog.Logger) error {
	db, err := sql.Open("sqlite", writerSource(path)+"&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	ctx := context.Background()
	if err := checkDurable(ctx, db); err != nil {
		return err
	}
	if err := migrate(ctx, db, migrations()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// checkDurable reads back what the promise of a 200 rests on. SQLite ignores a pragma that it
// cannot follow: on a network file system, say, there is no WAL.
func checkDurable(ctx context.Context, db *sql.DB) error {
	var version, journal string
	var synchronous int
	err := errors.Join(
		db.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&version),
		db.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&journal),
		db.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&synchronous),
	)
	const full = 2
	switch {
	case err != nil:
		return err
	case journal != "wal" || synchronous != full:
		return fmt.Errorf("%w: journal_mode is %s and synchronous %d where wal and %d are needed; is the folder on a local disk?",
			ErrNotDurable, journal, synchronous, full)
	case olderThan(version, 3, 51, 3):
		return fmt.Errorf("%w: SQLite %s can corrupt a WAL database, 3.51.3 is needed", ErrNotDurable, version)
	}
	return nil
}

// olderThan reports whether the SQLite version v is older than the one given.
func olderThan(v string, major, minor, patch int) bool {
	var a, b, c int
	fmt.Sscanf(v, "%d.%d.%d", &a, &b, &c)
	return a < major || a == major && (b < minor || b == minor && c < patch)
}

// create makes an empty store file, unless there is one.
func create(path string) error {
	made, err := sqlite.Create(path)
	if err != nil || !made {
		return err
	}
	dir := filepath.Dir(path)
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

// syncDir makes the names in dir durable: without it a power cut could take the whole file.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
