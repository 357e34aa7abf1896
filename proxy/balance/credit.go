package balance

import (
	"context"
	"sync"
	"time"
)

const (
	// fullCredit is how many connections visitors who walk away may cost at once.
	fullCredit = 128

	// creditInterval is how long it takes until one more is granted.
	creditInterval = time.Second / 64
)

// credit bounds the connections that visitors waste. Over HTTP/1, a request
// that is given up costs its connection, and HTTP/2 lets one visitor give up
// thousands a second (CVE-2023-44487). Each costs one of credit, each
// answer that was taken to its end gives one back, and time does. With none
// left, connections are made as slowly as credit grows.
//
// Honest traffic never notices: it has more answers than walk-outs.
type credit struct {
	mu    sync.Mutex
	have  int
	since time.Time // up to when have includes what time gives
}

func newCredit() *credit { return &credit{have: fullCredit, since: time.Now()} }

func (c *credit) spend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.growLocked(time.Now())
	c.have = max(0, c.have-1)
}

func (c *credit) earn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.have = min(fullCredit, c.have+1)
}

// wait returns when a connection may be made, or ctx's error.
func (c *credit) wait(ctx context.Context) error {
	for !c.granted() {
		select {
		case <-time.After(creditInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// granted reports whether there is credit. The last of it buys connections.
func (c *credit) granted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.growLocked(time.Now())
	switch {
	case c.have == 0:
		return false
	case c.have < maxDials:
		c.have--
	}
	return true
}

// growLocked adds what time has given since the last look.
func (c *credit) growLocked(now time.Time) {
	n := now.Sub(c.since) / creditInterval
	c.since = c.since.Add(n * creditInterval)
	c.have = min(fullCredit, c.have+int(min(n, fullCredit)))
}
