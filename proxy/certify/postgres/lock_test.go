package postgres

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ctlive/collector/forward/postgres/pgtest"
)

// TestLockExcludes: of twenty who want a lock, on four edges, one has it at a time,
// and each has it in the end.
func TestLockExcludes(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	var inside, turns atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		s := open(t, Options{DSN: dsn})
		for range 5 {
			all.Go(func() {
				if err := s.Lock(t.Context(), "l"); err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d have the lock", n)
				}
				time.Sleep(10 * time.Millisecond)
				inside.Add(-1)
				turns.Add(1)
				if err := s.Unlock(t.Context(), "l"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if turns.Load() != 20 {
		t.Errorf("%d of 20 had the lock", turns.Load())
	}
}

func TestTryLock(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	a, b := open(t, Options{DSN: dsn}), open(t, Options{DSN: dsn})
	try := func(s *Store, name string, want bool) {
		t.Helper()
		if got, err := s.TryLock(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, want)
		}
	}
	try(a, "l", true)
	try(b, "l", false)
	try(a, "l", false)
	try(b, "other", true)
	if err := a.Unlock(t.Context(), "l"); err != nil {
		t.Error(err)
	}
	if err := a.Unlock(t.Context(), "l"); err != nil {
		t.Errorf("what is not held: %v", err)
	}
	try(b, "l", true)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	try(a, "l", true) // Close has given it up
	if _, err := b.TryLock(t.Context(), "l"); !errors.Is(err, errClosed) {
		t.Errorf("closed: got %v", err)
	}
}

// TestLockWaitEnds: a wait ends with its context, also without a server, and leaves
// nothing behind.
func TestLockWaitEnds(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	a, b := open(t, Options{DSN: dsn}), open(t, Options{DSN: dsn})
	if err := a.Lock(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	wait := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if err := b.Lock(ctx, "l"); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > queryTime {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	}
	wait()
	server.Kill()
	wait()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "release", func() bool { return a.Unlock(t.Context(), "l") == nil })
	ctx, cancel := context.WithTimeout(t.Context(), 2*leaseTime)
	defer cancel()
	if err := b.Lock(ctx, "l"); err != nil {
		t.Error(err)
	}
}

// TestLockOutlivesOutage: who waits for a lock waits for its server, too, and who
// holds one keeps it if the server is back in time.
func TestLockOutlivesOutage(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	a, b := open(t, Options{DSN: dsn}), open(t, Options{DSN: dsn})
	if err := a.Lock(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() { got <- b.Lock(context.Background(), "l") }()
	server.Kill()
	time.Sleep(time.Second)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-got:
		t.Fatalf("two have the lock: %v", err)
	case <-time.After(time.Second):
	}
	await(t, "renewal", func() bool { return a.RenewLockLease(t.Context(), "l", time.Hour) == nil })
	if err := a.Unlock(t.Context(), "l"); err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestLeaseIsRenewed: a lock lasts for as long as its holder lives, and one lease
// more, whatever lease the holder has asked for.
func TestLeaseIsRenewed(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	const lease = 4 * time.Second
	a, b := open(t, Options{DSN: dsn, lease: lease}), open(t, Options{DSN: dsn, lease: lease})
	if err := a.Lock(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	if err := a.RenewLockLease(t.Context(), "l", time.Hour); err != nil {
		t.Error(err)
	}
	if err := b.RenewLockLease(t.Context(), "l", time.Hour); !errors.Is(err, ErrLost) {
		t.Errorf("another renews it: %v", err)
	}
	for end := time.Now().Add(lease + lease/2); time.Now().Before(end); time.Sleep(lease / 10) {
		if ok, err := b.TryLock(t.Context(), "l"); ok || err != nil {
			t.Fatalf("taken: %v", err)
		}
	}
	die(a)
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.Lock(ctx, "l"); err != nil {
		t.Fatal(err)
	}
	t.Logf("taken over %v after the death of its holder, with a lease of %v", time.Since(begin).Round(time.Millisecond), lease)
}

// die lets s end as a process that is killed does.
func die(s *Store) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.running.Wait()
}

// TestLostLease: a holder that was cut off notices that the lock has gone to another
// one, which keeps it.
func TestLostLease(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	var log buffer
	a := open(t, Options{DSN: dsn, lease: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	b := open(t, Options{DSN: dsn})
	for _, name := range []string{"l", "m"} {
		if err := a.Lock(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	server.Exec(t, dsn, `UPDATE ctlive_certificate_locks SET owner = 'somebody', expires = clock_timestamp()`)
	for _, name := range []string{"l", "m"} {
		if err := b.Lock(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.RenewLockLease(t.Context(), "m", time.Minute); !errors.Is(err, ErrLost) {
		t.Errorf("renew: got %v", err)
	}
	await(t, "warning", func() bool { return strings.Count(log.String(), "lock lost") == 2 })
	for range 2 { // one of ours, then none
		a.Unlock(t.Context(), "m")
	}
	if ok, err := a.TryLock(t.Context(), "m"); ok || err != nil {
		t.Errorf("the other's lock is gone: %v", err)
	}
	if err := a.Unlock(t.Context(), "l"); !errors.Is(err, ErrLost) {
		t.Errorf("unlock: got %v", err)
	}
	if err := b.Unlock(t.Context(), "l"); err != nil {
		t.Error(err)
	}
}

// TestLostLeaseAtHome: a lock lost to another user of the same store is released by
// the one who has it.
func TestLostLeaseAtHome(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	s := open(t, Options{DSN: dsn})
	if err := s.Lock(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	server.Exec(t, dsn, `UPDATE ctlive_certificate_locks SET expires = clock_timestamp()`)
	if err := s.Lock(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	if err := s.RenewLockLease(t.Context(), "l", time.Minute); err != nil {
		t.Errorf("the second holder renews it: %v", err)
	}
	if err := s.Unlock(t.Context(), "l"); !errors.Is(err, ErrLost) {
		t.Errorf("the first holder: got %v", err)
	}
	if ok, err := s.TryLock(t.Context(), "l"); ok || err != nil {
		t.Errorf("the second holder has lost it as well: %v", err)
	}
	if err := s.Unlock(t.Context(), "l"); err != nil {
		t.Errorf("the second holder: %v", err)
	}
	if ok, err := s.TryLock(t.Context(), "l"); !ok || err != nil {
		t.Errorf("it is not free: %v", err)
	}
}

// await waits until it happens, for up to 30 s.
func await(t *testing.T, what string, happens func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if happens() {
			return
		}
	}
	t.Fatalf("no %s within 30 s", what)
}

// buffer is written and read at the same time.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
