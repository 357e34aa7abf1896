package collector

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	sqlite3 "modernc.org/sqlite/lib"

	"ctlive/collector/sqlite"
)

const (
	salvageBatch = 512
	salvageTries = 1 << 17 // reads that may fail before what is left of a table is given up
	pageSize     = 4096
	headerSize   = 100 // of a database (SQLite file format, 1.3)
	rowsPerPage  = 256 // more do not fit
	rowMargin    = 1 << 20
)

// salvaged says what was read out of a damaged database.
type salvaged struct {
	rows map[string]int // by table
	gaps int            // places where rows could not be read
	bad  int            // rows that were read and make no sense
	why  error          // why nothing could be read; nil: something could
}

func (s *salvaged) attrs() []any {
	attrs := []any{"gaps", s.gaps, "unusable", s.bad}
	for _, t := range salvageTables {
		attrs = append(attrs, t.name, s.rows[t.name])
	}
	if s.why != nil {
		attrs = append(attrs, "err", s.why)
	}
	return attrs
}

// salvageTable is a table that is copied.
type salvageTable struct {
	name   string
	key    string // orders the rows; "": the table has no row numbers
	last   string // finds, where the damage hides it, a number behind the last row
	copied bool   // last reads the new database
}

// salvageTables are in the order in which they are copied. Of a page view or a site to which
// nothing that was copied before refers it is no loss.
var salvageTables = []salvageTable{
	{"events", "row", `SELECT seq FROM sqlite_sequence WHERE name = 'events'`, false},
	{"quarantine", "row", `SELECT seq FROM sqlite_sequence WHERE name = 'quarantine'`, false},
	{"erased", "row", `SELECT seq FROM sqlite_sequence WHERE name = 'erased'`, false},
	{"views", "id", `SELECT max(coalesce((SELECT max(view) FROM events), 0), coalesce((SELECT max(view) FROM quarantine), 0)) + 64`, true},
	{"sites", "id", `SELECT max(coalesce((SELECT max(site) FROM events), 0), coalesce((SELECT max(site) FROM views), 0)) + 64`, true},
	{"evicted", "", "", false},
	{"losses", "", "", false},
}

// salvage makes a database at the path fresh and copies into it every row that can be read of the
// one at the path damaged, which it does not change. An error means that fresh is not complete, for
// a reason that has nothing to do with the damage.
func salvage(damaged, fresh string) (*salvaged, error) {
	into, err := sql.Open("sqlite", sqlite.Source(fresh, "rwc", "_txlock=immediate", "_pragma=journal_mode(OFF)", "_pragma=synchronous(OFF)"))
	if err != nil {
		return nil, err
	}
	defer into.Close()
	into.SetMaxOpenConns(1)
	if err := os.WriteFile(fresh, nil, 0o600); err != nil {
		return nil, err
	}
	if err := migrate(context.Background(), into, migrations()); err != nil {
		return nil, err
	}
	source, err := mendHeader(damaged, fresh)
	if err != nil {
		return nil, err
	}
	if source != damaged {
		defer sqlite.Remove(source)
	}
	from, err := sql.Open("sqlite", sqlite.Source(source, "ro", "_pragma=writable_schema(1)")) // reads a file that is too short, too
	if err != nil {
		return nil, err
	}
	defer from.Close()
	from.SetMaxOpenConns(1)
	s := &salvager{from: from, into: into, salvaged: salvaged{rows: map[string]int{}}}
	if err := s.copyAll(damaged); err != nil {
		return nil, err
	}
	return &s.salvaged, into.Close()
}

