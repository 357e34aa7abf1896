// Package pace ends transfers that make no progress: request bodies that trickle
// in to hold a connection, and responses that nobody reads.
//
// It counts the time in which we wait for the visitor, and no other. A stream of
// events with minutes of silence between them, a long download, an upload that the
// origin is slow to take: none of them waits for the visitor. A deadline of
// net/http could not tell: it runs whether anybody waits or not, and covers a
// whole Write however it moves.
//
// Reads and writes leave two marks, before and after. Once a second one goroutine
// looks at the marks of all transfers. Nothing else happens until a transfer is
// cut; then its deadline is set in the past, which HTTP/1.1, HTTP/2 and HTTP/3
// have in common.
package pace

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ErrTooSlow is what reads and writes of a transfer return once it is cut. The
// request's context ends with it as its cause.
var ErrTooSlow = errors.New("transfer is too slow")

// Limits say when a transfer is cut. A zero field has its default.
type Limits struct {
	// ReadIdle is how long a read may wait for the next byte of a request body. 60 s.
	ReadIdle time.Duration

	// ReadRate is what a request body must bring, in bytes per second, as an
	// average over each ReadWindow of waiting in which it brings anything. 240 over
	// 30 s: holding a connection costs an attacker as much as a modem's line, and
	// the worst mobile network passes. A visitor that sends a message now and then
	// over one request (gRPC) does not, where we wait for it.
	ReadRate   int64
	ReadWindow time.Duration

	// WriteIdle is how long a write of at most 32 KiB may wait for the visitor to
	// take it. 120 s: who takes 600 bytes per second lives. That needs a small send
	// buffer (TCP_NOTSENT_LOWAT), for with a large one the kernel lets a writer wait
	// until a third of it is free.
	WriteIdle time.Duration
}

func (l Limits) withDefaults() Limits {
	return Limits{
		ReadIdle:   either(l.ReadIdle, 60*time.Second),
		ReadRate:   either(l.ReadRate, 240),
		ReadWindow: either(l.ReadWindow, 30*time.Second),
		WriteIdle:  either(l.WriteIdle, 120*time.Second),
	}
}

func either[T int64 | time.Duration](value, fallback T) T {
	if value == 0 {
		return fallback
	}
	return value
}

// A Watch looks after transfers.
type Watch struct {
	limits  Limits
	every   time.Duration
	closing sync.Once // closes stop
	stop    chan struct{}
	ended   chan struct{}

	reads, writes atomic.Uint64 // that were cut

	mu    sync.Mutex
	first *transfer // of the list of those under way
}

// New returns a Watch that runs until Close.
func New(l Limits) *Watch {
	l = l.withDefaults()
	shortest := min(l.ReadIdle, l.ReadWindow, l.WriteIdle)
	w := &Watch{
		limits: l, every: min(time.Second, max(shortest/8, time.Millisecond)),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go w.run()
	return w
}

// Close ends the watching. Transfers under way go on without. Closing twice does no
// harm.
func (w *Watch) Close() {
	w.closing.Do(func() { close(w.stop) })
	<-w.ended
}

// Cut returns how many reads and writes were cut.
func (w *Watch) Cut() (reads, writes uint64) { return w.reads.Load(), w.writes.Load() }

// Wrap puts a request under watch until done is called, at the end of its
// handler, and by the goroutine that runs it. done panics with
// http.ErrAbortHandler where the connection cannot be used again.
func (w *Watch) Wrap(rw http.ResponseWriter, r *http.Request) (_ http.ResponseWriter, _ *http.Request, done func()) {
	t := &transfer{ResponseWriter: rw, watch: w, proto: r.ProtoMajor}
	if r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0 {
		ctx, cancel := context.WithCancelCause(r.Context())
		// net/http looks at the body of its own request after the handler.
		r = r.WithContext(ctx)
		t.cancel, t.length, t.expects = cancel, r.ContentLength, r.Header["Expect"] != nil
		t.body.ReadCloser, t.body.gauge, t.body.end = r.Body, &t.reading, ctx.Done()
		t.duplex()
		r.Body = &t.body
	}
	w.add(t)
	return t, r, t.done
}

func (w *Watch) add(t *transfer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.next = w.first; t.next != nil {
		t.next.previous = t
	}
	w.first = t
}

func (w *Watch) remove(t *transfer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.next != nil {
		t.next.previous = t.previous
	}
	if t.previous != nil {
		t.previous.next = t.next
	} else if w.first == t {
		w.first = t.next
	}
	t.next, t.previous = nil, nil
}

func (w *Watch) run() {
	defer close(w.ended)
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			w.sweep()
		case <-w.stop:
			return
		}
	}
}

// sweep looks at each transfer once. It counts its own rounds, not the clock: a
// machine that stood still has not kept its visitors waiting.
func (w *Watch) sweep() {
	var slowReads, slowWrites []verdict
	w.mu.Lock()
	for t := w.first; t != nil; t = t.next {
		if mark, slow := t.reading.slow(w.every, w.limits.ReadIdle, w.limits.ReadWindow, w.limits.ReadRate); slow {
			slowReads = append(slowReads, verdict{t, mark})
		}
		if mark, slow := t.writing.slow(w.every, w.limits.WriteIdle, 0, 0); slow {
			slowWrites = append(slowWrites, verdict{t, mark})
		}
		w.relieveLocked(t)
	}
	w.mu.Unlock()
	for _, v := range slowReads {
		v.cutRead()
	}
	for _, v := range slowWrites {
		v.cutWrite()
	}
}
