package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// errDSN says nothing of what the DSN is: it may hold a password.
var errDSN = errors.New("--dsn is no address of a database: write it as in postgres://USER@HOST:5432/DATABASE")

// cache is a folder for figures, which one process at a time has.
type cache struct {
	dir  string
	lock *os.File
}

// openCache opens the folder dir, or, for "", the one called name in the user's
// cache folder. The caller closes it.
func openCache(dir, name string) (*cache, error) {
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("no folder for the figures, name one with --data: %w", err)
		}
		dir = filepath.Join(base, "ctlive", name)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for the figures: %w", err)
	}
	c := &cache{dir: dir}
	var err error
	if c.lock, err = lockAlone(c.path("lock")); err != nil {
		return nil, fmt.Errorf("another ctlive dashboard has %s, choose a folder with --data: %w", dir, err)
	}
	return c, nil
}

func (c *cache) path(name string) string { return filepath.Join(c.dir, name) }

func (c *cache) close() error { return c.lock.Close() }

// cacheName returns a name for the figures of a table. A password is no part of
// it: it changes, and the figures do not.
func cacheName(dsn, table string) (string, error) {
	c, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return "", errDSN
	}
	where := []string{c.Host, strconv.Itoa(int(c.Port)), c.Database, table}
	sum := sha256.Sum256([]byte(strings.Join(where, "\x00")))
	return "dashboard-" + hex.EncodeToString(sum[:8]), nil
}
