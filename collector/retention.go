package collector

import (
	"fmt"
	"time"
)

const (
	expiryStep  = 500                    // rows deleted in one transaction, which intake waits for
	expirySlice = 200 * time.Millisecond // of each round of upkeep, unless requests wait
	expiryPause = 10 * time.Minute       // from the end of one pass to the begin of the next
)

// expiry is how far the deletion of what is too old has come. Space that it frees is used again by
// later rows; the file does not shrink.
type expiry struct {
	next  time.Time // begin of the next pass, unless one is under way
	stage int       // index of expiryStages
}

// expiryStages delete a step's worth of rows that are older than cut. They report whether they are
// done. Events go before the views they
// refer to; a view goes when nothing is left of the day it was last used on.
var expiryStages = []func(t *transaction, cut Millis) (done bool, err error){
	func(t *transaction, cut Millis) (bool, error) {
		n, err := t.exec(expireEvents, int64(expiryStep), int64(cut))
		return n == 0, err
	},
	func(t *transaction, cut Millis) (bool, error) {
		n, err := t.exec(expireRejects, int64(expiryStep/10), int64(cut)) // they are large
		return n == 0, err
	},
	func(t *transaction, cut Millis) (bool, error) {
		n, err := t.exec(expireViews, int64(cut/dayMillis), int64(expiryStep))
		if n > 0 {
			clear(t.views)
		}
		return n == 0, err
	},
	func(t *transaction, cut Millis) (bool, error) {
		_, err := t.exec(expireLosses, int64(cut/dayMillis))
		return true, err
	},
}

// expire goes on with deleting what is older than the store keeps, a step at a time, until it is
// done, somebody waits, or the time for it is over. One step it takes in any case: under a load
// without a pause, old events would stay for ever.
func (w *writer) expire() {
	e := &w.expiry
	age, start := time.Duration(w.store.age.Load()), time.Now()
	if age == 0 || start.Before(e.next) {
		return
	}
	cut := millis(start.Add(-age))
	for first := true; first || len(w.queue) == 0 && time.Since(start) < expirySlice; first = false {
		var done bool
		err := w.transact(func() (err error) {
			done, err = expiryStages[e.stage](w.tx, cut)
			if err != nil {
				err = fmt.Errorf("delete what is too old: %w", err)
			}
			return err
		})
		if err != nil {
			return
		}
		if !done {
			continue
		}
		if e.stage++; e.stage == len(expiryStages) {
			*e = expiry{next: time.Now().Add(expiryPause)}
			return
		}
	}
}
