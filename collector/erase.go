package collector

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ctlive/collector/sqlite"
)

const (
	erasePage  = 500              // rows read, and deleted in one transaction, at a time
	erasePause = time.Minute      // to wait for the write lock of a busy proxy
	eraseLog   = 30 * time.Second // to wait until the log can be emptied
)

// Subject is whose events are to be erased: of User and Chat one is set.
type Subject struct {
	User string // with all chats in which that user id, or a pseudonym of it that can still be told, occurs
	Chat string
}

// kind returns what a note calls it.
func (s Subject) kind() string {
	if s.Chat != "" {
		return "chat"
	}
	return "user"
}

// Erased says what [Erase] has deleted.
type Erased struct {
	Events, Views, Rejects int64
	Beside                 []string // damaged stores that were set aside: nothing was erased in them
}

// Erase deletes what the store in dir has of a person or a chat, while a proxy may write to it:
// their events, page views of which no event is left, and quarantined input that contains the id.
// The bytes are overwritten in the file and gone from the log when it returns without an error;
// other events of the same page that carry no such id stay. It notes the erasure in the table
// erased, with the id as it was stored, for those who hold copies. After an error, or when it was
// killed, it is to be called again, and misses nothing for that.
func Erase(ctx context.Context, dir string, who Subject) (Erased, error) {
	e, err := openEraser(ctx, dir, who)
	if err != nil {
		return Erased{}, fmt.Errorf("erase: %w", err)
	}
	defer e.close()
	for _, step := range e.steps() {
		if err := step(); err != nil {
			return e.done, fmt.Errorf("erase: %w", err)
		}
	}
	e.done.Beside, err = filepath.Glob(quoteGlob(e.path) + corruptMark + "*Z")
	return e.done, err
}

// eraser erases one subject.
type eraser struct {
	ctx   context.Context
	who   Subject
	ids   []string // the id, then its pseudonyms
	path  string
	lock  *os.File
	db    *sql.DB
	chats []string       // chats of the subject
	own   []int64        // rows of events that have one of the ids: they tell of the chats
	used  map[int64]bool // views of erased events
	bare  bool           // the id itself was found, not a pseudonym
	last  int64          // row up to which the events have been looked at
	done  Erased
}

// steps are taken one after the other. What tells the next attempt whose chats these are, and that the
// id itself is in the store, goes with the note: an attempt that ended before it leaves that to find.
func (e *eraser) steps() []func() error {
	return []func() error{e.findChats, e.rejects, e.events, e.ownEvents, e.views, e.emptyLog}
}

