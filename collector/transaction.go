package collector

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"fmt"
	"strings"
)

// conn is what we need of the driver's connection. The writer goes past database/sql: with one
// connection and one goroutine there is no pool to manage, and per row it costs as much as SQLite.
type conn interface {
	driver.Conn
	driver.ExecerContext
}

const (
	viewCache = 2048                 // views whose row is remembered; each at most some 6 KB
	dayMillis = Millis(24 * 3600000) // a day
)

// transaction writes to the database through one connection. What it remembers of the database
// holds as long as nobody else writes; each transaction looks whether somebody has.
type transaction struct {
	conn    conn
	st      statements
	version int64                // data_version that the next three belong to
	lastRow int64                // of the events
	sites   map[string]int64     // rows
	views   map[viewKey]viewSeen // rows, and what has been written of their totals
	pending []pendingEvent       // rows of this transaction that are not sent to SQLite yet
	args    []driver.NamedValue  // reused
}

// viewKey is what tells a view from others.
type viewKey struct {
	site                                              int64
	page, session, url, referrer, title, lang, client string
}

type viewSeen struct {
	row                    int64
	day                    Millis
	seen, refused, dropped int64
}

// pendingEvent is an event with what it shares with others.
type pendingEvent struct {
	*event
	site, view int64
	received   Millis
}

// newTransaction prepares the statements on c.
func newTransaction(c conn) (*transaction, error) {
	t := &transaction{conn: c}
	t.forget()
	return t, t.st.prepare(c)
}

// close closes the connection, and before it the statements: SQLite would wait for them, and not
// write its log back.
func (t *transaction) close() {
	for _, s := range t.st {
		if s != nil {
			s.Close()
		}
	}
	t.conn.Close()
}

// forget drops what is remembered of the database.
func (t *transaction) forget() {
	t.version, t.lastRow = -1, 0
	t.sites, t.views = map[string]int64{}, map[viewKey]viewSeen{}
}

// run runs write between BEGIN and COMMIT, or rolls back and returns the error.
func (t *transaction) run(write func() error) error {
	if _, err := t.exec(begin); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := t.look()
	if err == nil {
		err = write()
	}
	if err == nil {
		if _, err = t.exec(commit); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// COMMIT may have taken effect or not, and SQLite may have rolled back already.
	t.exec(rollback)
	t.forget()
	t.pending = t.pending[:0]
	return err
}

// look begins afresh if somebody else has written since.
func (t *transaction) look() error {
	version, err := t.number(dataVersion)
	if err != nil || version == t.version {
		return err
	}
	t.forget()
	t.version = version
	t.lastRow, err = t.number(lastEventRow)
	return err
}

// attempt changes nothing, but goes all the way to the disk.
func (t *transaction) attempt() error {
	_, err := t.exec(touch)
	return err
}

// write writes all of group.
func (t *transaction) write(group []*job) error {
	for _, j := range group {
		if err := t.writeJob(j); err != nil {
			return err
		}
	}
	return t.flush()
}

func (t *transaction) writeJob(j *job) error {
	if j.settles != 0 {
		if n, err := t.exec(settleReject, j.settles); n == 0 || err != nil {
			return err
		}
	}
	site, err := t.site(j.site)
	if err != nil {
		return fmt.Errorf("write site: %w", err)
	}
	var viewRow any // NULL
	if j.view != nil {
		row, err := t.view(site, j)
		if err != nil {
			return fmt.Errorf("write page view: %w", err)
		}
		for i := range j.events {
			t.pending = append(t.pending, pendingEvent{&j.events[i], site, row, j.received})
		}
		viewRow = row
	}
	for i := range j.rejects {
		if err := t.putReject(site, viewRow, j.input, &j.rejects[i]); err != nil {
			return fmt.Errorf("quarantine: %w", err)
		}
	}
	return nil
}

// site returns the row of the site called name.
func (t *transaction) site(name string) (row int64, err error) {
	if row, ok := t.sites[name]; ok {
		return row, nil
	}
	if _, err := t.exec(addSite, name); err != nil {
		return 0, err
	}
	if row, err = t.number(findSite, name); err == nil {
		t.sites[name] = row
	}
	return row, err
}

// view returns the row of j's view, which it makes if there is none, and keeps its totals.
func (t *transaction) view(site int64, j *job) (int64, error) {
	v, today := j.view, j.received/dayMillis
	key := viewKey{site, v.page, v.session, v.url, v.referrer, v.title, v.lang, v.client}
	known, ok := t.views[key]
	if !ok {
		digest := key.digest()
		row, err := t.number(findView, digest)
		if err == errNoRow {
			row, err = t.insert(addView, digest, site, pack(v.page), pack(v.session), v.url, v.referrer, v.title, v.lang, v.client)
		}
		if err != nil {
			return 0, err
		}
		known.row = row
	}
	if known.day < today || v.seen > known.seen || v.refused > known.refused || v.dropped > known.dropped {
		known = viewSeen{known.row, max(known.day, today), max(known.seen, v.seen), max(known.refused, v.refused), max(known.dropped, v.dropped)}
		if _, err := t.exec(countView, v.dropped, v.lostText(), known.seen, known.refused, known.dropped, int64(known.day), known.row); err != nil {
			return 0, err
		}
		ok = false
	}
	if !ok {
		if len(t.views) == viewCache {
			clear(t.views)
		}
		t.views[key] = known
	}
	return known.row, nil
}

// digest tells a view from others: two with one digest are the same.
func (k *viewKey) digest() []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d %q %q %q %q %q %q %q", k.site, k.page, k.session, k.url, k.referrer, k.title, k.lang, k.client)
	return h.Sum(nil)[:16]
}

