package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"ctlive/proxy/certify"
)

// A bid is for a lock, by one caller. All its tries have the same owner, so that
// one finds as its own what one before has taken without being told.
type bid struct {
	store       *Store
	name, owner string
	unsure      bool // the lock may be the owner's, and nobody holds it
}

// bid returns a bid for the lock name. Close waits for its end.
func (s *Store) bid(name string) (*bid, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("%w: lock %s: %w", certify.ErrStorage, name, errClosed)
	}
	s.running.Add(1)
	return &bid{store: s, name: name, owner: rand.Text()}, nil
}

// acquire takes the lock if it is free, and keeps it. Time is the database's:
// clocks of edges differ.
func (b *bid) acquire(ctx context.Context) (taken bool, err error) {
	s := b.store
	err = s.do(ctx, "lock", b.name, func(ctx context.Context) error {
		tag, err := s.pool.Exec(ctx, `
			INSERT INTO ctlive_certificate_locks AS l (name, owner, expires)
			VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
			ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires = clock_timestamp() + make_interval(secs => $3)
			WHERE l.expires < clock_timestamp() OR l.owner = excluded.owner`, b.name, b.owner, s.lease.Seconds())
		taken = err == nil && tag.RowsAffected() == 1
		return err
	})
	switch {
	case err != nil:
		b.unsure = true // the database may have heard us
		return false, err
	case taken && !s.hold(b.name, b.owner):
		b.unsure = true
		return false, errClosed
	case taken:
		b.unsure = false
	}
	return taken, nil
}

// end gives up what the bid may have without holding it, in the background.
func (b *bid) end() {
	if b.unsure {
		b.store.running.Go(b.forget)
	}
	b.store.running.Done()
}

// forget frees the lock, if it is the owner's, before its lease does. Of a store
// that is closed the connections are still open: Close waits for us.
func (b *bid) forget() {
	s := b.store
	for begin := time.Now(); s.ctx.Err() == nil; {
		err := s.release(s.ctx, b.name, b.owner)
		if err == nil || errors.Is(err, ErrLost) || time.Since(begin) > s.lease {
			return
		}
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	s.remove(ctx, b.name, b.owner) // else the lease frees it
}
