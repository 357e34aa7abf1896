package collector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoStore says that a data folder has no event store yet.
var ErrNoStore = errors.New("no event store")

// reopenEvery is how often a store that could not be opened is tried again.
const reopenEvery = time.Second

// Store keeps events and quarantined input in SQLite. Its methods are safe for concurrent use. Any
// number of processes may have a store open, to read or to write.
//
// A store that is written looks after itself: while its folder cannot be written it refuses input,
// and takes it again when the folder can; a database that turns out to be damaged is set aside and
// what is intact of it copied into a new one. [Store.Ready] says how it is.
type Store struct {
	path   string
	log    *slog.Logger
	dial   func(path string) (conn, error) // makes the writer's connection
	landed *signal                         // given after each commit of this process
	losses tally
	age    atomic.Int64         // nanoseconds for which events are kept; 0: for ever
	hold   atomic.Pointer[hold] // of what retention must leave; nil: of nothing
	closed <-chan struct{}
	stop   func() // closes closed
	ended  sync.WaitGroup

	mu  sync.RWMutex
	db  *database // nil while there is none
	why error     // why there is none
}

func newStore(path string, log *slog.Logger) *Store {
	ctx, stop := context.WithCancel(context.Background())
	return &Store{path: path, log: log, dial: dial, landed: newSignal(), closed: ctx.Done(), stop: stop, why: errClosed}
}

// Open opens the store in the folder dir, both made if they do not exist yet, and brings an older
// schema up to date. It fails rather than open a database whose commits would not survive a power
// cut ([ErrNotDurable]) or that this program does not understand ([ErrSchema]). For what may pass,
// a full disk, a folder that cannot be written, a damaged file, it returns a store that is not
// ready, tells log, and goes on trying. The caller closes it.
func Open(dir string, log *slog.Logger) (*Store, error) {
	path, err := filepath.Abs(filepath.Join(dir, storeFile))
	if err != nil {
		return nil, fmt.Errorf("open event store: %w", err)
	}
	s := newStore(path, log)
	if err := s.start(); err != nil {
		s.stop()
		return nil, fmt.Errorf("open event store %s: %w", path, err)
	}
	return s, nil
}

// start opens the database and looks after it from then on. An error is for good.
func (s *Store) start() error {
	db, err := s.openDatabase()
	if errors.Is(err, ErrSchema) || errors.Is(err, ErrNotDurable) {
		return err
	}
	s.use(db, err)
	s.ended.Go(func() { s.keepOpen(db, err) })
	return nil
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
	db := &database{path: path}
	err = db.openReader()
	if err == nil {
		err = checkSchema(context.Background(), db.read)
	}
	if err != nil {
		db.close()
		return nil, fmt.Errorf("open event store %s: %w", path, err)
	}
	s := newStore(path, slog.New(slog.DiscardHandler))
	s.use(db, nil)
	s.ended.Go(func() {
		<-s.closed
		db.close()
	})
	return s, nil
}

// Close waits until everything that was accepted is committed and closes the database. Requests
// that come later are refused, readers that follow the store end. Closing twice does no harm.
func (s *Store) Close() error {
	s.stop()
	s.ended.Wait()
	return nil
}

// Keep has events deleted when they were received longer than age ago; 0 keeps them for ever, as a
// store does that was not told. It may be called at any time.
func (s *Store) Keep(age time.Duration) { s.age.Store(int64(age)) }

// use makes db the one that is read and written, or says why there is none.
func (s *Store) use(db *database, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db, s.why = db, why
}

// current returns the open database.
func (s *Store) current() (*database, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return nil, fmt.Errorf("event store: %w", s.why)
	}
	return s.db, nil
}

// reader returns the connections to read from.
func (s *Store) reader() (*sql.DB, error) {
	db, err := s.current()
	if err != nil {
		return nil, err
	}
	return db.read, nil
}

// keepOpen sees to it that there is a database, until the store is closed: it mends what is
// damaged and opens again what does not work any more. It begins with what the first attempt to
// open has brought, and closes what is open in the end.
func (s *Store) keepOpen(db *database, err error) {
	told := ""
	var aside time.Time // when a file was set aside last
	for {
		if err == nil {
			err = s.watch(db)
			s.use(nil, errOr(err, errClosed))
			db.close()
		}
		if err == nil {
			return
		}
		if text := err.Error(); text != told {
			told = text
			s.log.Error("event store: takes nothing", "file", s.path, "err", err)
		}
		pause := reopenEvery
		if damaged(err) && time.Since(aside) > asidePause && s.setAside() {
			aside, pause = time.Now(), 0
		}
		select {
		case <-s.closed:
			return
		case <-time.After(pause):
		}
		if db, err = s.openDatabase(); err == nil {
			told = ""
			s.log.Info("event store: open", "file", s.path)
		}
		s.use(db, err)
	}
}

// watch returns nil when the store is closed, or what makes it useless to go on with db.
func (s *Store) watch(db *database) error {
	for {
		select {
		case <-s.closed:
			return nil
		case err := <-db.writer.broken:
			return err
		case <-db.suspect:
			if err := db.check(s.closed); err != nil {
				return err
			}
		}
	}
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
