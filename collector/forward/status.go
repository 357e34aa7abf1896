package forward

import (
	"context"
	"sync"
	"time"
)

// Status is how a sink is.
type Status struct {
	Sink    string
	Backlog int64         // events that it has not taken yet
	Lag     time.Duration // age of the oldest of them
	Lost    int64         // events that were deleted before it had taken them
	Error   string        // why the last attempt failed; "" if it did not
}

// statusTime is how long the store may take to count.
const statusTime = 5 * time.Second

// health is what a line last knew of itself.
type health struct {
	mu      sync.Mutex
	backlog int64
	since   time.Time // when the oldest event that waits was received; zero: none waits
	err     string
}

// Status returns how the sinks are, by their names. While the store cannot be read, it is as it was.
func (f *Forwarder) Status() []Status {
	ctx, cancel := context.WithTimeout(context.Background(), statusTime)
	defer cancel()
	var all []Status
	for _, l := range f.lines {
		all = append(all, l.status(ctx))
	}
	return all
}

func (l *line) status(ctx context.Context) Status {
	n, since, err := l.store.Waiting(ctx, l.taken.Load())
	h := &l.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.backlog, h.since = n, time.Time{}
		if n > 0 {
			h.since = since.Time()
		}
	}
	s := Status{Sink: l.name, Backlog: h.backlog, Lost: l.lost.Load(), Error: h.err}
	if !h.since.IsZero() {
		s.Lag = max(time.Since(h.since), 0)
	}
	return s
}

func (h *health) say(err string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}
