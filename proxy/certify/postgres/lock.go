package postgres

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"
)

// ErrLost says that a lock has gone to another holder, because its lease could not
// be renewed in time.
var ErrLost = errors.New("the lock was lost to another holder")

// pollTime is the mean time between two tries for a lock that another one holds.
const pollTime = 500 * time.Millisecond

// lease is a lock held, until somebody else may take it.
type lease struct {
	name, owner string // owner is random, of this one lease
	cancel      context.CancelFunc
	ended       chan struct{} // nobody renews it any more
	lost        bool          // read after ended
}

// Lock takes the lock name, as soon as its holder releases it or has not renewed
// it for a lease. It waits for either, and for a database that does not answer,
// until ctx ends. A lock is kept until [Store.Unlock] or the end of the process.
func (s *Store) Lock(ctx context.Context, name string) error {
	b, err := s.bid(name)
	if err != nil {
		return err
	}
	defer b.end()
	for {
		ok, err := b.acquire(ctx)
		if ok {
			return nil
		}
		if err != nil && !unreachable(err) {
			return err
		}
		select {
		case <-time.After(pollTime/2 + mathrand.N(pollTime)):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait for lock %s: %w", name, context.Cause(ctx)), err)
		case <-s.ctx.Done():
			return fmt.Errorf("wait for lock %s: %w", name, errClosed)
		}
	}
}

// TryLock takes the lock name unless somebody holds it.
func (s *Store) TryLock(ctx context.Context, name string) (bool, error) {
	b, err := s.bid(name)
	if err != nil {
		return false, err
	}
	defer b.end()
	return b.acquire(ctx)
}

// hold renews the lock in the background.
func (s *Store) hold(name, owner string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	ctx, cancel := context.WithCancel(s.ctx)
	l := &lease{name: name, owner: owner, cancel: cancel, ended: make(chan struct{})}
	s.held[name] = append(s.held[name], l)
	s.running.Go(func() { s.keep(ctx, l) })
	return true
}

// keep renews l until it is lost or ctx ends.
func (s *Store) keep(ctx context.Context, l *lease) {
	defer close(l.ended)
	tick := time.NewTicker(s.lease / 4)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := s.renew(ctx, l); errors.Is(err, ErrLost) {
			l.lost = true
			s.log.Warn("lock lost: two edges may order a certificate of one name", "storage", s.where, "lock", l.name)
			return
		}
	}
}

// renew begins the lease anew, if the lock is still that of l.
func (s *Store) renew(ctx context.Context, l *lease) error {
	return s.do(ctx, "renew lock", l.name, func(ctx context.Context) error {
		tag, err := s.pool.Exec(ctx, `
			UPDATE ctlive_certificate_locks SET expires = clock_timestamp() + make_interval(secs => $3)
			WHERE name = $1 AND owner = $2`, l.name, l.owner, s.lease.Seconds())
		if err == nil && tag.RowsAffected() == 0 {
			return ErrLost
		}
		return err
	})
}

// RenewLockLease renews the lock name, which is renewed in the background anyway:
// for one lease, however long the caller wants, so that the lock of a holder that
// dies is free soon. [ErrLost] says that it is not held.
func (s *Store) RenewLockLease(ctx context.Context, name string, _ time.Duration) error {
	s.mu.Lock()
	held := s.held[name]
	s.mu.Unlock()
	if len(held) == 0 {
		return fmt.Errorf("renew lock %s: %w", name, ErrLost)
	}
	return s.renew(ctx, held[len(held)-1]) // those before it are lost
}

// Unlock releases the lock name; the oldest lease of it, if one was lost and the
// lock taken again. With an error the lock is not held any more either: it is free
// at the end of its lease, or was lost before. A lock that is not held stays as it
// is.
func (s *Store) Unlock(ctx context.Context, name string) error {
	l := s.take(name)
	if l == nil {
		return nil
	}
	l.cancel()
	<-l.ended
	if l.lost {
		return fmt.Errorf("unlock %s: %w", name, ErrLost)
	}
	return s.release(ctx, name, l.owner)
}

// take removes the oldest lease of the lock name from those held.
func (s *Store) take(name string) *lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held[name]
	if len(held) == 0 {
		return nil
	}
	if s.held[name] = held[1:]; len(held) == 1 {
		delete(s.held, name)
	}
	return held[0]
}

// release frees the lock name if owner has it.
func (s *Store) release(ctx context.Context, name, owner string) error {
	again := false // the time before may have done it
	return s.do(ctx, "unlock", name, func(ctx context.Context) error {
		found, err := s.remove(ctx, name, owner)
		if err == nil && !found && !again {
			return ErrLost
		}
		again = true
		return err
	})
}

func (s *Store) remove(ctx context.Context, name, owner string) (found bool, err error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM ctlive_certificate_locks WHERE name = $1 AND owner = $2`, name, owner)
	return tag.RowsAffected() > 0, err
}

// releaseAll frees every lock held.
func (s *Store) releaseAll() error {
	s.mu.Lock()
	var names []string
	for name, held := range s.held {
		for range held {
			names = append(names, name)
		}
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var errs []error
	for _, name := range names {
		errs = append(errs, s.Unlock(ctx, name))
	}
	return errors.Join(errs...)
}
