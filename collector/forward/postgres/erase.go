package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"ctlive/collector"
)

// sweepRows are the rows that are searched for an id, and perhaps deleted, in one transaction.
const sweepRows = 20_000

// task is notes that are meant for the same rows.
type task struct {
	notes   []collector.Erasure
	through int64 // the last of the rows
}

// sweep is how far the search for mentions has come. It outlasts an attempt: a large table takes
// longer than an attempt may.
type sweep struct {
	task
	row int64
}

// Erase deletes what the notes say: the events of a user and those of all chats in which it occurs,
// the events of a chat, and events that mention the id elsewhere in their object. Then it writes the
// notes down. A note that was carried out before changes nothing, one that was begun goes on. The bytes
// stay in the server's files until it has vacuumed the table, and in its backups.
func (s *Sink) Erase(ctx context.Context, notes []collector.Erasure) error {
	if len(notes) == 0 {
		return nil
	}
	notes = slices.Clone(notes)
	for i := range notes {
		notes[i].Kind, notes[i].ID = storable(notes[i].Kind), storable(notes[i].ID)
	}
	return s.do(ctx, "erase", func(c *pgx.Conn) error {
		if err := s.tables.add(ctx, c, staged(task{notes: notes}), addNotes); err != nil {
			return err
		}
		open, err := s.tables.open(ctx, c, notes)
		if err != nil {
			return err
		}
		for _, t := range open {
			if err := s.carryOut(ctx, c, t); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Sink) carryOut(ctx context.Context, c *pgx.Conn, t task) error {
	if s.sweep.through != t.through || !slices.Equal(s.sweep.notes, t.notes) {
		s.sweep = sweep{task: t}
	}
	if err := s.tables.add(ctx, c, staged(t), deleteNamed); err != nil {
		return err
	}
	for more := true; more; {
		var err error
		if more, err = s.sweep.next(ctx, c, s.tables); err != nil {
			return err
		}
	}
	return s.tables.add(ctx, c, staged(t), addErased, closeNotes)
}

func staged(t task) staging {
	return staging{
		columns: []column{{"edge", "text"}, {"note", "bigint"}, {"kind", "text"}, {"id", "text"}, {"at", "timestamptz"}, {"through", "bigint"}},
		rows: pgx.CopyFromSlice(len(t.notes), func(i int) ([]any, error) {
			n := &t.notes[i]
			return []any{n.Edge, n.Row, n.Kind, n.ID, n.At.Time(), t.through}, nil
		}),
	}
}

// open returns those of the notes that are not carried out yet.
func (t tables) open(ctx context.Context, c *pgx.Conn, notes []collector.Erasure) (open []task, err error) {
	var edges []string
	var numbers []int64
	var times []time.Time
	for _, n := range notes {
		edges, numbers, times = append(edges, n.Edge), append(numbers, n.Row), append(times, n.At.Time())
	}
	rows, err := c.Query(ctx, t.sql(`SELECT s.i, t.through FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) WITH ORDINALITY AS s (edge, note, at, i)
		JOIN {notes} t USING (edge, note, at) WHERE NOT t.done ORDER BY t.through, s.i`), edges, numbers, times)
	if err != nil {
		return nil, err
	}
	var i, through int64
	_, err = pgx.ForEachRow(rows, []any{&i, &through}, func() error {
		if len(open) == 0 || open[len(open)-1].through != through {
			open = append(open, task{through: through})
		}
		last := &open[len(open)-1]
		last.notes = append(last.notes, notes[i-1])
		return nil
	})
	return open, err
}

const (
	// addNotes says what a note is meant for when it comes first: what is there then.
	addNotes = `INSERT INTO {notes} (edge, note, at, through)
		SELECT edge, note, at, (SELECT coalesce(max(row), 0) FROM {events}) FROM {staged} ON CONFLICT DO NOTHING`

	// deleteNamed deletes the events that say in their columns whose they are. A user's chats are
	// found and deleted in one statement: were it two, nothing would tell them any more after a crash
	// between.
	deleteNamed = `WITH users (ids) AS MATERIALIZED (SELECT ARRAY(SELECT id FROM {staged} WHERE kind = 'user')),
			bound (through) AS MATERIALIZED (SELECT max(through) FROM {staged})
		DELETE FROM {events} WHERE row <= (SELECT through FROM bound) AND (user_id <> '' AND user_id = ANY((SELECT ids FROM users)::text[])
		OR chat_id <> '' AND chat_id = ANY(ARRAY(SELECT id FROM {staged} WHERE kind = 'chat')
			|| ARRAY(SELECT DISTINCT chat_id FROM {events} WHERE row <= (SELECT through FROM bound)
				AND user_id <> '' AND user_id = ANY((SELECT ids FROM users)::text[]) AND chat_id <> '')))`

	// addErased tells of erasures, once of each.
	addErased = `INSERT INTO {erased} (kind, id, at) SELECT s.kind, s.id, s.at FROM {staged} s JOIN {notes} t USING (edge, note, at)
		WHERE NOT t.done ORDER BY s.n`

	closeNotes = `UPDATE {notes} t SET done = true FROM {staged} s WHERE (t.edge, t.note, t.at) = (s.edge, s.note, s.at)`
)

// next searches the next rows and deletes those that mention an id. It reports whether there are
// more.
func (s *sweep) next(ctx context.Context, c *pgx.Conn, t tables) (more bool, err error) {
	var end int64
	err = c.QueryRow(ctx, t.sql(`SELECT coalesce(max(row), 0) FROM (SELECT e.row FROM {events} e WHERE e.row > $1 AND e.row <= $2 ORDER BY e.row LIMIT $3) w`),
		s.row, s.through, sweepRows).Scan(&end)
	if err != nil || end == 0 {
		return false, err
	}
	rows, err := s.mentions(ctx, c, t, end)
	if err != nil {
		return false, err
	}
	if len(rows) > 0 {
		if _, err := c.Exec(ctx, t.sql(`DELETE FROM {events} e WHERE e.row = ANY($1)`), rows); err != nil {
			return false, err
		}
	}
	s.row = end
	return true, nil
}

// mentions returns the rows up to end that mention one of the ids. The server finds those that
// contain it, which is little; whether it is the subject's we see ourselves.
func (s *sweep) mentions(ctx context.Context, c *pgx.Conn, t tables, end int64) (found []int64, err error) {
	var traces []string
	for _, n := range s.notes {
		some, err := n.Traces()
		if err != nil {
			return nil, err
		}
		traces = append(traces, some...)
	}
	rows, err := c.Query(ctx, t.sql(`SELECT e.row, e.object, coalesce(e.extra, '') FROM {events} e WHERE e.row > $1 AND e.row <= $2
		AND EXISTS (SELECT 1 FROM unnest($3::text[]) AS id WHERE position(id IN e.object) > 0 OR position(id IN e.extra) > 0)`), s.row, end, traces)
	if err != nil {
		return nil, err
	}
	var row int64
	var object, extra string
	_, err = pgx.ForEachRow(rows, []any{&row, &object, &extra}, func() error {
		if slices.ContainsFunc(s.notes, func(n collector.Erasure) bool {
			return n.Within(jsontext.Value(object)) || n.Within(jsontext.Value(extra))
		}) {
			found = append(found, row)
		}
		return nil
	})
	return found, err
}
