package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// schemaLock is the advisory lock under which the tables are made: CREATE TABLE IF
// NOT EXISTS by two at a time fails for one of them.
const schemaLock = 0x63746c6976654354

// Keys are compared byte by byte, so that those below "a/" are the range from "a/"
// to "a0", whatever the database's own collation is.
const schema = `
CREATE TABLE IF NOT EXISTS ctlive_certificates (
	key text COLLATE "C" PRIMARY KEY,
	value bytea NOT NULL,
	modified timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS ctlive_certificate_locks (
	name text PRIMARY KEY,
	owner text NOT NULL,
	expires timestamptz NOT NULL
);`

// prepare makes the tables if they are not there. Where they are, the user needs
// no right to make any.
func (s *Store) prepare(ctx context.Context) error {
	if s.ready.Load() {
		return nil
	}
	var present bool
	err := s.pool.QueryRow(ctx,
		`SELECT to_regclass('ctlive_certificates') IS NOT NULL AND to_regclass('ctlive_certificate_locks') IS NOT NULL`).Scan(&present)
	if err == nil && !present {
		err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(schemaLock)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, schema)
			return err
		})
	}
	if err == nil {
		s.ready.Store(true)
	}
	return err
}
