package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// beginStaging begins a transaction that makes the promise of this package, whatever the defaults of
// the database are. A peer that has vanished must not keep its locks for hours.
const beginStaging = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL idle_in_transaction_session_timeout = '1min';
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
`

// column is one of a staging table.
type column struct{ name, typ string }

// staging is what goes to the server in one COPY.
type staging struct {
	columns []column
	rows    pgx.CopyFromSource // each with its number in front
}

func (s staging) names() []string {
	names := []string{"n"}
	for _, c := range s.columns {
		names = append(names, c.name)
	}
	return names
}

func (s staging) make() string {
	var list strings.Builder
	for _, c := range s.columns {
		list.WriteString(", " + c.name + " " + c.typ)
	}
	return "CREATE TEMPORARY TABLE {staged} (n bigint" + list.String() + ") ON COMMIT DROP"
}

// add copies s into a temporary table and runs statements that take it from there, in one
// transaction. What comes under the lock is one message: nobody waits for our next one while it is
// held.
func (t tables) add(ctx context.Context, c *pgx.Conn, s staging, statements ...string) error {
	if err := run(ctx, c, beginStaging+t.sql(s.make())); err != nil {
		return err
	}
	if _, err := c.CopyFrom(ctx, t.staged(), s.names(), numbered(s.rows)); err != nil {
		return err
	}
	return run(ctx, c, t.lock()+";\n"+t.sql(strings.Join(statements, ";\n"))+";\nCOMMIT")
}

// run runs statements that take no arguments and whose results nobody wants, in one message.
func run(ctx context.Context, c *pgx.Conn, text string) error {
	_, err := c.PgConn().Exec(ctx, text).ReadAll()
	return err
}

// numbering puts a number in front of each row.
type numbering struct {
	pgx.CopyFromSource
	n int64
}

func numbered(rows pgx.CopyFromSource) pgx.CopyFromSource { return &numbering{CopyFromSource: rows} }

func (s *numbering) Values() ([]any, error) {
	values, err := s.CopyFromSource.Values()
	s.n++
	return append([]any{s.n}, values...), err
}
