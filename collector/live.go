package collector

import (
	"context"
	"iter"
	"sync"
	"time"
)

const (
	followPoll  = 250 * time.Millisecond // how soon another process's commits are seen
	followPause = 50 * time.Millisecond  // between two looks at a store that is never still
)

// signal wakes everyone who waits for the next commit. It carries nothing: who is woken reads the
// rows from the store at its own pace, so a slow follower costs intake nothing, holds no buffer
// and misses no event.
type signal struct {
	mu   sync.Mutex
	next chan struct{} // closed by give
}

func newSignal() *signal { return &signal{next: make(chan struct{})} }

func (s *signal) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.next)
	s.next = make(chan struct{})
}

func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// Done returns a channel that is closed when the store is.
func (s *Store) Done() <-chan struct{} { return s.closed }

// cursor reads the events that f selects in the order they are stored.
type cursor struct {
	store  Source
	f      Filter          // with the limit of a page
	row    int64           // the last one seen
	latest int64           // of those that wait only so many rows are looked at, the last ones; 0: all
	waits  bool            // for landed, before the next look
	landed <-chan struct{} // closed by the first commit that the last look may have missed
}

func newCursor(store Source, f Filter, row int64) cursor {
	f.Limit = eventPage
	return cursor{store: store, f: f, row: row}
}

// next returns the events behind the cursor and moves it past them. If there are none it waits for
// some, but returns none after about patience. It reports false when ctx is done or the store
// closed.
func (c *cursor) next(ctx context.Context, patience time.Duration) (page []Record, ok bool, err error) {
	for end := time.Now().Add(patience); ; {
		if c.waits && !c.await(ctx) {
			return nil, false, nil
		}
		landed := c.store.Landed()
		if err = c.skip(ctx); err == nil {
			page, c.row, err = c.store.Next(ctx, c.f, c.row)
		}
		if err != nil && c.ended(ctx) {
			return nil, false, nil
		}
		c.landed, c.waits = landed, len(page) < eventPage
		if err != nil || len(page) > 0 || time.Now().After(end) {
			return page, err == nil, err
		}
	}
}

// skip moves the cursor to the latest rows, after a wait: what one look does not read to its end the
// next one goes on with.
func (c *cursor) skip(ctx context.Context) error {
	if c.latest == 0 || !c.waits {
		return nil
	}
	end, err := c.store.LastRow(ctx)
	c.row = max(c.row, end-c.latest)
	return err
}

// await waits for a commit, and a little longer for the next ones. It reports false when there is
// no point in going on.
func (c *cursor) await(ctx context.Context) bool {
	select {
	case <-ctx.Done():
	case <-c.store.Done():
	case <-time.After(followPoll):
	case <-c.landed:
		pause := followPause
		if c.latest > 0 {
			pause = followPoll // somebody looks at them
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return !c.ended(ctx)
}

// ended reports whether nobody reads any more, or nobody can: an error of a query then says no more
// than that.
func (c *cursor) ended(ctx context.Context) bool {
	select {
	case <-ctx.Done():
	case <-c.store.Done():
	default:
		return false
	}
	return true
}

// Follow yields the events that f selects, as [Store.Events] does, and then those that are stored
// from now on, in that order, by whatever process. It ends when ctx is done or the store is closed
// or after an error; f.Limit does not apply. None is missed or seen twice.
func (s *Store) Follow(ctx context.Context, f Filter) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		f.Limit = 0
		last, err := s.LastRow(ctx)
		c := newCursor(s, f, last)
		if err != nil {
			if !c.ended(ctx) {
				yield(Record{}, err)
			}
			return
		}
		for r, err := range s.events(ctx, f, last) {
			if err != nil && c.ended(ctx) || !yield(r, err) || err != nil {
				return
			}
		}
		for {
			page, ok, err := c.next(ctx, time.Hour)
			if err != nil {
				yield(Record{}, err)
			}
			if !ok {
				return
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}
