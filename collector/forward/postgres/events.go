package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ctlive/collector"
)

const (
	eventPage   = 256              // events that a query takes at a time
	nextPage    = 1000             // at most, for one who follows
	pageTimeout = 30 * time.Second // of queries that read many rows
	lookTimeout = 5 * time.Second  // of others
	lookEvery   = time.Second      // for new rows, on behalf of all who follow
)

// Events reads the events of all edges. It is what the API and the figures of a dashboard are made
// of. Its methods are safe for concurrent use.
//
// The database is told of events, erasures and pages. Of what was rejected, and of requests that
// were refused, each edge knows alone.
type Events struct {
	pool   *pgxpool.Pool
	tables tables
	log    *slog.Logger
	done   chan struct{}
	close  func()
	found  atomic.Bool // the tables, and that we understand them
	missed bool        // when we opened

	mu     sync.Mutex
	last   int64 // row of the newest event, as of looked
	looked time.Time
}

// Open connects to a database. Until a [Sink] has made the tables there they read as empty, which the
// log is told; with those of another version it fails. The caller closes it.
func Open(ctx context.Context, o Options) (*Events, error) {
	t, err := tablesOf(o.Table)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	config, err := pgxpool.ParseConfig(o.DSN)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", dsnError(err))
	}
	complete(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	e := &Events{pool: pool, tables: t, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), done: make(chan struct{})}
	e.close = sync.OnceFunc(func() { close(e.done); pool.Close() })
	there, err := e.find(ctx)
	if err != nil {
		e.Close()
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if e.missed = !there; e.missed {
		e.log.Warn("PostgreSQL has no such table yet: an edge makes it when it first forwards an event, until then there are none", "table", o.Table)
	}
	return e, nil
}

// find reports whether the tables are there. The error is [ErrLayout] if they are not ours to read.
func (e *Events) find(ctx context.Context) (bool, error) {
	if e.found.Load() {
		return true, nil
	}
	there, err := e.tables.exist(ctx, e.pool)
	if err != nil || !there {
		return false, err
	}
	if _, err := e.tables.store(ctx, e.pool); err != nil {
		return false, err
	}
	if !e.found.Swap(true) && e.missed {
		e.log.Info("PostgreSQL has the table", "table", e.tables.named(""))
	}
	return true, nil
}

// Close ends the connections, and those who follow. Closing twice does no harm.
func (e *Events) Close() { e.close() }

// Done returns a channel that Close closes.
func (e *Events) Done() <-chan struct{} { return e.done }

// Landed returns nil: the database tells nobody of a commit.
func (e *Events) Landed() <-chan struct{} { return nil }

// collect returns the rows of a SELECT, of at most timeout. Without the tables there are none.
func collect[T any](ctx context.Context, e *Events, timeout time.Duration, scan pgx.RowToFunc[T], text string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	rows, err := e.query(ctx, text, args...)
	if rows == nil || err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, readError(err)
	}
	return all, nil
}

// query begins a SELECT; without the tables it returns nil.
func (e *Events) query(ctx context.Context, text string, args ...any) (rows pgx.Rows, err error) {
	there, err := e.find(ctx)
	if err == nil && there {
		rows, err = e.pool.Query(ctx, e.tables.sql(text), args...)
	}
	if err != nil {
		return nil, readError(err)
	}
	return rows, nil
}

// one returns the only row of a SELECT; without the tables it is a zero one.
func one[T any](ctx context.Context, e *Events, scan pgx.RowToFunc[T], text string, args ...any) (value T, err error) {
	all, err := collect(ctx, e, lookTimeout, scan, text, args...)
	if err != nil || len(all) == 0 {
		return value, err
	}
	return all[0], nil
}

// where collects the conditions of a query.
type where struct {
	terms []string
	args  []any
}

// and adds a term, in which each ? stands for one of args.
func (w *where) and(term string, args ...any) {
	for _, arg := range args {
		w.args = append(w.args, arg)
		term = strings.Replace(term, "?", fmt.Sprintf("$%d", len(w.args)), 1)
	}
	w.terms = append(w.terms, term)
}

func (w *where) String() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// whereOf returns the conditions of f.
func whereOf(f collector.Filter) (w where) {
	if !f.Since.IsZero() {
		w.and("e.at >= ?", f.Since.Truncate(time.Millisecond))
	}
	if !f.Until.IsZero() {
		w.and("e.at < ?", f.Until.Truncate(time.Millisecond))
	}
	for _, is := range []struct{ column, value string }{{"site", f.Site}, {"type", f.Type}, {"chat_id", f.Chat}} {
		if is.value != "" {
			w.and("e."+is.column+" = ?", storable(is.value))
		}
	}
	if f.Chat != "" {
		w.and("e.chat_id <> ''") // what the index is of
	}
	return w
}

