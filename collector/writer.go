package collector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	queueLen    = 512 // requests that wait to be written; each holds about its body
	groupEvents = 512 // rows after which a group is committed

	// storeTimeout is how long a request waits for its commit. What is committed later is still
	// found when the sender tries again.
	storeTimeout = 5 * time.Second
)

var (
	errQueueFull = errors.New("event store: queue is full")
	errClosed    = errors.New("event store: closed")
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
	attempt bool       // write something, to see whether it can be done
	done    chan error // gets the outcome, once
}

func (j *job) rows() int { return len(j.events) + len(j.rejects) }

// empty reports whether there is nothing to write: a page view alone is nothing.
func (j *job) empty() bool { return j.rows() == 0 && j.view.refused+j.view.dropped == 0 }

// writer is the goroutine that alone writes to the database. It commits in groups: while one group
// is on its way to the disk the next one gathers in the queue, so that a request on an idle store
// waits for nobody and under load every sync of the disk is shared. Waiting some milliseconds for
// more company would only add to the latency.
type writer struct {
	db       *sql.DB
	landed   *signal
	log      *slog.Logger
	prepared statements
	sites    map[string]int64 // row of each site in a committed transaction
	ended    chan struct{}
	failed   atomic.Bool // the last group was not written

	mu     sync.RWMutex // a reader may send on queue, the holder may close it
	closed bool
	queue  chan *job
}

func startWriter(db *sql.DB, landed *signal, log *slog.Logger) (*writer, error) {
	w := &writer{
		db:     db,
		landed: landed,
		log:    log,
		sites:  map[string]int64{},
		ended:  make(chan struct{}),
		queue:  make(chan *job, queueLen),
	}
	if err := w.prepared.prepare(db); err != nil {
		return nil, err
	}
	go w.run()
	return w, nil
}

// do has j written and returns when it is durable. After an error the state is open: j may be
// written or not, and the same events sent again get the right verdict. j stays the writer's.
func (s *Store) do(ctx context.Context, j *job) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	j.done = make(chan error, 1)
	if err := s.writer.enqueue(j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the event store: %w", ctx.Err())
	}
}

func (w *writer) enqueue(j *job) error {
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

// close waits until the queue is written.
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
	for first := range w.queue {
		group := w.gather(first)
		err := w.commit(group)
		w.failed.Store(err != nil)
		if err != nil {
			// What the failed transaction added is gone, or not: COMMIT itself may have failed.
			clear(w.sites)
			w.log.Error("event store: nothing written", "requests", len(group), "err", err)
		}
		for _, j := range group {
			j.done <- err
		}
		if err == nil {
			w.landed.give()
		}
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

// commit writes group in one transaction and returns after its COMMIT has.
func (w *writer) commit(group []*job) error {
	tx, err := w.db.Begin()
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	in := w.prepared.in(tx)
	for _, j := range group {
		if err := w.writeJob(in, j); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (w *writer) writeJob(in *statements, j *job) error {
	if j.attempt {
		_, err := in[touch].Exec()
		return err
	}
	site, err := w.site(in, j.site)
	if err != nil {
		return fmt.Errorf("write site: %w", err)
	}
	var viewRow sql.NullInt64
	if j.view != nil {
		viewRow.Valid = true
		if viewRow.Int64, err = in.putView(site, j.view); err != nil {
			return fmt.Errorf("write page view: %w", err)
		}
	}
	for i := range j.events {
		if err := in.putEvent(site, viewRow.Int64, j.received, &j.events[i]); err != nil {
			return fmt.Errorf("write event: %w", err)
		}
	}
	for i := range j.rejects {
		if err := in.putReject(site, viewRow, j.input, &j.rejects[i]); err != nil {
			return fmt.Errorf("quarantine: %w", err)
		}
	}
	return nil
}

// site returns the row of the site called name.
func (w *writer) site(in *statements, name string) (row int64, err error) {
	if row, ok := w.sites[name]; ok {
		return row, nil
	}
	if _, err := in[addSite].Exec(name); err != nil {
		return 0, err
	}
	if err := in[findSite].QueryRow(name).Scan(&row); err != nil {
		return 0, err
	}
	w.sites[name] = row
	return row, nil
}
