package collector

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

// ErrSchema says that the store on disk and this program do not fit together. The message names
// the way out.
var ErrSchema = errors.New("schema does not fit")

//go:embed schema/*.sql
var schemaFiles embed.FS

// migrations lists the steps from an empty file to today's schema: the first makes version 1. A
// step that has been released never changes.
func migrations() []string {
	files, err := fs.Glob(schemaFiles, "schema/*.sql") // sorted by name
	if err != nil {
		panic(err)
	}
	steps := make([]string, len(files))
	for i, name := range files {
		text, err := schemaFiles.ReadFile(name)
		if err != nil {
			panic(err)
		}
		steps[i] = string(text)
	}
	return steps
}

// migrate brings the schema of db up to the last of steps, each in a transaction of its own, so
// that a crash leaves a version that the next start goes on from.
func migrate(ctx context.Context, db *sql.DB, steps []string) error {
	const table = `CREATE TABLE IF NOT EXISTS schema_version (
		version INTEGER PRIMARY KEY,
		applied INTEGER NOT NULL DEFAULT (unixepoch())
	) STRICT`
	if _, err := db.ExecContext(ctx, table); err != nil {
		return fmt.Errorf("create schema_version: %w", err)
	}
	for {
		done, err := migrateStep(ctx, db, steps)
		if done || err != nil {
			return err
		}
	}
}

// migrateStep takes the next step, if one is due. It reads the version inside the transaction
// that changes it: two processes may start at once.
func migrateStep(ctx context.Context, db *sql.DB, steps []string) (done bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("migrate: %w", err)
	}
	defer tx.Rollback()
	version, err := schemaVersion(ctx, tx)
	if err != nil {
		return false, err
	}
	if version > len(steps) {
		return false, fmt.Errorf("%w: the store has version %d, this program knows up to %d; run a ctlive at least as new as the one that wrote it",
			ErrSchema, version, len(steps))
	}
	if version == len(steps) {
		return true, nil
	}
	if _, err := tx.ExecContext(ctx, steps[version]); err != nil {
		return false, fmt.Errorf("migrate to schema %d: %w", version+1, err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version) VALUES (?)`, version+1); err != nil {
		return false, fmt.Errorf("record schema %d: %w", version+1, err)
	}
	if err := tx.Commit(); err != nil {
		return false, fmt.Errorf("commit schema %d: %w", version+1, err)
	}
	return false, nil
}

// schemaVersion returns the version of the schema that q sees; 0 is an empty store.
func schemaVersion(ctx context.Context, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) (int, error) {
	var version int
	err := q.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_version`).Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return version, nil
}

// checkSchema refuses a store that a reader of this program's age would misread.
func checkSchema(ctx context.Context, db *sql.DB) error {
	version, err := schemaVersion(ctx, db)
	if err != nil {
		return err
	}
	if want := len(migrations()); version != want {
		return fmt.Errorf("%w: the store has version %d, this program reads %d; use the ctlive that runs the proxy, or restart the proxy with this one",
			ErrSchema, version, want)
	}
	return nil
}
