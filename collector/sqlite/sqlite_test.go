package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func scanText(rows *sql.Rows) (text string, err error) {
	err = rows.Scan(&text)
	return text, err
}

func open(t *testing.T, path, mode string, params ...string) *sql.DB {
	t.Helper()
	db, err := Open(path, mode, 1, params...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// TestOpen: whatever the path is called, it is that file, and the connection is as it is to be.
func TestOpen(t *testing.T) {
	for _, name := range []string{"plain.db", "a b?mode=memory#%41.db"} {
		path := filepath.Join(t.TempDir(), name)
		made, err := Create(path)
		again, err2 := Create(path)
		if info, err3 := os.Stat(path); !made || again || errors.Join(err, err2, err3) != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: made %t, %t, %v", name, made, again, errors.Join(err, err2, err3))
		}
		db := open(t, path, "rw", "_pragma=journal_mode(WAL)")
		if _, err := db.Exec(`CREATE TABLE words (word TEXT); INSERT INTO words VALUES ('a'), ('b')`); err != nil {
			t.Fatal(err)
		}
		words, err := Rows(t.Context(), open(t, path, "ro"), scanText, `SELECT word FROM words ORDER BY word`)
		if err != nil || !slices.Equal(words, []string{"a", "b"}) {
			t.Errorf("%s: %q, %v", name, words, err)
		}
		for pragma, want := range map[string]string{"busy_timeout": "5000", "temp_store": "2", "cell_size_check": "1", "journal_mode": "wal"} {
			if got, err := Rows(t.Context(), db, scanText, "PRAGMA "+pragma); err != nil || got[0] != want {
				t.Errorf("%s is %q, want %s, %v", pragma, got, want, err)
			}
		}
		if _, err := db.Exec(`SELECT "wrod" FROM words`); err == nil {
			t.Error("a misspelt column is a text")
		}
		if _, err := open(t, path, "ro").Exec(`DELETE FROM words`); err == nil || Code(err) == 0 || Damaged(err) {
			t.Errorf("read only: %v", err)
		}
		db.Close()
		if err := Remove(path); err != nil {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, path, "ro").Query(`SELECT * FROM sqlite_schema`)
	if !Damaged(fmt.Errorf("read: %w", err)) {
		t.Errorf("%v is no damage", err)
	}
	_, err = open(t, path+"-none", "ro").Query(`SELECT 1 FROM sqlite_schema`)
	if err == nil || Damaged(err) || Damaged(nil) {
		t.Errorf("%v is damage", err)
	}
}
