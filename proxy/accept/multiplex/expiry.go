package multiplex

import (
	"os"
	"sync"
	"time"
)

var longAgo = time.Unix(1, 0)

// An expiry is a deadline for waiting. It is guarded by a mutex of its owner's. It
// costs a timer only when something waits.
type expiry struct {
	at    time.Time // zero: never
	timer *time.Timer
}

// set moves the deadline.
func (e *expiry) set(t time.Time) {
	e.stop()
	e.at = t
}

// err is os.ErrDeadlineExceeded once the deadline has passed.
func (e *expiry) err() error {
	if e.at.IsZero() || time.Now().Before(e.at) {
		return nil
	}
	return os.ErrDeadlineExceeded
}

// wait is called before each wait that the deadline ends by calling wake with mu held.
func (e *expiry) wait(mu *sync.Mutex, wake func()) {
	if e.at.IsZero() || e.timer != nil {
		return
	}
	e.timer = time.AfterFunc(time.Until(e.at), func() {
		mu.Lock()
		defer mu.Unlock()
		wake()
	})
}

func (e *expiry) stop() {
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
}
