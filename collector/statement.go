package collector

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// The statements of the writer, in the order of statementTexts.
const (
	addSite = iota
	findSite
	addView
	findView
	countView
	addEvent
	addReject
	sizeRejects
	evictReject
	countEvicted
	touch
)

var statementTexts = [...]string{
	addSite:  `INSERT INTO sites (name) VALUES (?) ON CONFLICT DO NOTHING`,
	findSite: `SELECT id FROM sites WHERE name = ?`,

	addView: `INSERT INTO views (digest, site, page, session, url, referrer, title, lang, client)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
	findView:  `SELECT id FROM views WHERE digest = ?`,
	countView: `UPDATE views SET refused = max(refused, ?), dropped = max(dropped, ?) WHERE id = ?`,

	addEvent: `INSERT INTO events (site, id, view, type, seq, at, mono, received, chat_id, user_id, flags, object, extra)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (site, id) DO NOTHING`,

	addReject: `INSERT INTO quarantine (site, view, received, client, reason, message, content_type, content_encoding, length, sha256, raw)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
	sizeRejects: `SELECT rows, bytes FROM quarantine_size`,
	evictReject: `DELETE FROM quarantine WHERE row = (SELECT min(row) FROM quarantine)
		RETURNING site, reason, length(raw)`,
	countEvicted: `INSERT INTO evicted (site, reason, n) VALUES (?, ?, 1)
		ON CONFLICT (site, reason) DO UPDATE SET n = n + 1`,

	touch: `UPDATE quarantine_size SET rows = rows`, // changes nothing, but goes all the way to the disk
}

// statements are prepared statements, indexed by the constants above.
type statements [len(statementTexts)]*sql.Stmt

func (s *statements) prepare(db *sql.DB) (err error) {
	for i, text := range statementTexts {
		if s[i], err = db.Prepare(text); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	return nil
}

// in returns s inside tx, which closes them.
func (s *statements) in(tx *sql.Tx) *statements {
	var bound statements
	for i, stmt := range s {
		bound[i] = tx.Stmt(stmt)
	}
	return &bound
}

// putView returns the row of v, which it makes if there is none.
func (s *statements) putView(site int64, v *view) (row int64, err error) {
	digest := v.digest(site)
	err = s[findView].QueryRow(digest).Scan(&row)
	if errors.Is(err, sql.ErrNoRows) {
		var res sql.Result
		res, err = s[addView].Exec(digest, site, pack(v.page), pack(v.session), v.url, v.referrer, v.title, v.lang, v.client)
		if err == nil {
			row, err = res.LastInsertId()
		}
	}
	if err == nil && v.refused+v.dropped > 0 {
		_, err = s[countView].Exec(v.refused, v.dropped, row)
	}
	return row, err
}

// digest tells v from other views: two with one digest are the same.
func (v *view) digest(site int64) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d %q %q %q %q %q %q %q", site, v.page, v.session, v.url, v.referrer, v.title, v.lang, v.client)
	return h.Sum(nil)[:16]
}

// putEvent stores e unless its id is known, and sets e.fresh to say which it was.
func (s *statements) putEvent(site, view int64, received Millis, e *event) error {
	res, err := s[addEvent].Exec(site, pack(e.id), view, e.typ, e.seq, e.at, orNull(e.mono), received,
		orNull(e.chatID), orNull(e.userID), e.flags, string(e.object), orNull(string(e.extra)))
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	e.fresh = n == 1
	return err
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
