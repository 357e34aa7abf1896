package forward

import (
	"errors"
	"math/rand/v2"
	"time"
)

// The longest wait after a first failure, and after many.
const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = time.Minute
)

// backoff spreads attempts: each wait is anything up to a bound that doubles, so that many who failed
// at once do not come back at once.
type backoff struct{ failures int }

func (b *backoff) reset() { b.failures = 0 }

// next returns how long to wait after one more failure.
func (b *backoff) next() time.Duration {
	d := b.bound()
	b.failures++
	return 1 + rand.N(d)
}

// deferral is an error of a sink that says how long it asks us to wait, within its own bounds.
type deferral interface {
	error
	RetryAfter() time.Duration
}

// asked returns how long err asks us to wait, 0 if it does not.
func asked(err error) time.Duration {
	if d, ok := errors.AsType[deferral](err); ok {
		return d.RetryAfter()
	}
	return 0
}

func (b *backoff) bound() time.Duration {
	return min(backoffFirst<<min(b.failures, 20), backoffMost)
}
