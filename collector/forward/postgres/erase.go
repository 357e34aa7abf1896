package postgres

import (
	"context"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"ctlive/collector"
)

// sweepRows are the rows that are searched for an id, and perhaps deleted, in one transaction.
const sweepRows = 20_000

// sweep is how far the search for mentions has come. It outlasts an attempt: a large table takes
// longer than an attempt may.
type sweep struct {
	notes []collector.Erasure
	row   int64
}

// Erase deletes what the notes say: the events of a user and those of all chats in which it occurs,
// the events of a chat, and events that mention the id elsewhere in their object. Then it writes the
// notes down. The bytes stay in the server's files until it has vacuumed the table, and in its
// backups.
func (s *Sink) Erase(ctx context.Context, notes []collector.Erasure) error {
	if len(notes) == 0 {
		return nil
	}
	notes = slices.Clone(notes)
	for i := range notes {
		notes[i].Kind, notes[i].ID = storable(notes[i].Kind), storable(notes[i].ID)
	}
	if !slices.Equal(s.sweep.notes, notes) {
		s.sweep = sweep{notes: notes}
	}
	return s.do(ctx, "erase", func(c *pgx.Conn) error {
		if err := s.tables.add(ctx, c, staged(notes), deleteNamed); err != nil {
			return err
		}
		for more := true; more; {
			var err error
			if more, err = s.sweep.next(ctx, c, s.tables); err != nil {
				return err
			}
		}
		return s.tables.add(ctx, c, staged(notes), deleteNamed, addErased)
	})
}

func staged(notes []collector.Erasure) staging {
	return staging{
		columns: []column{{"kind", "text"}, {"id", "text"}, {"at", "timestamptz"}},
		rows: pgx.CopyFromSlice(len(notes), func(i int) ([]any, error) {
			return []any{notes[i].Kind, notes[i].ID, notes[i].At.Time()}, nil
		}),
	}
}

const (
	// deleteNamed deletes the events that say in their columns whose they are. A user's chats are
	// found and deleted in one statement: were it two, nothing would tell them any more after a crash
	// between.
	deleteNamed = `WITH users (ids) AS MATERIALIZED (SELECT ARRAY(SELECT id FROM {staged} WHERE kind = 'user'))
		DELETE FROM {events} WHERE user_id <> '' AND user_id = ANY((SELECT ids FROM users)::text[])
		OR chat_id <> '' AND chat_id = ANY(ARRAY(SELECT id FROM {staged} WHERE kind = 'chat')
			|| ARRAY(SELECT DISTINCT chat_id FROM {events} WHERE user_id <> '' AND user_id = ANY((SELECT ids FROM users)::text[]) AND chat_id <> ''))`

	// addErased notes an erasure once, whenever it is carried out again.
	addErased = `INSERT INTO {erased} (kind, id, at) SELECT kind, id, at FROM {staged} s
		WHERE NOT EXISTS (SELECT 1 FROM {erased} e WHERE (e.kind, e.id, e.at) = (s.kind, s.id, s.at)) ORDER BY n`
)

// next searches the next rows and deletes those that mention an id. It reports whether there are
// more.
func (s *sweep) next(ctx context.Context, c *pgx.Conn, t tables) (more bool, err error) {
	var end int64
	err = c.QueryRow(ctx, t.sql(`SELECT coalesce(max(row), 0) FROM (SELECT e.row FROM {events} e WHERE e.row > $1 ORDER BY e.row LIMIT $2) w`),
		s.row, sweepRows).Scan(&end)
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
