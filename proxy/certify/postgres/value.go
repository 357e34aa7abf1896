package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5"
)

// maxValue is far above what certmagic stores: chains, keys and OCSP staples.
const maxValue = 1 << 20

// clean returns key without the slashes that mean nothing, "" for the root.
func clean(key string) string { return strings.TrimPrefix(path.Clean("/"+key), "/") }

// below returns the range of the keys below the folder key, whose end is not in it.
func below(key string) (from, to string) {
	if key == "" {
		return "", "\U0010ffff"
	}
	return key + "/", key + "0" // "0" follows "/"
}

// file returns the name of a value.
func file(what, key string) (string, error) {
	name := clean(key)
	if name == "" {
		return "", &fs.PathError{Op: what, Path: key, Err: fs.ErrInvalid}
	}
	return name, nil
}

func missing(what, key string) error {
	return &fs.PathError{Op: what, Path: key, Err: fs.ErrNotExist}
}

// Store puts value at key.
func (s *Store) Store(ctx context.Context, key string, value []byte) error {
	name, err := file("store", key)
	if err != nil {
		return err
	}
	if len(value) > maxValue {
		return fmt.Errorf("store %s: %d bytes are more than %d", key, len(value), maxValue)
	}
	if value == nil {
		value = []byte{} // nil would be NULL
	}
	return s.do(ctx, "store", key, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `
			INSERT INTO ctlive_certificates (key, value, modified) VALUES ($1, $2, clock_timestamp())
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, modified = excluded.modified`, name, value)
		return err
	})
}

// Load returns the value at key.
func (s *Store) Load(ctx context.Context, key string) ([]byte, error) {
	name, err := file("load", key)
	if err != nil {
		return nil, err
	}
	var value []byte
	var size int64 = -1
	err = s.do(ctx, "load", key, func(ctx context.Context) error {
		return none(s.pool.QueryRow(ctx,
			`SELECT substr(value, 1, $2), octet_length(value) FROM ctlive_certificates WHERE key = $1`, name, maxValue).Scan(&value, &size))
	})
	switch {
	case err != nil:
		return nil, err
	case size < 0:
		return nil, missing("load", key)
	case size > maxValue:
		return nil, fmt.Errorf("load %s: %d bytes are more than %d", key, size, maxValue)
	}
	return value, nil
}

// none forgives that there is no row.
func none(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

// Delete removes key and all keys below it. There need not be any.
func (s *Store) Delete(ctx context.Context, key string) error {
	name, err := file("delete", key)
	if err != nil {
		return err
	}
	from, to := below(name)
	return s.do(ctx, "delete", key, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `DELETE FROM ctlive_certificates WHERE key = $1 OR key >= $2 AND key < $3`, name, from, to)
		return err
	})
}

// Exists reports whether there is a value at key or below it. It reports false if
// the database does not answer.
func (s *Store) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// Stat describes key. A folder was modified when the newest value in it was.
func (s *Store) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	name := clean(key)
	from, to := below(name)
	info := certmagic.KeyInfo{Key: key}
	found := false
	err := s.do(ctx, "stat", key, func(ctx context.Context) error {
		err := s.pool.QueryRow(ctx, `
			SELECT true, modified, octet_length(value) FROM ctlive_certificates WHERE key = $1`, name).
			Scan(&info.IsTerminal, &info.Modified, &info.Size)
		if found = err == nil; found {
			return nil
		}
		if none(err) != nil {
			return err
		}
		return s.pool.QueryRow(ctx, `
			SELECT count(*) > 0, coalesce(max(modified), 'epoch') FROM ctlive_certificates WHERE key >= $1 AND key < $2`, from, to).
			Scan(&found, &info.Modified)
	})
	if err == nil && !found {
		err = missing("stat", key)
	}
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	return info, nil
}

// List returns the keys in the folder prefix, sorted: the values and folders right
// in it, or with recursive those further below as well. A value has none.
func (s *Store) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	folder := clean(prefix)
	from, to := below(folder)
	query := `SELECT DISTINCT split_part(substr(key, length($1) + 1), '/', 1) FROM ctlive_certificates WHERE key >= $1 AND key < $2 ORDER BY 1`
	if recursive {
		query = `SELECT substr(key, length($1) + 1) FROM ctlive_certificates WHERE key >= $1 AND key < $2 ORDER BY 1`
	}
	var names []string
	err := s.do(ctx, "list", prefix, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, query, from, to)
		if err == nil {
			names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		_, err := s.Stat(ctx, prefix)
		return nil, err
	}
	return withFolders(folder, names), nil
}

// withFolders returns names, which are relative to folder, as keys, each after the
// folders on the way to it.
func withFolders(folder string, names []string) []string {
	var keys []string
	seen := map[string]bool{}
	for _, name := range names {
		for i, c := range name + "/" {
			if c == '/' && !seen[name[:i]] {
				seen[name[:i]] = true
				keys = append(keys, path.Join(folder, name[:i]))
			}
		}
	}
	return keys
}
