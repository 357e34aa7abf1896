package collector

import (
	"database/sql/driver"
	"fmt"
	"math"
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

// deletion is one step of the deletion of what is older than cut.
type deletion struct {
	*transaction
	cut  Millis
	late Millis  // events that are held go, too, if they are older than that
	held int64   // row behind which events are held
	lost []int64 // rows that were held and are deleted
}

// expiryStages delete a step's worth of rows. They report whether they are done. Events go before
// the views they refer to.
var expiryStages = []func(*deletion) (done bool, err error){
	(*deletion).events,
	func(d *deletion) (bool, error) {
		n, err := d.exec(expireRejects, int64(expiryStep/10), int64(d.cut)) // they are large
		return n == 0, err
	},
	(*deletion).views,
	func(d *deletion) (bool, error) {
		_, err := d.exec(expireLosses, int64(d.cut/dayMillis))
		return true, err
	},
}

func (d *deletion) events() (done bool, err error) {
	rows, err := d.deleteEvents(d.cut, d.held)
	if err != nil || len(rows) > 0 || d.held == math.MaxInt64 {
		return len(rows) == 0, err
	}
	d.lost, err = d.deleteEvents(d.late, math.MaxInt64)
	return len(d.lost) == 0, err
}

// deleteEvents deletes events up to the row through that were received before cut.
func (d *deletion) deleteEvents(cut Millis, through int64) (rows []int64, err error) {
	err = d.each(func(values []driver.Value) error {
		rows = append(rows, values[0].(int64))
		return nil
	}, expireEvents, int64(expiryStep), int64(cut), through)
	return rows, err
}

// views deletes those of which nothing is left of the day they were last used on.
func (d *deletion) views() (done bool, err error) {
	cut := d.cut
	oldest, err := d.number(firstReceived)
	switch {
	case err != nil && err != errNoRow:
		return false, err
	case err == nil && oldest < int64(cut):
		cut = d.late // there are events that are held
	}
	n, err := d.exec(expireViews, int64(cut/dayMillis), int64(expiryStep))
	if n > 0 {
		clear(d.transaction.views)
	}
	return n == 0, err
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
	for first := true; first || len(w.queue) == 0 && time.Since(start) < expirySlice; first = false {
		done, err := w.expireStep(e.stage, start.Add(-age))
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

func (w *writer) expireStep(stage int, cut time.Time) (done bool, err error) {
	h := w.store.hold.Load()
	d := deletion{transaction: w.tx, cut: millis(cut), late: millis(cut), held: math.MaxInt64}
	if h != nil {
		d.late, d.held = millis(cut.Add(-h.backlog)), h.taken()
	}
	err = w.transact(func() (err error) {
		if done, err = expiryStages[stage](&d); err != nil {
			err = fmt.Errorf("delete what is too old: %w", err)
		}
		return err
	})
	if err == nil && len(d.lost) > 0 {
		h.lost(d.lost)
	}
	return done, err
}