// flush inserts the pending events and finds out which of them are new. A row is numbered here and
// not by SQLite, so that many go into one statement and can be told apart afterwards.
func (t *transaction) flush() error {
	for rest := t.pending; len(rest) > 0; {
		size, insert := 1, addEvent
		if len(rest) >= manyEvents {
			size, insert = manyEvents, addEvents
		}
		if err := t.putEvents(insert, rest[:size]); err != nil {
			return fmt.Errorf("write event: %w", err)
		}
		rest = rest[size:]
	}
	clear(t.pending)
	t.pending = t.pending[:0]
	return nil
}

func (t *transaction) putEvents(insert int, events []pendingEvent) error {
	first := t.lastRow + 1
	t.args = t.args[:0]
	for i := range events {
		e := &events[i]
		t.bind(first+int64(i), e.site, pack(e.id), e.view, e.typ, e.seq, int64(e.at), orNull(e.mono), int64(e.received),
			orNull(e.chatID), orNull(e.userID), int64(e.flags), string(e.object), orNull(string(e.extra)), e.reported())
		e.fresh = true
	}
	res, err := t.st[insert].ExecContext(context.Background(), t.args)
	if err != nil {
		return err
	}
	t.lastRow += int64(len(events))
	if n, err := res.RowsAffected(); err != nil || n == int64(len(events)) {
		return err
	}
	return t.findDuplicates(first, events)
}

// findDuplicates sets fresh on events, of which some were known, the first one's row being first.
func (t *transaction) findDuplicates(first int64, events []pendingEvent) error {
	for i := range events {
		events[i].fresh = false
	}
	return t.each(func(row []driver.Value) error {
		events[row[0].(int64)-first].fresh = true
		return nil
	}, rowsBetween, first, t.lastRow)
}

// reported returns the page's own time where At is corrected, else NULL.
func (e *event) reported() any {
	if e.flags&Skew == 0 {
		return nil
	}
	return int64(e.was)
}

func (t *transaction) bind(values ...any) {
	for _, v := range values {
		t.args = append(t.args, driver.NamedValue{Ordinal: len(t.args) + 1, Value: v})
	}
}

// exec runs a statement that returns no row and says how many rows it changed.
func (t *transaction) exec(statement int, args ...any) (int64, error) {
	t.args = t.args[:0]
	t.bind(args...)
	res, err := t.st[statement].ExecContext(context.Background(), t.args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// insert is exec for one row, whose number it returns.
func (t *transaction) insert(statement int, args ...any) (int64, error) {
	t.args = t.args[:0]
	t.bind(args...)
	res, err := t.st[statement].ExecContext(context.Background(), t.args)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// repeated returns an INSERT with n times its one row of values.
func repeated(insert string, n int) string {
	head, tail, _ := strings.Cut(insert, "VALUES ")
	values, tail, _ := strings.Cut(tail, ")")
	values += ")"
	return head + "VALUES " + values + strings.Repeat(", "+values, n-1) + tail
}
