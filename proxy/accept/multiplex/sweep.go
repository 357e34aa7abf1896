package multiplex

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// maxEvery is how often the sweeper looks, at least.
const maxEvery = time.Second

var errSilent = errors.New("the client is silent")

// A sweeper looks at all connections now and then. What it finds late costs requests
// no timers. It counts its own rounds, not the clock: a machine that stood still has
// not kept its clients waiting.
type sweeper struct {
	every    time.Duration
	settings int // rounds until the client's first frame
	idle     int // between requests
	ping     int // without a frame
	pong     int // until the answer
	write    int
	parting  int

	mu    sync.Mutex
	conns map[*conn]bool
	timer *time.Timer
}

// rounds are what the sweeper has counted for a connection. Guarded by conn.mu, but
// for heard.
type rounds struct {
	heard   atomic.Bool // of the client since the last round
	silent  int
	idle    int
	writing int // of one piece
	pinged  bool
}

func (s *sweeper) configure(o Options) {
	s.every = max(min(maxEvery, o.Settings/8, o.Idle/8), time.Millisecond)
	rounds := func(d time.Duration) int { return int((d + s.every - 1) / s.every) }
	s.settings, s.idle, s.write, s.parting = rounds(o.Settings), rounds(o.Idle), rounds(writeLimit), rounds(parting)
	s.ping, s.pong = rounds(pingAfter), rounds(pingLimit)
	s.conns = make(map[*conn]bool)
}

func (s *sweeper) enroll(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = true
	switch {
	case s.timer == nil:
		s.timer = time.AfterFunc(s.every, s.sweep)
	case len(s.conns) == 1:
		s.timer.Reset(s.every)
	}
}

func (s *sweeper) drop(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 {
		s.timer.Stop()
	}
}

func (s *sweeper) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

// sweep is the timer's.
func (s *sweeper) sweep() {
	for _, c := range s.all() {
		c.look(s)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) > 0 {
		s.timer.Reset(s.every)
	}
}

// look ends a connection that waits for the client for too long.
func (c *conn) look(s *sweeper) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := &c.rounds
	if n.heard.Swap(false) {
		n.silent, n.pinged = 0, false
	}
	n.silent++
	n.idle++
	n.writing++
	if c.handlers > 0 {
		n.idle = 0
	}
	switch {
	case c.err != nil:
	case c.output.writing && n.writing > s.write:
		c.breakLocked(errSilent)
	case !c.settled && n.silent > s.settings:
		c.breakLocked(errSilent)
	case c.leaving && c.handlers == 0 && n.idle > s.parting:
		c.breakLocked(http2.ConnectionError(http2.ErrCodeNo))
	case !c.leaving && n.idle > s.idle:
		c.goAwayLocked(http2.ErrCodeNo)
	case n.pinged && n.silent > s.ping+s.pong:
		c.breakLocked(errSilent)
	case !n.pinged && n.silent > s.ping:
		n.pinged = true
		c.output.b = appendPing(c.output.take(), 0, [8]byte{})
		c.pumpLocked()
	}
}