// Events yields the events that f selects, the oldest first by their own time and, within one
// millisecond, as their page numbered them. An error ends it. What is stored meanwhile may be seen
// or not.
func (e *Events) Events(ctx context.Context, f collector.Filter) iter.Seq2[collector.Record, error] {
	return func(yield func(collector.Record, error) bool) {
		var last collector.Record
		for n := 0; f.Limit == 0 || n < f.Limit; {
			w, size := whereOf(f), eventPage
			if f.Limit > 0 {
				size = min(size, f.Limit-n)
			}
			if n > 0 {
				w.and("(e.at, e.seq, e.row) > (?, ?, ?)", last.At.Time(), last.Seq, last.Row)
			}
			page, err := collect(ctx, e, pageTimeout, scanRecord,
				fmt.Sprintf("%s%s ORDER BY e.at, e.seq, e.row LIMIT %d", selectEvents, w.String(), size), w.args...)
			if err != nil {
				yield(collector.Record{}, err)
				return
			}
			for _, last = range page {
				if !yield(last, nil) {
					return
				}
			}
			if len(page) < size {
				return
			}
			n += len(page)
		}
	}
}

// Next returns the first events that f selects behind a row, in the order of their rows, and the row
// to go on from. It sees what was committed a second ago, perhaps later events as well.
func (e *Events) Next(ctx context.Context, f collector.Filter, after int64) (page []collector.Record, next int64, err error) {
	end, err := e.lastSeen(ctx)
	if err != nil || end <= after {
		return nil, after, err
	}
	limit := nextPage
	if f.Limit > 0 {
		limit = min(limit, f.Limit)
	}
	page, next, err = e.behind(ctx, f, after, limit)
	if err == nil && len(page) < limit {
		next = max(next, end)
	}
	return page, next, err
}

// behind returns the first events that f selects behind a row, and the row of the last one.
func (e *Events) behind(ctx context.Context, f collector.Filter, after int64, limit int) (page []collector.Record, next int64, err error) {
	w := whereOf(f)
	w.and("e.row > ?", after)
	page, err = collect(ctx, e, pageTimeout, scanRecord, fmt.Sprintf("%s%s ORDER BY e.row LIMIT %d", selectEvents, w.String(), limit), w.args...)
	if err != nil || len(page) == 0 {
		return nil, after, err
	}
	return page, page[len(page)-1].Row, nil
}

// LastRow returns the row of the event that was stored last, 0 if there is none.
func (e *Events) LastRow(ctx context.Context) (int64, error) {
	last, err := one(ctx, e, pgx.RowTo[int64], `SELECT coalesce((SELECT max(row) FROM {events}), 0)`)
	if err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last, e.looked = last, time.Now()
	return last, nil
}

// lastSeen returns what LastRow has returned to anybody within a second.
func (e *Events) lastSeen(ctx context.Context) (int64, error) {
	e.mu.Lock()
	last, fresh := e.last, time.Since(e.looked) < lookEvery
	if !fresh {
		e.looked = time.Now() // others need not look meanwhile
	}
	e.mu.Unlock()
	if fresh {
		return last, nil
	}
	return e.LastRow(ctx)
}

// Rejected yields nothing: input that is no event stays at the edge that it came to.
func (e *Events) Rejected(context.Context, collector.Filter) iter.Seq2[collector.Reject, error] {
	return func(func(collector.Reject, error) bool) {}
}

// Elsewhere says where the rejected input is.
func (e *Events) Elsewhere() string {
	return "Rejected input stays at the edge that it came to: ask /api/rejected of that edge's admin listener, or run ctlive rejected there."
}

// readError returns why events could not be read.
func readError(err error) error {
	if away(err) {
		return fmt.Errorf("read events: %w: %w", collector.ErrAway, err)
	}
	return fmt.Errorf("read events: %w", err)
}

// away reports whether err means that the server cannot be reached, or answers nobody now: it starts, stops
// or has no room (PostgreSQL, appendix A).
func away(err error) bool {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return len(answer.Code) == 5 && slices.Contains([]string{"08", "53", "57"}, answer.Code[:2])
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	_, ok := errors.AsType[net.Error](err) // a deadline is one
	return ok || pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
