package collector

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
	"strings"

	_ "modernc.org/sqlite"
)

const (
	storeFile   = "ctlive.db"
	readers     = 4 // connections that read
	busyTimeout = "busy_timeout(5000)"
)

// ErrNoStore says that a data folder has no event store yet.
var ErrNoStore = errors.New("no event store")

// Store keeps events and quarantined input in SQLite. Its methods are safe for concurrent use. Any
// number of processes may have a store open, to read or to write.
type Store struct {
	read   *sql.DB
	write  *sql.DB // one connection; nil in a store that is only read
	writer *writer // nil likewise
	landed *signal // given after each commit of this process
	closed <-chan struct{}
	stop   func() // closes closed
}

func newStore() *Store {
	ctx, stop := context.WithCancel(context.Background())
	return &Store{landed: newSignal(), closed: ctx.Done(), stop: stop}
}

// Open opens the store in the folder dir, both made if they do not exist yet, and brings an older
// schema up to date. It fails rather than open a database whose commits would not survive a power
// cut. The caller closes it.
func Open(dir string, log *slog.Logger) (*Store, error) {
	path, err := create(dir)
	if err != nil {
		return nil, fmt.Errorf("create event store: %w", err)
	}
	s := newStore()
	if err := s.openWriter(path, log); err != nil {
		s.Close()
		return nil, fmt.Errorf("open event store %s: %w", path, err)
	}
	if err := s.openReader(path); err != nil {
		s.Close()
		return nil, fmt.Errorf("open event store %s: %w", path, err)
	}
	return s, nil
}

// OpenReadOnly opens the store in dir for reading, whether or not another process writes it. The
// error is [ErrNoStore] if there is none, [ErrSchema] if another version wrote it. The caller
// closes it.
func OpenReadOnly(dir string) (*Store, error) {
	path, err := filepath.Abs(filepath.Join(dir, storeFile))
	if err != nil {
		return nil, fmt.Errorf("open event store: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s: ctlive run makes it with its first start", ErrNoStore, dir)
	}
	s := newStore()
	err = s.openReader(path)
	if err == nil {
		err = checkSchema(context.Background(), s.read)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open event store %s: %w", path, err)
	}
	return s, nil
}

// Close waits until everything that was accepted is committed and closes the database. Requests
// that come later are refused, readers that follow the store end. Closing twice does no harm.
func (s *Store) Close() error {
	s.stop()
	var errs []error
	if s.writer != nil {
		s.writer.close()
	}
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close()) // the last one: it checkpoints
	}
	return errors.Join(errs...)
}

func (s *Store) openWriter(path string, log *slog.Logger) error {
	ctx := context.Background()
	db, err := sql.Open("sqlite", dataSource(path, "rwc",
		"_txlock=immediate",
		"_defensive=1",
		"_pragma=journal_mode(WAL)",
		"_pragma=synchronous(FULL)",
		"_pragma=fullfsync(1)", // macOS: its fsync alone does not reach the disk
		"_pragma=journal_size_limit(67108864)",
		"_pragma=cache_size(-16384)", // KiB
	))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	s.write = db
	if err := checkDurable(ctx, db); err != nil {
		return err
	}
	if err := migrate(ctx, db, migrations()); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	s.writer, err = startWriter(db, s.landed, log)
	return err
}

func (s *Store) openReader(path string) error {
	db, err := sql.Open("sqlite", dataSource(path, "ro"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	s.read = db
	return db.Ping()
}

// dataSource names the database at the absolute path for the driver.
func dataSource(path, mode string, params ...string) string {
	params = append(params, "mode="+mode, "_dqs=0", "_pragma="+busyTimeout, "_pragma=temp_store(MEMORY)")
	u := url.URL{Scheme: "file", Path: path, RawQuery: strings.Join(params, "&")}
	return u.String()
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
		return fmt.Errorf("journal_mode is %s and synchronous %d where wal and %d are needed; is the folder on a local disk?", journal, synchronous, full)
	case olderThan(version, 3, 51, 3):
		return fmt.Errorf("SQLite %s can corrupt a WAL database, 3.51.3 is needed", version)
	}
	return nil
}

// olderThan reports whether the SQLite version v is older than the one given.
func olderThan(v string, major, minor, patch int) bool {
	var a, b, c int
	fmt.Sscanf(v, "%d.%d.%d", &a, &b, &c)
	return a < major || a == major && (b < minor || b == minor && c < patch)
}

// create makes dir and an empty store file in it, both for the owner's eyes only, and returns the
// file's absolute path. An existing file is not even opened: closing it would drop the POSIX locks
// that this process may hold on it through SQLite.
func create(dir string) (path string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path = filepath.Join(dir, storeFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return path, nil
	}
	if err != nil {
		return "", err
	}
	return path, errors.Join(f.Close(), syncDir(filepath.Dir(dir)))
}

// syncDir makes the names in dir durable: without it a power cut could take the whole file.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
