package collector

import (
	"net/netip"
	"sync"
)

const crowdWindow = 10_000 // events

// crowd finds out whether most events come from one address: then a proxy stands in front of us
// that we were not told of, and all its visitors share one rate limit. It remembers two addresses.
type crowd struct {
	mu    sync.Mutex
	done  bool       // it has been told
	seen  int        // events of this window
	lead  netip.Addr // the one candidate for a majority of this window (Boyer and Moore)
	votes int
	watch netip.Addr // that of the last window
	count int        // its events in this one
}

// add notes n events from addr. It returns, once at most, that addr has sent more than half of a
// whole window.
func (c *crowd) add(addr netip.Addr, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return false
	}
	c.seen += n
	switch {
	case addr == c.lead:
		c.votes += n
	case c.votes >= n:
		c.votes -= n
	default:
		c.lead, c.votes = addr, n-c.votes
	}
	if addr == c.watch {
		c.count += n
	}
	if c.seen < crowdWindow {
		return false
	}
	c.done = c.watch.IsValid() && 2*c.count > c.seen
	c.watch, c.seen, c.votes, c.count = c.lead, 0, 0, 0
	return c.done
}
