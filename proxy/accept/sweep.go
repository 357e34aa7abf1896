package accept

import (
	"sync/atomic"
	"time"
)

// maxSweep is how late a deadline may be, and a shutdown for the next sweep.
const maxSweep = 250 * time.Millisecond

// A sweeper looks at all HTTP/1 connections now and then. What it finds late
// costs the many requests that are over soon neither a goroutine nor a timer:
// each of these wakes a thread.
//
// Its goroutine runs while there are connections.
type sweeper struct {
	every    time.Duration
	patience int           // sweeps that a request stays unwatched
	rounds   int           // sweeps from one look at the deadlines to the next
	soon     time.Duration // within which a deadline is not for the sweeper
	running  *atomic.Int64 // the Server's

	open     roll // connections that net/http serves
	awake    bool // guarded by open.mu
	requests roll // connections with a handler at work
}

func (s *sweeper) configure(l Limits, running *atomic.Int64) {
	late := max(min(maxSweep, l.Header/8, l.Idle/8), time.Millisecond) // for a deadline
	s.every = max(min(late, l.Unwatched), time.Millisecond)
	s.patience = int((l.Unwatched + s.every - 1) / s.every)
	s.rounds = int(late / s.every)
	s.soon = 2 * late
	s.running = running
}

// enroll has c swept until it is dropped.
func (s *sweeper) enroll(c *conn) {
	s.open.mu.Lock()
	defer s.open.mu.Unlock()
	s.open.addLocked(&c.open)
	if !s.awake {
		s.awake = true
		s.running.Add(1)
		go s.run()
	}
}

func (s *sweeper) drop(c *conn) { s.open.remove(&c.open) }

func (s *sweeper) run() {
	defer s.running.Add(-1)
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for round := 1; !s.idle(); round++ {
		<-ticker.C
		s.requests.each((*conn).glance)
		if round%s.rounds == 0 {
			now := time.Now()
			s.open.each(func(c *conn) { c.enforce(now) })
		}
	}
}

// idle reports whether there is nothing to sweep: then the goroutine ends.
func (s *sweeper) idle() bool {
	s.open.mu.Lock()
	defer s.open.mu.Unlock()
	s.awake = s.open.first != nil
	return !s.awake
}