func openEraser(ctx context.Context, dir string, who Subject) (*eraser, error) {
	path, err := filepath.Abs(filepath.Join(dir, storeFile))
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s", ErrNoStore, dir)
	}
	e := &eraser{ctx: ctx, who: who, ids: []string{who.User + who.Chat}, path: path, used: map[int64]bool{}}
	if e.lock, err = lockShared(path); err != nil {
		return nil, err
	}
	if e.db, err = sql.Open("sqlite", writerSource(path)+"&_txlock=immediate"); err != nil {
		e.lock.Close()
		return nil, err
	}
	e.db.SetMaxOpenConns(1) // what is set with a PRAGMA stays
	_, err = e.db.ExecContext(ctx, fmt.Sprintf(`PRAGMA busy_timeout = %d`, erasePause.Milliseconds()))
	if err == nil {
		err = checkSchema(ctx, e.db)
	}
	if err == nil && who.User != "" {
		err = e.addPseudonyms(filepath.Join(filepath.Dir(path), keyFolder))
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// addPseudonyms adds what the user id stands as in the store, for every site and each key in folder
// that still lives. Of older days nobody can tell.
func (e *eraser) addPseudonyms(folder string) error {
	sites, err := sqlite.Rows(e.ctx, e.db, func(rows *sql.Rows) (site string, err error) {
		err = rows.Scan(&site)
		return site, err
	}, `SELECT name FROM sites`)
	if err != nil {
		return err
	}
	k := &Keys{log: slog.New(slog.DiscardHandler)}
	k.setRings(folder)
	for _, key := range k.pseudonyms.living(dayOf(millis(time.Now())), true) {
		for _, site := range sites {
			m := mask{site, key.key}
			e.ids = append(e.ids, m.pseudonym(e.who.User))
		}
	}
	return nil
}

func (e *eraser) close() {
	e.db.Close()
	e.lock.Close()
}

// findChats finds the chats of the subject: other people's events in them, the operator coming
// online, tell of the person, too.
func (e *eraser) findChats() (err error) {
	e.chats = e.ids
	if e.who.User != "" {
		e.chats, err = sqlite.Rows(e.ctx, e.db, func(rows *sql.Rows) (chat string, err error) {
			err = rows.Scan(&chat)
			return chat, err
		}, `SELECT DISTINCT chat_id FROM events WHERE user_id IN (SELECT value FROM json_each(?)) AND chat_id IS NOT NULL`, list(e.ids))
	}
	return err
}

// list returns items as a JSON array, for SQLite's json_each.
func list[T int64 | string](items []T) string {
	text, err := json.Marshal(items, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(err) // there is nothing that JSON does not have
	}
	return string(text)
}

// eventOf is what tells whose an event is.
type eventOf struct {
	row, view                 int64
	chat, user, object, extra string
}

// events finds events until it has come to the last one, those included that come meanwhile, and
// erases other people's.
func (e *eraser) events() error {
	var traces []string
	for _, id := range e.ids {
		some, err := e.erasure(id).Traces()
		if err != nil {
			return fmt.Errorf("%q is no id: %w", id, err)
		}
		traces = append(traces, some...)
	}
	for {
		page, err := sqlite.Rows(e.ctx, e.db, func(rows *sql.Rows) (r eventOf, err error) {
			err = rows.Scan(&r.row, &r.view, &r.chat, &r.user, &r.object, &r.extra)
			return r, err
		}, `SELECT row, view, coalesce(chat_id, ''), coalesce(user_id, ''), object, coalesce(extra, '') FROM events
			WHERE row > ?1 AND (user_id IN (SELECT value FROM json_each(?2)) OR chat_id IN (SELECT value FROM json_each(?3))
			OR EXISTS (SELECT 1 FROM json_each(?4) WHERE instr(object, value) OR instr(extra, value)))
			ORDER BY row LIMIT ?5`, e.last, list(e.ids), list(e.chats), list(traces), erasePage)
		if err != nil || len(page) == 0 {
			return err
		}
		e.last = page[len(page)-1].row
		var others []int64
		for _, r := range page {
			switch {
			case e.tells(r):
				e.own = append(e.own, r.row)
			case r.chat != "" && slices.Contains(e.chats, r.chat):
				others = append(others, r.row)
			default:
				continue
			}
			e.used[r.view] = true
		}
		if err := e.deleteEvents(e.db, others); err != nil {
			return err
		}
	}
}

// tells reports whether r has one of the ids where it can be the subject's.
func (e *eraser) tells(r eventOf) bool {
	e.bare = e.bare || r.user == e.ids[0]
	return e.who.User != "" && slices.Contains(e.ids, r.user) || e.mentions(r.object) || e.mentions(r.extra)
}

// mentions reports whether text, a JSON value, has one of the ids where it can be the subject's.
func (e *eraser) mentions(text string) bool {
	found := false
	for i, id := range e.ids {
		if e.erasure(id).Within(jsontext.Value(text)) {
			found, e.bare = true, e.bare || i == 0
		}
	}
	return found
}

func (e *eraser) erasure(id string) Erasure { return Erasure{Kind: e.who.kind(), ID: id} }

// ownEvents erases the events that have one of the ids, and notes the erasure with the last of them.
func (e *eraser) ownEvents() error {
	for len(e.own) > erasePage {
		if err := e.deleteEvents(e.db, e.own[:erasePage]); err != nil {
			return err
		}
		e.own = e.own[erasePage:]
	}
	tx, err := e.db.BeginTx(e.ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := errors.Join(e.deleteEvents(tx, e.own), e.note(tx)); err != nil {
		return err
	}
	return tx.Commit()
}

// execer is a database or a transaction.
type execer interface {
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
}

func (e *eraser) deleteEvents(db execer, rows []int64) error {
	n, err := e.deleteRows(db, "events", rows)
	e.done.Events += n
	return err
}

func (e *eraser) deleteRows(db execer, table string, rows []int64) (int64, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	res, err := db.ExecContext(e.ctx, `DELETE FROM `+table+` WHERE row IN (SELECT value FROM json_each(?))`, list(rows))
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// views erases the page views that have lost their last event. Which have not is found without
// holding up the proxy; only what came after that is looked at in the transaction.
func (e *eraser) views() error {
	if len(e.used) == 0 {
		return nil
	}
	for after := int64(0); ; {
		page, err := sqlite.Rows(e.ctx, e.db, scanRowView, `SELECT row, view FROM events WHERE row > ? ORDER BY row LIMIT ?`, after, 20*erasePage)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return e.deleteViews(after)
		}
		for _, r := range page {
			delete(e.used, r.view)
		}
		after = page[len(page)-1].row
	}
}

func scanRowView(rows *sql.Rows) (r eventOf, err error) {
	err = rows.Scan(&r.row, &r.view)
	return r, err
}

func (e *eraser) deleteViews(after int64) error {
	tx, err := e.db.BeginTx(e.ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for view := range e.used {
		res, err := tx.ExecContext(e.ctx, `DELETE FROM views WHERE id = ?1
			AND NOT EXISTS (SELECT 1 FROM events WHERE row > ?2 AND view = ?1)`, view, after)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		e.done.Views += n
	}
	return tx.Commit()
}

// rejects erases quarantined input in which the id occurs, be it compressed or escaped. A word that
// only contains it does not count.
func (e *eraser) rejects() error {
	type raw struct {
		row      int64
		encoding string
		raw      []byte
	}
	for after := int64(0); ; {
		page, err := sqlite.Rows(e.ctx, e.db, func(rows *sql.Rows) (r raw, err error) {
			err = rows.Scan(&r.row, &r.encoding, &r.raw)
			return r, err
		}, `SELECT row, content_encoding, raw FROM quarantine WHERE row > ? ORDER BY row LIMIT ?`, after, rejectPage)
		if err != nil || len(page) == 0 {
			return err
		}
		var rows []int64
		for _, r := range page {
			if after = r.row; e.occursIn(r.raw) || strings.EqualFold(r.encoding, "gzip") && e.occursIn(gunzipSome(r.raw)) {
				rows = append(rows, r.row)
			}
		}
		n, err := e.deleteRows(e.db, "quarantine", rows)
		if e.done.Rejects += n; err != nil {
			return err
		}
	}
}

func (e *eraser) occursIn(raw []byte) bool {
	return slices.ContainsFunc(e.ids, func(id string) bool { return occurs(raw, id) })
}

// gunzipSome returns what can be had of a compressed body, which may be cut off or a bomb.
func gunzipSome(raw []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(z, 4<<20))
	return text
}

// occurs reports whether id stands in raw as a word, written plainly or with JSON's escapes.
func occurs(raw []byte, id string) bool {
	return hasWord(raw, id) || bytes.IndexByte(raw, '\\') >= 0 && hasWord(unescaped(raw), id)
}

func hasWord(b []byte, word string) bool {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(word))
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(word)
		if (start == 0 || !isWord(b[start-1])) && (end == len(b) || !isWord(b[end])) {
			return true
		}
		from = start + 1
	}
}