// mendHeader returns path, or, if the first bytes of the file there are not those of a database of
// ours, the path of a copy that has them.
func mendHeader(path, fresh string) (string, error) {
	good := make([]byte, headerSize)
	if err := readStart(fresh, good); err != nil {
		return "", err
	}
	have := make([]byte, headerSize)
	err := readStart(path, have)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || err == nil && sameHeader(have, good) {
		return path, nil // nothing there, or nothing wrong
	}
	if err != nil {
		return "", err
	}
	mended := fresh + "-header"
	if err := copyFile(mended, path); err != nil {
		return "", err
	}
	if err := copyFile(mended+"-wal", path+"-wal"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	f, err := os.OpenFile(mended, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	good[18], good[19] = 2, 2 // WAL
	binary.BigEndian.PutUint32(good[28:], uint32(info.Size()/pageSize))
	binary.BigEndian.PutUint64(good[32:], 0)                                  // no free pages: nothing is written
	binary.BigEndian.PutUint32(good[92:], binary.BigEndian.Uint32(good[24:])) // the size is valid
	_, err = f.WriteAt(good, 0)
	return mended, err
}

// sameHeader compares what is constant in the header of a database of ours: magic, page size,
// format, payload fractions, schema format, encoding.
func sameHeader(a, b []byte) bool {
	for _, part := range [][2]int{{0, 18}, {20, 24}, {44, 48}, {56, 60}} {
		if string(a[part[0]:part[1]]) != string(b[part[0]:part[1]]) {
			return false
		}
	}
	return true
}

func readStart(path string, b []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.ReadFull(f, b)
	return err
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// salvager copies rows. Errors of the damaged side are counted, those of the new side end it.
type salvager struct {
	from, into *sql.DB
	salvaged
	tries int
}

func (s *salvager) copyAll(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	most := info.Size() / pageSize * rowsPerPage
	if wal, err := os.Stat(path + "-wal"); err == nil {
		most += wal.Size() / pageSize * rowsPerPage
	}
	for _, t := range salvageTables {
		columns, err := s.columns(t.name)
		if err != nil {
			return err
		}
		if len(columns) == 0 {
			continue
		}
		c := tableCopy{salvager: s, salvageTable: t, columns: columns}
		if err := c.run(most); err != nil {
			return fmt.Errorf("copy %s: %w", t.name, err)
		}
	}
	return s.complete()
}

// columns returns the columns that the table has on both sides, none if it is not there.
func (s *salvager) columns(table string) ([]string, error) {
	want, err := columnsOf(s.into, table)
	if err != nil {
		return nil, err
	}
	have, err := columnsOf(s.from, table)
	if err != nil {
		s.why = err
	}
	return slices.DeleteFunc(want, func(name string) bool { return !slices.Contains(have, name) }), nil
}

func columnsOf(db *sql.DB, table string) ([]string, error) {
	return sqlite.Rows(context.Background(), db, func(rows *sql.Rows) (name string, err error) {
		err = rows.Scan(&name)
		return name, err
	}, `SELECT name FROM pragma_table_info(?)`, table)
}

// complete puts in place of lost rows what others refer to, and sees to it that no row number is
// used again.
func (s *salvager) complete() error {
	for _, text := range []string{
		`INSERT INTO sites (id, name) SELECT site, 'lost-' || site FROM
			(SELECT site FROM views UNION SELECT site FROM events UNION SELECT site FROM quarantine)
			WHERE site NOT IN (SELECT id FROM sites)`,
		`INSERT INTO views (id, digest, site, page, session, url, referrer, title, lang, client, day)
			SELECT view, randomblob(16), min(site), '', '', '', '', '', '', '', max(received) / 86400000 FROM events
			WHERE view NOT IN (SELECT id FROM views) GROUP BY view`,
	} {
		if _, err := s.into.Exec(text); err != nil {
			return fmt.Errorf("complete: %w", err)
		}
	}
	for _, table := range []string{"events", "quarantine", "erased"} {
		if err := s.advance(table); err != nil {
			return fmt.Errorf("complete: %w", err)
		}
	}
	return nil
}

// advance has table numbered on from where the damaged one was; where that cannot be read, far from
// what was read of it.
func (s *salvager) advance(table string) error {
	var last int64
	if err := s.from.QueryRow(`SELECT seq FROM sqlite_sequence WHERE name = ?`, table).Scan(&last); err != nil && err != sql.ErrNoRows {
		s.into.QueryRow(`SELECT coalesce(max(row), 0) FROM ` + table).Scan(&last)
		last += rowMargin
	}
	res, err := s.into.Exec(`UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?`, last, table)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); n > 0 || err != nil {
		return err
	}
	_, err = s.into.Exec(`INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)`, table, last)
	return err
}

// tableCopy copies one table.
type tableCopy struct {
	*salvager
	salvageTable
	columns []string
}

func (c *tableCopy) run(most int64) error {
	if c.key == "" {
		_, _, err := c.read("")
		return err
	}
	var first, last int64
	if err := c.from.QueryRow(fmt.Sprintf(`SELECT coalesce(min(%[1]s), 0) FROM %[2]s`, c.key, c.name)).Scan(&first); err != nil {
		first = 0
	}
	if err := c.from.QueryRow(fmt.Sprintf(`SELECT coalesce(max(%[1]s), 0) FROM %[2]s`, c.key, c.name)).Scan(&last); err != nil {
		db := c.from
		if c.copied {
			db = c.into
		}
		if db.QueryRow(c.salvageTable.last).Scan(&last) != nil {
			last = first + most
		}
	}
	if err := c.walk(first, last); err != nil {
		return err
	}
	return c.sweep()
}

// sweep reads the table from both ends without looking for a number. Where a number in the tree is
// wrong, looking for one leads past whole pages and says nothing of it. What is copied is not copied
// again.
func (c *tableCopy) sweep() error {
	for _, order := range []string{"ASC", "DESC"} {
		if _, _, err := c.read(fmt.Sprintf(" ORDER BY %s %s", c.key, order)); err != nil {
			return err
		}
	}
	return nil
}

// walk copies the rows numbered lo to hi: upwards as far as they can be read, then downwards, then
// each half of what is between likewise.
func (c *tableCopy) walk(lo, hi int64) error {
	for lo <= hi && c.tries < salvageTries {
		last, whole, err := c.span("ASC", lo, hi)
		if err != nil || whole {
			return err
		}
		if last != math.MinInt64 {
			lo = last + 1
		}
		last, whole, err = c.span("DESC", lo, hi)
		if err != nil || whole {
			return err
		}
		if last != math.MinInt64 {
			hi = last - 1
		}
		middle := lo + (hi-lo)/2 // neither lo nor hi can be read
		if lo == hi {
			c.gaps++
			return nil
		}
		if err := c.walk(lo+1, middle); err != nil {
			return err
		}
		lo, hi = middle+1, hi-1
		c.gaps++
	}
	return nil
}

// span copies rows from lo to hi in the given order, and returns the last one and whether it came
// to the end.
func (c *tableCopy) span(order string, lo, hi int64) (last int64, whole bool, err error) {
	last = math.MinInt64
	for {
		got, n, err := c.read(fmt.Sprintf(` WHERE %[1]s BETWEEN ? AND ? ORDER BY %[1]s %s LIMIT %d`, c.key, order, salvageBatch), lo, hi)
		if err != nil {
			return last, false, err
		}
		if got.last != math.MinInt64 {
			last = got.last
		}
		if got.damaged || n < salvageBatch {
			return last, !got.damaged, nil
		}
		if order == "ASC" {
			lo = last + 1
		} else {
			hi = last - 1
		}
	}
}

// readEnd is how a read ended.
type readEnd struct {
	last    int64 // row that was read last, MinInt64 if there is none
	damaged bool
}

// read copies what the table's rows with the given tail of a SELECT are, n of them, until the first
// that cannot be read.
func (c *tableCopy) read(tail string, args ...any) (end readEnd, n int, err error) {
	end.last = math.MinInt64
	tx, err := c.into.Begin()
	if err != nil {
		return end, 0, err
	}
	defer tx.Rollback()
	insert, err := tx.Prepare(fmt.Sprintf(`INSERT OR IGNORE INTO %s (%s) VALUES (?%s)`,
		c.name, strings.Join(c.columns, ", "), strings.Repeat(", ?", len(c.columns)-1)))
	if err != nil {
		return end, 0, err
	}
	rows, err := c.from.Query(fmt.Sprintf(`SELECT %s FROM %s`, strings.Join(c.columns, ", "), c.name)+tail, args...)
	if err != nil {
		c.tries++
		end.damaged = true
		return end, 0, nil
	}
	defer rows.Close()
	values := make([]any, len(c.columns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if rows.Scan(into...) != nil {
			break
		}
		n++
		if row, ok := values[0].(int64); ok {
			end.last = row
		}
		if err := c.put(insert, values); err != nil {
			return end, n, err
		}
	}
	if rows.Err() != nil {
		c.tries++
		end.damaged = true
	}
	return end, n, tx.Commit()
}

// put inserts a row, unless it makes no sense.
func (c *tableCopy) put(insert *sql.Stmt, values []any) error {
	if !c.sensible(values) {
		c.bad++
		return nil
	}
	res, err := insert.Exec(values...)
	if sqlite.Code(err) == sqlite3.SQLITE_CONSTRAINT {
		c.bad++
		return nil
	}
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	c.rows[c.name] += int(n)
	return err
}

// sensible reports whether what must be JSON is: SQLite has no checksums, and one such row would
// end an export.
func (c *tableCopy) sensible(values []any) bool {
	for i, name := range c.columns {
		text, ok := values[i].(string)
		if ok && (name == "object" || name == "extra") && !jsontext.Value(text).IsValid(lax) {
			return false
		}
	}
	return true
}
