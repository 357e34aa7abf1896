package year

import (
	"database/sql"
	"errors"
	"strings"
)

// tables are those that a year fills. Once it could not be written, what is added goes nowhere.
type tables struct {
	sitesTable, views, events, quarantine, outcomesTable, pages *table
	err                                                         error
}

func newTables() tables {
	return tables{
		sitesTable: newTable(`INSERT INTO sites (id, name)`, `(?, ?)`, ``),
		views: newTable(`INSERT INTO views (id, digest, site, page, session, url, referrer, title, lang, client, seen, dropped, lost, day)`,
			`(?, ?, ?, ?, ?, ?, '', 'A page', 'it-IT', '192.0.2.0', ?, ?, ?, ?)`, ``),
		events: newTable(`INSERT INTO events (row, site, id, view, type, seq, at, mono, received, chat_id, user_id, flags, object)`,
			`(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, ``),
		quarantine: newTable(`INSERT INTO quarantine (site, received, client, reason, message, content_type, content_encoding, length, sha256, raw)`,
			`(?, ?, '192.0.2.0', 'bad_json', 'not JSON at byte 1', 'text/plain', '', ?, ?, ?)`, ``),
		outcomesTable: newTable(`INSERT INTO injector.outcomes (id, site, result, reason)`, `(?, ?, ?, ?)`, ``),
		pages:         newTable(`INSERT INTO injector.pages (minute, outcome, n)`, `(?, ?, 1)`, ` ON CONFLICT DO UPDATE SET n = n + 1`),
	}
}

func (t *tables) all() []*table {
	return []*table{t.sitesTable, t.views, t.events, t.quarantine, t.outcomesTable, t.pages}
}

// begin has rows written within tx from now on.
func (t *tables) begin(tx *sql.Tx) {
	for _, each := range t.all() {
		each.tx, each.sticky = tx, &t.err
	}
}

// flush writes what is left over.
func (t *tables) flush() error {
	for _, each := range t.all() {
		each.flush()
		each.forget()
	}
	return t.err
}

// batch is how many rows go with one INSERT.
const batch = 100

// table collects rows for one INSERT.
type table struct {
	insert, row, conflict string
	tx                    *sql.Tx
	full                  *sql.Stmt // for a whole batch; nil: not prepared
	values                []any
	rows                  int
	sticky                *error
}

func newTable(insert, row, conflict string) *table {
	return &table{insert: insert, row: row, conflict: conflict}
}

func (t *table) add(values ...any) {
	t.values = append(t.values, values...)
	if t.rows++; t.rows == batch {
		t.flush()
	}
}

func (t *table) text() string {
	return t.insert + " VALUES " + strings.Repeat(t.row+", ", t.rows-1) + t.row + t.conflict
}

func (t *table) flush() {
	if t.rows > 0 && *t.sticky == nil {
		*t.sticky = t.write()
	}
	t.values, t.rows = t.values[:0], 0
}

func (t *table) write() (err error) {
	if t.rows < batch {
		_, err := t.tx.Exec(t.text(), t.values...)
		return err
	}
	if t.full == nil {
		if t.full, err = t.tx.Prepare(t.text()); err != nil {
			return err
		}
	}
	_, err = t.full.Exec(t.values...)
	return err
}

// forget closes the statement, which is one of the transaction.
func (t *table) forget() {
	if t.full != nil {
		*t.sticky = errors.Join(*t.sticky, t.full.Close())
		t.full = nil
	}
}
