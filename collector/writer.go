package collector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	queueLen    = 512  // requests that wait to be written; each holds about its body
	groupEvents = 1024 // rows after which a group is committed

	// storeTimeout is how long a request waits for its commit. What is committed later is still
	// found when the sender tries again.
	storeTimeout = 5 * time.Second

	stallTime = 5 * time.Second // a commit that takes longer is a fault
	upkeep    = time.Second     // between two rounds of what the writer does unasked
	lastTry   = 10              // failed attempts after which the database may be opened anew
)

var (
	errQueueFull = errors.New("event store: queue is full")
	errClosed    = errors.New("event store: closed")
	errStalled   = errors.New("event store: the disk does not answer")
	errMoved     = errors.New("event store: the file is no longer where it was")
)

// input says where something came from.
type input struct {
	site     string
	client   string // as it may be stored
	received Millis
}

// job is what one request wants written, all of it or nothing.
type job struct {
	input
	view    *view // what events and rejects belong to; nil: rejects are whole bodies
	events  []event
	rejects []Reject
	settles int64      // row of the quarantine that all of it replaces; 0: none. If that row has gone, nothing is written
	done    chan error // gets the outcome, once
}

func (j *job) rows() int { return len(j.events) + len(j.rejects) }

// empty reports whether there is nothing to write: a page view alone is nothing.
func (j *job) empty() bool {
	return j.rows() == 0 && j.view.seen+j.view.refused+j.view.dropped == 0
}

// writer is the goroutine that alone writes to the database. It commits in groups: while one group
// is on its way to the disk the next one gathers in the queue, so that a request on an idle store
// waits for nobody and under load every sync of the disk is shared. Waiting some milliseconds for
// more company would only add to the latency.
type writer struct {
	store  *Store
	log    *slog.Logger
	broken chan error // gets, at most once, why it is useless to go on
	ended  chan struct{}
	made   time.Time                  // what busy counts from
	busy   atomic.Int64               // nanoseconds from made to the begin of the transaction that is open; 0: none is
	fault  atomic.Pointer[storeFault] // of the last transaction; nil: it was committed

	// What follows is the goroutine's.
	file    os.FileInfo // of the database
	tx      *transaction
	expiry  expiry
	failed  int  // attempts since the last success
	useless bool // broken has been told

	mu     sync.RWMutex // a reader may send on queue, the holder may close it
	closed bool
	queue  chan *job
}

// storeFault is why the last transaction was not committed.
type storeFault struct{ err error }

// openWriter brings the database at path up to date and starts its writer.
func openWriter(s *Store, path string) (*writer, error) {
	if err := prepareDatabase(path, s.log); err != nil {
		return nil, err
	}
	c, err := s.dial(path)
	if err != nil {
		return nil, err
	}
	return startWriter(s, c)
}

// startWriter starts a writer on c, which it closes after an error.
func startWriter(s *Store, c conn) (*writer, error) {
	tx, err := newTransaction(c)
	if err == nil {
		err = tx.run(tx.attempt) // a folder may let us read and not write
	}
	if err != nil {
		tx.close()
		return nil, err
	}
	file, err := os.Stat(s.path) // not an open: see create
	if err != nil {
		tx.close()
		return nil, err
	}
	w := &writer{
		file:   file,
		store:  s,
		log:    s.log,
		broken: make(chan error, 1),
		ended:  make(chan struct{}),
		made:   time.Now(),
		tx:     tx,
		queue:  make(chan *job, queueLen),
	}
	go w.run()
	return w, nil
}

// do has j written and returns when it is durable. After an error the state is open: j may be
// written or not, and the same events sent again get the right verdict. j stays the writer's.
func (s *Store) do(ctx context.Context, j *job) error {
	db, err := s.current()
	if err != nil {
		return err
	}
	j.done = make(chan error, 1)
	if err := db.writer.enqueue(j); err != nil {
		return err
	}
	patience := time.NewTimer(storeTimeout)
	defer patience.Stop()
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the event store: %w", ctx.Err())
	case <-patience.C:
		return errStalled
	}
}

// enqueue gives j to the writer unless there is no point in waiting for it.
func (w *writer) enqueue(j *job) error {
	if err := w.trouble(); err != nil {
		return err
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return errClosed
	}
	select {
	case w.queue <- j:
		return nil
	default:
		return errQueueFull
	}
}

// close waits until the queue is written. The connection stays open.
func (w *writer) close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.ended
}

func (w *writer) run() {
	defer close(w.ended)
	round := time.NewTicker(upkeep)
	defer round.Stop()
	for {
		select {
		case first, open := <-w.queue:
			if !open {
				w.keepUp()
				return
			}
			w.writeGroup(w.gather(first))
		case <-round.C:
			w.keepUp()
		}
	}
}

// writeGroup commits group and tells its senders.
func (w *writer) writeGroup(group []*job) {
	err := w.transact(func() error { return w.tx.write(group) })
	if err == nil {
		w.store.landed.give()
		w.countDuplicates(group)
	}
	for _, j := range group {
		j.done <- err
	}
}

// keepUp does what is due without a request: after a failure it tries whether the disk takes
// anything again, which nobody else would find out, because a store that is not ready is sent
// nothing. Otherwise it counts losses and deletes what is too old.
func (w *writer) keepUp() {
	if now, err := os.Stat(w.store.path); errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(w.file, now) {
		w.failWith(errMoved)
		w.giveUp(errMoved)
		return
	}
	if w.fault.Load() != nil {
		w.transact(w.tx.attempt)
		return
	}
	w.writeLosses()
	w.expire()
}

// transact runs write in a transaction and commits it. On an error nothing of it is written,
// unless COMMIT itself failed: then nobody knows.
func (w *writer) transact(write func() error) error {
	if w.useless {
		return w.fault.Load().err
	}
	w.busy.Store(int64(time.Since(w.made)))
	err := w.tx.run(write)
	w.busy.Store(0)
	if err == nil {
		w.failed = 0
		if w.fault.Swap(nil) != nil {
			w.log.Info("event store: takes events again")
		}
		return nil
	}
	w.failed++
	w.failWith(err)
	if damaged(err) || w.failed >= lastTry && worn(err) {
		w.giveUp(err)
	}
	return err
}

// failWith refuses input because of err until a transaction is committed.
func (w *writer) failWith(err error) {
	if previous := w.fault.Swap(&storeFault{err}); previous == nil || previous.err.Error() != err.Error() {
		w.log.Error("event store: nothing written", "err", err)
	}
}

// giveUp writes no more to this database and asks for another one.
func (w *writer) giveUp(err error) {
	if !w.useless {
		w.useless = true
		w.broken <- err
	}
}

// gather returns first and what is queued behind it, up to a full group.
func (w *writer) gather(first *job) []*job {
	group, rows := []*job{first}, first.rows()
	for rows < groupEvents {
		select {
		case j, open := <-w.queue:
			if !open {
				return group
			}
			group = append(group, j)
			rows += j.rows()
		default:
			return group
		}
	}
	return group
}
