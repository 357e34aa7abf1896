package accept

import (
	"sync/atomic"
	"time"
)

const (
	// maxLate is how late a deadline may be that the sweeper enforces.
	maxLate = time.Second

	// quietly is how much later a request that lasts is found on a quiet machine,
	// in multiples of the time on a busy one.
	quietly = 10
)

// A sweeper looks at all HTTP/1 connections now and then. What it finds late costs
// the many requests that are over soon neither a goroutine nor a timer: each of these
// wakes a thread.
//
// It looks at the requests under way when another one is over, and with a timer. That
// is slow, because on a quiet machine to wake up costs more than a short request.
type sweeper struct {
	every    time.Duration // from a look at the requests to the next
	anyway   time.Duration // from one look of the timer to the next
	patience int           // looks that a request stays unwatched
	soon     time.Duration // within which a deadline is not for the sweeper

	looked   atomic.Int64 // at the requests: Unix nanoseconds
	requests roll         // connections with a handler at work
	open     roll         // connections that net/http serves
	timer    *time.Timer  // guarded by open.mu; runs while there are any of them
}

func (s *sweeper) configure(l Limits) {
	late := max(min(maxLate, l.Header/8, l.Idle/8), time.Millisecond)
	s.every = max(min(late, l.Unwatched), time.Millisecond)
	s.anyway = min(late, quietly*s.every)
	s.patience = int((l.Unwatched + s.every - 1) / s.every)
	s.soon = 2 * late
}

// enroll has c swept until it is dropped.
func (s *sweeper) enroll(c *conn) {
	s.open.mu.Lock()
	defer s.open.mu.Unlock()
	first := s.open.first == nil
	s.open.addLocked(&c.open)
	switch {
	case s.timer == nil:
		s.timer = time.AfterFunc(s.anyway, s.sweep)
	case first:
		s.timer.Reset(s.anyway)
	}
}

func (s *sweeper) drop(c *conn) {
	s.open.remove(&c.open)
	s.open.mu.Lock()
	defer s.open.mu.Unlock()
	if s.open.first == nil && s.timer != nil {
		s.timer.Stop()
	}
}

// pass is told that a request is over.
func (s *sweeper) pass(now time.Time) {
	last := s.looked.Load()
	if now.UnixNano()-last >= int64(s.every) && s.looked.CompareAndSwap(last, now.UnixNano()) {
		s.requests.each((*conn).glance)
	}
}

// sweep is the timer's.
func (s *sweeper) sweep() {
	now := time.Now()
	s.pass(now)
	s.open.each(func(c *conn) { c.enforce(now) })
	s.open.mu.Lock()
	defer s.open.mu.Unlock()
	if s.open.first != nil {
		s.timer.Reset(s.anyway)
	}
}
