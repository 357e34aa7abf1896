package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// layoutVersion grows with each change to the tables that an older program would stumble over.
const layoutVersion = 1

// ErrLayout says that the tables in the database and this program do not fit together.
var ErrLayout = errors.New("layout does not fit")

// lockSpace is the upper half of the numbers of our advisory locks, the lower one is the table's.
const lockSpace = int64(0x63746c76) << 32

const makeLayout = `
CREATE TABLE {layout} (
	version integer NOT NULL,
	store   text NOT NULL -- which store this is: a new one has another
);
CREATE TABLE {events} (
	row         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order of commits
	site        text NOT NULL,
	id          text NOT NULL,
	type        text NOT NULL,
	at          timestamptz NOT NULL, -- when it happened
	received_at timestamptz NOT NULL,
	reported    timestamptz,          -- the visitor's clock's own time, where at is corrected
	page        text NOT NULL,
	session     text NOT NULL,
	seq         bigint NOT NULL,
	mono        bigint NOT NULL,      -- milliseconds since the page began; 0: not known
	url         text NOT NULL,
	referrer    text NOT NULL,
	title       text NOT NULL,
	lang        text NOT NULL,
	chat_id     text NOT NULL,
	user_id     text NOT NULL,
	client      text NOT NULL,
	flags       text[] NOT NULL,
	object      text NOT NULL,        -- JSON
	extra       text,                 -- JSON
	refused     bigint NOT NULL,      -- by the page's listener, so far
	dropped     bigint NOT NULL,
	UNIQUE (site, id)
);
CREATE INDEX ON {events} (at, seq, row);
CREATE INDEX ON {events} USING brin (received_at);
CREATE INDEX ON {events} (received_at) WHERE refused + dropped > 0;
-- An id may be larger than a B-tree takes.
CREATE INDEX ON {events} USING hash (chat_id) WHERE chat_id <> '';
CREATE INDEX ON {events} USING hash (user_id) WHERE user_id <> '';
CREATE TABLE {pages} (
	edge   text NOT NULL,
	minute bigint NOT NULL, -- since 1970
	site   text NOT NULL,
	result text NOT NULL,
	reason text NOT NULL,
	n      bigint NOT NULL,
	PRIMARY KEY (minute, edge, site, result, reason)
);
CREATE TABLE {increments} (
	row    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order of commits
	minute bigint NOT NULL,
	site   text NOT NULL,
	result text NOT NULL,
	reason text NOT NULL,
	n      bigint NOT NULL
);
CREATE TABLE {erased} (
	row  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order of commits
	kind text NOT NULL,
	id   text NOT NULL,
	at   timestamptz NOT NULL
)`

// makeNotes stands alone because there are tables that were made before it.
const makeNotes = `
CREATE TABLE {notes} (
	edge    text NOT NULL,
	note    bigint NOT NULL,      -- its row in the store of the edge, which may begin anew: hence the time
	at      timestamptz NOT NULL,
	through bigint NOT NULL,      -- the last row of an event that it is meant for
	done    boolean NOT NULL DEFAULT false,
	PRIMARY KEY (edge, note, at)
)`

// tables are the tables of one store.
type tables struct {
	schema string // "": the first in the search path
	name   string
}

// A name leaves room for what is added to it in the 63 bytes that PostgreSQL looks at.
var tableName = regexp.MustCompile(`^(?:([A-Za-z_][A-Za-z0-9_]{0,62})\.)?([A-Za-z_][A-Za-z0-9_]{0,46})$`)

func tablesOf(name string) (tables, error) {
	parts := tableName.FindStringSubmatch(name)
	if parts == nil {
		return tables{}, fmt.Errorf("table %q: write NAME or SCHEMA.NAME, of letters, digits and underscores, NAME of 47 at most", name)
	}
	return tables{parts[1], parts[2]}, nil
}

// named returns the quoted name of the table with a suffix.
func (t tables) named(suffix string) string {
	if t.schema == "" {
		return pgx.Identifier{t.name + suffix}.Sanitize()
	}
	return pgx.Identifier{t.schema, t.name + suffix}.Sanitize()
}

// staged is the temporary table that is copied to.
func (t tables) staged() pgx.Identifier { return pgx.Identifier{"pg_temp", t.name + "_staged"} }

// sql fills in the names of the tables.
func (t tables) sql(text string) string {
	return strings.NewReplacer("{events}", t.named(""), "{pages}", t.named("_pages"), "{increments}", t.named("_page_increments"),
		"{erased}", t.named("_erased"), "{notes}", t.named("_notes"), "{layout}", t.named("_layout"), "{staged}", t.staged().Sanitize()).Replace(text)
}

// lock returns the statement that makes the rest of a transaction the only one that numbers rows.
func (t tables) lock() string {
	return fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d | '%s'::regclass::oid::bigint)`, lockSpace, t.named(""))
}

// make makes the tables unless they are there. We look first: IF NOT EXISTS asks for the right to
// make them even then.
func (t tables) make(ctx context.Context, c *pgx.Conn) error {
	for _, suffix := range []string{"_layout", "_notes"} {
		there, err := t.has(ctx, c, suffix)
		if err != nil {
			return err
		}
		if !there {
			if err := t.create(ctx, c); err != nil {
				return fmt.Errorf("make tables: %w", err)
			}
		}
	}
	_, err := t.store(ctx, c)
	return err
}

// querier is a connection, a transaction or a pool.
type querier interface {
	QueryRow(ctx context.Context, text string, args ...any) pgx.Row
}

// exist reports whether the tables are there that a reader needs.
func (t tables) exist(ctx context.Context, c querier) (bool, error) { return t.has(ctx, c, "_layout") }

// has reports whether the table with a suffix is there. It reads pg_class for the sake of the lock: without
// one, to_regclass answers out of a cache that has not heard what was committed a moment ago.
func (t tables) has(ctx context.Context, c querier, suffix string) (there bool, err error) {
	err = c.QueryRow(ctx, `SELECT count(*) > 0 FROM pg_catalog.pg_class WHERE oid = to_regclass($1)`, t.named(suffix)).Scan(&there)
	return there, err
}

// create makes the tables that are missing, unless another edge was first.
func (t tables) create(ctx context.Context, c *pgx.Conn) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, lockSpace)); err != nil {
		return err
	}
	if there, err := t.exist(ctx, tx); err != nil {
		return err
	} else if !there {
		if _, err := tx.Exec(ctx, t.sql(makeLayout)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, t.sql(`INSERT INTO {layout} VALUES ($1, $2)`), layoutVersion, rand.Text()); err != nil {
			return err
		}
	}
	if there, err := t.has(ctx, tx, "_notes"); err != nil {
		return err
	} else if !there {
		if _, err := tx.Exec(ctx, t.sql(makeNotes)); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

// store returns the name of the store that the tables are, once it knows that we understand them.
func (t tables) store(ctx context.Context, c querier) (name string, err error) {
	var version int
	err = c.QueryRow(ctx, t.sql(`SELECT version, store FROM {layout}`)).Scan(&version, &name)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", fmt.Errorf("%w: the table %s is empty; drop all tables of that name", ErrLayout, t.named("_layout"))
	case err != nil:
		return "", err
	case version != layoutVersion:
		return "", fmt.Errorf("%w: the tables have version %d, this program knows %d; run the ctlive that made them, or one with the same version everywhere",
			ErrLayout, version, layoutVersion)
	}
	return name, nil
}
