// Package postgres keeps the events of any number of edges in one PostgreSQL database: [Sink] brings
// those of an edge there, [Events] reads them all.
//
// # Tables
//
// For a table called ctlive_events these are made unless they are there:
//
//	ctlive_events                  a row for each event, with the fields of its JSON form as columns
//	ctlive_events_pages            how many pages an edge injected or skipped in a minute, and why
//	ctlive_events_page_increments  the same as it became known, numbered
//	ctlive_events_erased           erasures that were carried out
//	ctlive_events_notes            which note of which edge that was, and up to which row it was meant
//	ctlive_events_layout           which layout these have, and which store they are
//
// Who makes them needs the right to CREATE in the schema; a sink needs SELECT, INSERT, UPDATE and
// DELETE on them and TEMPORARY on the database, a reader SELECT. The database's encoding is UTF8.
//
// The columns object and extra are text and not jsonb: jsonb has no \u0000, and gives other bytes
// back than it was given. Other texts are free of NUL characters and of bytes that are not UTF-8,
// which PostgreSQL cannot store: U+FFFD stands for them.
//
// # Promise
//
// An event is stored once for each site and id, for as long as its row is there. Sending ends with a
// commit that waits for the server's disk, whatever the database's synchronous_commit says; a server
// that runs with fsync=off promises nothing, and the log tells so; a standby that takes over has what
// the server was set up to wait for. Rows are numbered in the order of
// commits, so that a reader behind a cursor misses none: transactions that number rows exclude one
// another, for the time of one INSERT.
//
// An edge passes an erasure on behind all events that it sent before. The note is meant for the rows that
// are there when it comes first, of whichever edge, and is carried out once: one that comes again, after
// a crash or from a store that was mended, finishes that and deletes nothing that came later. Rows decide
// and no clock does, so that a note which was long on its way also takes what other edges have sent of
// the person until then.
//
// Nothing here deletes events because of their age. The owner of the database does:
//
//	DELETE FROM ctlive_events WHERE received_at < now() - interval '400 days';
//	DELETE FROM ctlive_events_pages WHERE minute < extract(epoch FROM now() - interval '400 days') / 60;
//	DELETE FROM ctlive_events_page_increments WHERE minute < extract(epoch FROM now() - interval '400 days') / 60;
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ctlive/collector"
	"ctlive/collector/forward"
)

const (
	connectTimeout = 10 * time.Second // unless the DSN says connect_timeout
	closeTimeout   = 3 * time.Second
)

// errDSN tells nothing of the DSN: it may hold a password where none is looked for.
var errDSN = errors.New("the DSN is not understood: write postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full")

// Options says where events are.
type Options struct {
	DSN    string       // a URL or key=value pairs, as for psql; several hosts are tried in turn
	Table  string       // of events: NAME or SCHEMA.NAME
	Logger *slog.Logger // nil: nothing is told
}

// Sink writes to one table. It is used by one goroutine at a time.
type Sink struct {
	config *pgx.ConnConfig
	tables tables
	log    *slog.Logger
	warned bool      // that the server does not wait for its disk
	conn   *pgx.Conn // nil: none
	sweep  sweep
}

// New returns a sink that has not connected to anything yet.
func New(o Options) (*Sink, error) {
	t, err := tablesOf(o.Table)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	config, err := pgx.ParseConfig(o.DSN)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", dsnError(err))
	}
	complete(config)
	return &Sink{config: config, tables: t, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler))}, nil
}

// dsnError returns errDSN, with the file that could not be read if that is what is wrong.
func dsnError(err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%w: %w", errDSN, file)
	}
	return errDSN
}

// complete sets what the DSN leaves open.
func complete(c *pgx.ConnConfig) {
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "ctlive"
	}
}

// Send stores events in their order, all or none of them. Those that are there are left as they are.
func (s *Sink) Send(ctx context.Context, events []collector.Record) error {
	if len(events) == 0 {
		return nil
	}
	err := s.do(ctx, "store events", func(c *pgx.Conn) error {
		return s.tables.add(ctx, c, staging{
			columns: eventColumns,
			rows:    pgx.CopyFromSlice(len(events), func(i int) ([]any, error) { return eventValues(&events[i]), nil }),
		}, addEvents)
	})
	if unfit(err) {
		return forward.Refuse(err)
	}
	return err
}

// unfit reports whether err is what the server says of the data that it was given (PostgreSQL, appendix A):
// it breaks a rule of types or of the table, which its owner may have added to, or is too large.
func unfit(err error) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && len(answer.Code) == 5 && slices.Contains([]string{"22", "23", "54", "P0"}, answer.Code[:2])
}

const addEvents = `INSERT INTO {events} (site, id, type, at, received_at, reported, page, session, seq, mono, url, referrer,
		title, lang, chat_id, user_id, client, flags, object, extra, refused, dropped)
	SELECT site, id, type, at, received_at, reported, page, session, seq, mono, url, referrer,
		title, lang, chat_id, user_id, client, flags, object, extra, refused, dropped
	FROM {staged} ORDER BY n ON CONFLICT (site, id) DO NOTHING`

// Close ends the connection.
func (s *Sink) Close() error {
	s.drop()
	return nil
}

// do runs f with the connection, which it makes if there is none and drops after an error: then the
// server rolls back what is open.
func (s *Sink) do(ctx context.Context, what string, f func(*pgx.Conn) error) error {
	err := s.connect(ctx)
	if err == nil {
		err = f(s.conn)
	}
	if err != nil {
		s.drop()
		return fmt.Errorf("postgres: %s: %w", what, err)
	}
	return nil
}

// connect makes a connection to a server that has our tables, unless there is one.
func (s *Sink) connect(ctx context.Context) error {
	if s.conn != nil {
		return nil
	}
	c, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return err
	}
	s.conn = c
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.tables.make(ctx, c)
}

// check looks at how the server is set up.
func (s *Sink) check(ctx context.Context) error {
	var encoding, fsync string
	err := s.conn.QueryRow(ctx, `SELECT current_setting('server_encoding'), current_setting('fsync')`).Scan(&encoding, &fsync)
	if err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database %q has the encoding %s, which cannot hold every text: make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
			s.config.Database, encoding)
	}
	if fsync != "on" && !s.warned {
		s.warned = true
		s.log.Warn("PostgreSQL runs with fsync=off: when its machine fails, events are lost that it has confirmed", "host", s.config.Host)
	}
	return nil
}

// drop ends the connection, if there is one.
func (s *Sink) drop() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	s.conn.Close(ctx) // an error says that it has ended already
	s.conn = nil
}
