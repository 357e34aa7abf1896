package collector

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// keyFiles returns the names of the key files in the data folder dir, and what is in them.
func keyFiles(t *testing.T, dir string) (names []string, contents []byte) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, keyFolder))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
		b, err := os.ReadFile(filepath.Join(dir, keyFolder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, b...)
	}
	return names, contents
}

// TestE9KeyIsDestroyed: a key is used for a day and gone within 48 hours, from memory and disk,
// though nobody asks for one.
func TestE9KeyIsDestroyed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		k := OpenKeys(dir, slog.New(slog.DiscardHandler))
		defer k.Close()
		begin := time.Now() // midnight in UTC
		at := func() Millis { return millis(time.Now()) }
		first := k.mask("a", at(), at())
		time.Sleep(23 * time.Hour)
		if k.mask("a", at(), at()) != first {
			t.Error("another key on the same day")
		}
		time.Sleep(2 * time.Hour)
		second := k.mask("a", at(), at())
		if second == first {
			t.Error("no new key on the next day")
		}
		if k.mask("a", millis(begin), at()) != first {
			t.Error("what happened yesterday is not given yesterday's name")
		}
		names, _ := keyFiles(t, dir)
		if want := []string{"pseudonym-2000-01-01", "pseudonym-2000-01-02", "token-2000-01-01"}; !slices.Equal(names, want) {
			t.Errorf("files %q, want %q", names, want)
		}
		time.Sleep(48*time.Hour + 2*keyUpkeep - time.Since(begin))
		names, contents := keyFiles(t, dir)
		if want := []string{"pseudonym-2000-01-02", "token-2000-01-01"}; !slices.Equal(names, want) || bytes.Contains(contents, first.key[:]) {
			t.Errorf("files %q, want %q", names, want)
		}
		if got := k.mask("a", millis(begin), at()); got == first {
			t.Error("the key lives on in memory")
		}
	})
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	k := OpenKeys(dir, log)
	today := dayOf(millis(time.Now()))
	key := k.tokens.today(today)[0].key
	k.Close()
	names, contents := keyFiles(t, dir)
	if len(names) != 1 || !bytes.Equal(contents, key[:]) {
		t.Fatalf("files %q", names)
	}
	path := filepath.Join(dir, keyFolder, names[0])
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again := OpenKeys(dir, log)
	defer again.Close()
	if again.tokens.today(today)[0].key != key {
		t.Error("another key after a restart")
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := OpenKeys(dir, log)
	defer damaged.Close()
	if damaged.tokens.today(today)[0].key == ([keySize]byte{}) {
		t.Error("a damaged file made a key that anyone can guess")
	}
}

// TestKeysOfTwoProcesses: whoever comes first makes the key that all use.
func TestKeysOfTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	var made [8][keySize]byte
	var all sync.WaitGroup
	today := dayOf(millis(time.Now()))
	for i := range made {
		all.Go(func() {
			k := OpenKeys(dir, slog.New(slog.DiscardHandler))
			defer k.Close()
			made[i] = k.pseudonyms.on(today, today)
		})
	}
	all.Wait()
	for _, key := range made {
		if key != made[0] {
			t.Fatal("two keys for one day")
		}
	}
	if names, _ := keyFiles(t, dir); len(names) != 2 { // and one for tokens
		t.Errorf("files %q", names)
	}
}

func TestKeysWithoutFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	k := OpenKeys(dir, slog.New(slog.NewTextHandler(&log, nil)))
	defer k.Close()
	a, b := k.pseudonyms.on(20000, 20000), k.pseudonyms.on(20000, 20000)
	if a != b || a == ([keySize]byte{}) {
		t.Error("no key in memory")
	}
	if !bytes.Contains(log.Bytes(), []byte("memory only")) {
		t.Errorf("log: %s", log.Bytes())
	}
}
