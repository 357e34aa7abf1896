package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// pause is how long after an error the database is left alone: many hosts may
// each want their certificate from one that takes seconds not to answer.
const pause = time.Second

// outage is whether the database answers.
type outage struct {
	mu    sync.Mutex
	err   error     // of the last question; nil: it was answered
	since time.Time // of the first error
	until time.Time // the pause ends
}

// answer returns the last error during the pause after it.
func (o *outage) answer() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Now().Before(o.until) {
		return o.err
	}
	return nil
}

// note takes in how a question went, and logs the beginning and the end of an
// outage.
func (s *Store) note(ctx context.Context, err error) {
	failed := unreachable(err)
	if failed && ctx.Err() != nil || s.ctx.Err() != nil {
		return // who asked has left
	}
	o := &s.outage
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case failed && o.err == nil:
		o.since = time.Now()
		s.log.Error("storage of certificates does not answer: those in use are served, none is obtained", "storage", s.where, "error", err)
	case !failed && o.err != nil:
		s.log.Info("storage of certificates answers again", "storage", s.where, "after", time.Since(o.since).Round(time.Millisecond).String())
	}
	o.err, o.until = nil, time.Time{}
	if failed {
		o.err, o.until = err, time.Now().Add(pause)
	}
}

const undefinedTable = "42P01" // SQLSTATE

// code returns the SQLSTATE of err, "" if it is not the server's.
func code(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// unreachable reports whether err says that the server cannot serve anybody now.
func unreachable(err error) bool {
	switch c := code(err); {
	case err == nil, errors.Is(err, ErrLost), errors.Is(err, errClosed):
		return false
	case c == "": // it did not come from the server
		return true
	case c == "55P03": // it waited too long for the lock of a row
		return true
	default: // connection exception, insufficient resources, operator intervention
		return c[:2] == "08" || c[:2] == "53" || c[:2] == "57"
	}
}

// broken reports whether err may be that of one connection alone, as after a
// restart of the server.
func broken(err error) bool {
	c := code(err)
	return unreachable(err) && (c == "" || c[:3] == "57P") && !pgconn.Timeout(err) && !errors.Is(err, context.DeadlineExceeded)
}
