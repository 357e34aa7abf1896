package collector

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"log/slog"
	"math"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ctlive/collector/sqlite"
)

// faults makes the writer's connection do what a test wants. The zero value changes nothing.
type faults struct {
	mu     sync.Mutex
	begin  func(conn)                    // called, in the writer's goroutine, before each BEGIN
	commit func(real func() error) error // takes the place of COMMIT
}

func (f *faults) onBegin(begin func(conn)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begin = begin
}

func (f *faults) onCommit(commit func(func() error) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commit = commit
}

func (f *faults) hooks() (func(conn), func(func() error) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begin, f.commit
}

type faultyConn struct {
	conn
	f *faults
}

func (c faultyConn) Prepare(text string) (driver.Stmt, error) {
	s, err := c.conn.Prepare(text)
	if err != nil {
		return nil, err
	}
	return faultyStatement{s.(statement), c, text}, nil
}

type faultyStatement struct {
	statement
	c    faultyConn
	text string
}

func (s faultyStatement) ExecContext(ctx context.Context, args []driver.NamedValue) (res driver.Result, err error) {
	real := func() error {
		res, err = s.statement.ExecContext(ctx, args)
		return err
	}
	begin, commit := s.c.f.hooks()
	switch {
	case s.text == statementTexts[0] && begin != nil:
		begin(s.c.conn)
	case s.text == "COMMIT" && commit != nil:
		return driver.RowsAffected(0), commit(real)
	}
	real()
	return res, err
}

// openFaulty is openStore with faults.
func openFaulty(t testing.TB, dir string) (*Store, *faults) {
	t.Helper()
	f := &faults{}
	s := newStore(filepath.Join(dir, storeFile), slog.New(slog.DiscardHandler))
	s.dial = func(path string) (conn, error) {
		c, err := dial(path)
		if err != nil {
			return nil, err
		}
		return faultyConn{c, f}, nil
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, f
}

func newFaulty(t testing.TB) (http.Handler, *Store, *faults) {
	t.Helper()
	s, f := openFaulty(t, t.TempDir())
	return New(s, Options{Rate: math.Inf(1)}).Handler(testSite), s, f
}

// lateness is by how much a busy machine may be late.
const lateness = 30 * time.Second

// waitReady waits until s says that it takes events.
func waitReady(t testing.TB, s *Store) {
	t.Helper()
	for end := time.Now().Add(time.Minute); s.Ready() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not ready: %v", s.Ready())
		}
	}
}

// readDB returns s's connections to read from.
func readDB(t testing.TB, s *Store) *sql.DB {
	t.Helper()
	db, err := s.reader()
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// writeDB returns a further connection that writes to s's file, as another process would.
func writeDB(t testing.TB, s *Store) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", sqlite.Source(s.path, "rw", "_txlock=immediate", "_pragma=secure_delete(1)"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}
