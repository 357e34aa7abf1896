package collector

import (
	"context"
	"database/sql"
	"strconv"
)

// What follows serves readers that take every event once, in the order of the rows, and remember
// the last row they have seen.

// Erasure is a note that a person's or a chat's events were erased.
type Erasure struct {
	Row  int64  `json:"-"`    // its number in the store, in the order of the notes
	Kind string `json:"kind"` // "user" or "chat"
	ID   string `json:"id"`   // as it was stored
	At   Millis `json:"at"`
	Edge string `json:"-"` // whose store it is; who passes the note on fills it in
}

// After returns the first events behind a row, at most limit, in the order they were stored.
func (s *Store) After(ctx context.Context, row int64, limit int) ([]Record, error) {
	return query(ctx, s, scanRecord, selectEvents+` WHERE e.row > ? ORDER BY e.row LIMIT ?`, row, limit)
}

// Erasures returns the first notes behind one, at most limit, in the order they were made.
func (s *Store) Erasures(ctx context.Context, after int64, limit int) ([]Erasure, error) {
	scan := func(rows *sql.Rows) (e Erasure, err error) {
		err = rows.Scan(&e.Row, &e.Kind, &e.ID, &e.At)
		return e, err
	}
	return query(ctx, s, scan, `SELECT row, kind, id, at FROM erased WHERE row > ? ORDER BY row LIMIT ?`, after, limit)
}

// Ends are the highest numbers that a store has given so far, whether or not what has them is still
// there; 0: none.
type Ends struct {
	Store          string // which store it is: a row means something in one only, and one that was mended is another
	Event, Erasure int64
}

// Ends returns the ends of the store.
func (s *Store) Ends(ctx context.Context) (Ends, error) {
	scan := func(rows *sql.Rows) (e Ends, err error) {
		var made int64
		err = rows.Scan(&made, &e.Event, &e.Erasure)
		e.Store = strconv.FormatInt(made, 10)
		return e, err
	}
	const text = `SELECT coalesce((SELECT applied FROM schema_version WHERE version = 1), 0),
		coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0),
		coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'erased'), 0)`
	rows, err := query(ctx, s, scan, text)
	if err != nil {
		return Ends{}, err
	}
	return rows[0], nil
}

// Identity returns which store it is.
func (s *Store) Identity(ctx context.Context) (string, error) {
	ends, err := s.Ends(ctx)
	return ends.Store, err
}

// countable is up to how many events [Store.Waiting] counts one by one.
const countable = 10_000

// Waiting returns how many events are stored behind a row, and when the first of them was received,
// 0 if there is none. Above 10,000 the number is that of the rows, some of which were never used.
func (s *Store) Waiting(ctx context.Context, row int64) (n int64, since Millis, err error) {
	type waiting struct {
		n, last int64
		since   Millis
	}
	scan := func(rows *sql.Rows) (w waiting, err error) {
		err = rows.Scan(&w.n, &w.last, &w.since)
		return w, err
	}
	const text = `SELECT (SELECT count(*) FROM (SELECT 1 FROM events WHERE row > ?1 LIMIT ?2)),
		coalesce((SELECT max(row) FROM events), 0),
		coalesce((SELECT received FROM events WHERE row > ?1 ORDER BY row LIMIT 1), 0)`
	rows, err := query(ctx, s, scan, text, row, countable)
	if err != nil {
		return 0, 0, err
	}
	if w := rows[0]; w.n == countable {
		return max(w.last-row, countable), w.since, nil
	}
	return rows[0].n, rows[0].since, nil
}

// Landed returns a channel that is closed by the next commit of this process. Ask for it before you
// read: then nothing comes in between.
func (s *Store) Landed() <-chan struct{} { return s.landed.wait() }
