package forward

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ctlive/collector/sqlite"
)

// AddEdge adds the name of the edge whose data folder is dir to file, a copy of the event store there. In
// a folder without a name [New] takes it from there: what goes back to a backup is the edge that it was,
// and its pages are not counted twice.
func AddEdge(ctx context.Context, dir, file string) error {
	name := readEdge(dir)
	if name == "" {
		return nil // what the store may carry itself is in the copy
	}
	db, err := sqlite.Open(file, "rw", 1)
	if err == nil {
		_, err = db.ExecContext(ctx, `DROP TABLE IF EXISTS forward_edge;
			CREATE TABLE forward_edge (name TEXT NOT NULL) STRICT;
			INSERT INTO forward_edge VALUES (?)`, name)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return fmt.Errorf("back up the name of the edge: %w", err)
	}
	return nil
}

// carriedEdge returns the name that the event store in dir carries since it was a backup, "" if there is
// none.
func carriedEdge(ctx context.Context, dir string) (name string, err error) {
	path := filepath.Join(dir, "ctlive.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	db, err := sqlite.Open(path, "ro", 1)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var carried bool
	err = db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'forward_edge')`).Scan(&carried)
	if err != nil || !carried {
		return "", err
	}
	err = db.QueryRowContext(ctx, `SELECT name FROM forward_edge`).Scan(&name)
	if err != nil && !errors.Is(err, sql.ErrNoRows) || !edgeName.MatchString(name) {
		return "", err
	}
	return name, nil
}
