package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"ctlive/collector/forward/postgres/pgtest"
)

// How a wire treats the answers of its server.
const (
	passes int32 = iota
	loses        // the first answer from now on, and all that follow on its connection
	breaks       // the connection that has the first answer from now on, in place of it
)

// A wire is between a store and its server.
type wire struct {
	fate atomic.Int32
	hits atomic.Int32 // answers that did not pass
}

// through returns dsn, of a server at a socket in a folder, by way of a wire.
func through(t *testing.T, dsn string) (string, *wire) {
	folder, err := os.MkdirTemp("", "wire") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	const socket = ".s.PGSQL.5432"
	server := filepath.Join(u.Query().Get("host"), socket)
	u.RawQuery = url.Values{"host": {folder}}.Encode()
	l, err := net.Listen("unix", filepath.Join(folder, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := new(wire)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.pass(c, server)
		}
	}()
	return u.String(), w
}

func (w *wire) pass(c net.Conn, server string) {
	defer c.Close()
	s, err := net.Dial("unix", server)
	if err != nil {
		return
	}
	defer s.Close()
	go func() {
		io.Copy(s, c)
		s.Close()
	}()
	buf := make([]byte, 64<<10)
	for lost := false; ; {
		n, err := s.Read(buf)
		if err != nil {
			return
		}
		switch {
		case lost:
			continue
		case w.fate.CompareAndSwap(loses, passes):
			w.hits.Add(1)
			lost = true
			continue
		case w.fate.CompareAndSwap(breaks, passes):
			w.hits.Add(1)
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// primed returns a store behind a wire, with a connection on which the statements
// of a lock are prepared, and another store.
func primed(t *testing.T) (*Store, *wire, *Store) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	far, w := through(t, dsn)
	const lease = time.Hour
	a, b := open(t, Options{DSN: far, lease: lease}), open(t, Options{DSN: dsn, lease: lease})
	if err := errors.Join(a.Lock(t.Context(), "l"), a.Unlock(t.Context(), "l")); err != nil {
		t.Fatal(err)
	}
	return a, w, b
}

// A lock whose taker was not told that it has it is its own at the next try.
func TestLockFindsItsOwn(t *testing.T) {
	t.Parallel()
	a, w, b := primed(t)
	w.fate.Store(loses)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := a.Lock(ctx, "l"); err != nil || w.hits.Load() != 1 {
		t.Fatalf("%v, %d answers lost", err, w.hits.Load())
	}
	if ok, err := b.TryLock(t.Context(), "l"); ok || err != nil {
		t.Errorf("another has it, too: %v", err)
	}
	if err := a.Unlock(t.Context(), "l"); err != nil {
		t.Error(err)
	}
}

// Who gives up leaves no lock behind that the database has given.
func TestLockGivenUpIsFree(t *testing.T) {
	t.Parallel()
	for name, closes := range map[string]bool{"by the way": false, "in closing": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, w, b := primed(t)
			w.fate.Store(loses)
			if ok, err := a.TryLock(t.Context(), "l"); ok || err == nil || w.hits.Load() != 1 {
				t.Fatalf("%v, %v, %d answers lost", ok, err, w.hits.Load())
			}
			if closes {
				a.Close()
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := b.Lock(ctx, "l"); err != nil {
				t.Error(err)
			}
		})
	}
}

// A lock that comes when the store is closed already goes again.
func TestLockOfClosedStoreIsFree(t *testing.T) {
	t.Parallel()
	a, _, other := primed(t)
	b, err := a.bid("l")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error)
	go func() { closed <- a.Close() }()
	await(t, "closing", func() bool { return a.ctx.Err() != nil })
	// as if its statement had been on the way
	if _, err := other.pool.Exec(t.Context(),
		`INSERT INTO ctlive_certificate_locks VALUES ('l', $1, clock_timestamp() + interval '1 hour')`, b.owner); err != nil {
		t.Fatal(err)
	}
	if ok, err := b.acquire(t.Context()); ok || !errors.Is(err, errClosed) {
		t.Errorf("%v, %v", ok, err)
	}
	b.end()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if ok, err := other.TryLock(t.Context(), "l"); !ok || err != nil {
		t.Errorf("it is not free: %v", err)
	}
}

// An Unlock that has to be said twice is no loss.
func TestUnlockTwice(t *testing.T) {
	t.Parallel()
	a, w, b := primed(t)
	if err := a.Lock(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	w.fate.Store(breaks)
	if err := a.Unlock(t.Context(), "l"); err != nil || w.hits.Load() != 1 {
		t.Errorf("%v, %d answers lost", err, w.hits.Load())
	}
	if ok, err := b.TryLock(t.Context(), "l"); !ok || err != nil {
		t.Errorf("it is not free: %v", err)
	}
}
