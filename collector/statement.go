package collector

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// The statements of the writer, in the order of statementTexts.
const (
	begin = iota
	commit
	rollback
	dataVersion
	lastEventRow
	addSite
	findSite
	addView
	findView
	countView
	addEvent
	addEvents
	rowsBetween
	addReject
	settleReject
	sizeRejects
	evictReject
	countEvicted
	addLoss
	expireEvents
	firstReceived
	expireRejects
	expireViews
	expireLosses
	touch
	statementCount
)

// manyEvents is how many events addEvents takes.
const manyEvents = 32

// A fault in one of many rows undoes the transaction, as we do anyway: to undo the statement alone
// SQLite would have to copy each page before it changes it.
const insertEvent = `INSERT OR ROLLBACK INTO events (row, site, id, view, type, seq, at, mono, received, chat_id, user_id, flags, object, extra, reported)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (site, id) DO NOTHING`

var statementTexts = [statementCount]string{
	begin:    `BEGIN IMMEDIATE`,
	commit:   `COMMIT`,
	rollback: `ROLLBACK`,

	dataVersion:  `PRAGMA data_version`,
	lastEventRow: `SELECT max(coalesce((SELECT max(row) FROM events), 0), coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0))`,

	addSite:  `INSERT INTO sites (name) VALUES (?) ON CONFLICT DO NOTHING`,
	findSite: `SELECT id FROM sites WHERE name = ?`,

	addView: `INSERT INTO views (digest, site, page, session, url, referrer, title, lang, client)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
	findView: `SELECT id FROM views WHERE digest = ?`,
	countView: `UPDATE views SET lost = CASE WHEN ? > dropped THEN ? ELSE lost END, seen = max(seen, ?), refused = max(refused, ?), dropped = max(dropped, ?), day = max(day, ?)
		WHERE id = ?`,

	addEvent:    insertEvent,
	addEvents:   repeated(insertEvent, manyEvents),
	rowsBetween: `SELECT row FROM events WHERE row BETWEEN ? AND ?`,

	addReject: `INSERT INTO quarantine (site, view, received, client, reason, message, content_type, content_encoding, length, sha256, raw, flags)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
	settleReject: `DELETE FROM quarantine WHERE row = ?`,
	sizeRejects:  `SELECT rows, bytes FROM quarantine_size`,
	evictReject: `DELETE FROM quarantine WHERE row = (SELECT min(row) FROM quarantine)
		RETURNING site, reason, length(raw)`,
	countEvicted: `INSERT INTO evicted (site, reason, n) VALUES (?, ?, 1)
		ON CONFLICT (site, reason) DO UPDATE SET n = n + 1`,

	addLoss: `INSERT INTO losses (site, day, reason, n) VALUES (?, ?, ?, ?)
		ON CONFLICT (site, day, reason) DO UPDATE SET n = n + excluded.n`,

	expireEvents:  `DELETE FROM events WHERE row IN (SELECT row FROM events ORDER BY row LIMIT ?) AND received < ? AND row <= ? RETURNING row`,
	firstReceived: `SELECT received FROM events ORDER BY row LIMIT 1`,
	expireRejects: `DELETE FROM quarantine WHERE row IN (SELECT row FROM quarantine ORDER BY row LIMIT ?) AND received < ?`,
	expireViews:   `DELETE FROM views WHERE id IN (SELECT id FROM views WHERE day < ? LIMIT ?)`,
	expireLosses:  `DELETE FROM losses WHERE day < ?`,

	touch: `UPDATE quarantine_size SET rows = rows`, // changes nothing, but goes all the way to the disk
}

// errNoRow says that a query has found nothing.
var errNoRow = errors.New("no row")

// statement is a prepared statement of the driver.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// statements are prepared, and indexed by the constants above. They go with their connection.
type statements [statementCount]statement

func (s *statements) prepare(c conn) error {
	for i, text := range statementTexts {
		prepared, err := c.Prepare(text)
		if err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		s[i] = prepared.(statement)
	}
	return nil
}

// each calls f with every row that a statement returns; the values are f's until it returns.
func (t *transaction) each(f func([]driver.Value) error, statement int, args ...any) error {
	t.args = t.args[:0]
	t.bind(args...)
	rows, err := t.st[statement].QueryContext(context.Background(), t.args)
	if err != nil {
		return err
	}
	defer rows.Close()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		err := rows.Next(values)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = f(values)
		}
		if err != nil {
			return err
		}
	}
}

// row returns the first row that a statement returns. The error is errNoRow if there is none. The
// statement is stepped to its end: a DELETE takes effect.
func (t *transaction) row(statement int, args ...any) (values []driver.Value, err error) {
	err = t.each(func(row []driver.Value) error {
		if values == nil {
			values = append(values, row...)
		}
		return nil
	}, statement, args...)
	if err == nil && values == nil {
		err = errNoRow
	}
	return values, err
}

// number returns the integer that is all a statement returns.
func (t *transaction) number(statement int, args ...any) (int64, error) {
	values, err := t.row(statement, args...)
	if err != nil {
		return 0, err
	}
	n, ok := values[0].(int64)
	if !ok {
		return 0, fmt.Errorf("%w: %T where there must be a number", errDamaged, values[0])
	}
	return n, nil
}

// pack returns an id as it is stored: 16 bytes for a UUID in its usual form, else the text.
func pack(id string) any {
	if len(id) == 36 {
		if u, err := uuid.Parse(id); err == nil && u.String() == id {
			return u[:]
		}
	}
	return id
}

// unpack undoes pack.
func unpack(stored any) string {
	if b, ok := stored.([]byte); ok && len(b) == 16 {
		return uuid.UUID(b).String()
	}
	s, _ := stored.(string)
	return s
}

// orNull returns v, or NULL for a zero one.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}