func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// unescaped returns b with the escapes of JSON strings undone wherever they stand: b is no valid
// JSON, or it would not be in quarantine.
func unescaped(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\\')
		if n < 0 || n+1 == len(b) {
			return append(out, b...)
		}
		out = append(out, b[:n]...)
		size := 2
		if b[n+1] == 'u' {
			size = 6
			if more := b[min(n+6, len(b)):]; bytes.HasPrefix(more, []byte(`\u`)) {
				size = 12 // perhaps a pair of surrogates
			}
		}
		escape := b[n:min(n+size, len(b))]
		var s string
		if json.Unmarshal(slices.Concat([]byte{'"'}, escape, []byte{'"'}), &s, lax) != nil {
			s, escape = `\`, escape[:1]
		}
		out, b = append(out, s...), b[n+len(escape):]
	}
	return out
}

// note tells those who hold copies.
func (e *eraser) note(db execer) error {
	ids := e.ids
	if len(ids) > 1 && !e.bare {
		ids = ids[1:] // where pseudonyms are stored, the id itself is not
	}
	for _, id := range ids {
		if _, err := db.ExecContext(e.ctx, `INSERT INTO erased (kind, id, at) VALUES (?, ?, ?)`, e.who.kind(), id, time.Now().UnixMilli()); err != nil {
			return err
		}
	}
	return nil
}

// emptyLog writes the log back into the database and truncates it: it holds the pages as they were.
func (e *eraser) emptyLog() error {
	if _, err := e.db.ExecContext(e.ctx, `PRAGMA busy_timeout = 1000`); err != nil {
		return err
	}
	for end := time.Now().Add(eraseLog); ; {
		var busy, size, done int
		if err := e.db.QueryRowContext(e.ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &size, &done); err != nil {
			return err
		}
		if busy == 0 {
			return nil
		}
		if time.Now().After(end) {
			return errors.New("all rows are deleted, but somebody reads the log without a pause: it still holds them, run this again")
		}
	}
}
