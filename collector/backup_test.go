package collector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestBackupOfALiveStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	h := New(s, Options{Rate: math.Inf(1)}).Handler(testSite)
	sendText(t, h, `nonsense`)
	var acked []string
	put := func(i int) {
		id := fmt.Sprint(i)
		if a := sendText(t, h, batchOf(loaded(id))); a.code != 200 {
			t.Errorf("%s: %d", id, a.code)
		}
		acked = append(acked, id)
	}
	for i := range 100 {
		put(i)
	}
	before := len(acked)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := before; ctx.Err() == nil; i++ {
			put(i)
		}
	})
	reader, err := OpenReadOnly(dir) // as the command does
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	target := t.TempDir()
	file := filepath.Join(target, storeFile)
	n, err := reader.Backup(t.Context(), file)
	stop()
	writers.Wait()
	if err != nil || n < int64(before) {
		t.Fatalf("%d events, %v; want at least %d", n, err, before)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := reader.Backup(t.Context(), file); !errors.Is(err, fs.ErrExist) {
		t.Errorf("again: %v, want %v", err, fs.ErrExist)
	}
	if files, _ := os.ReadDir(target); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	// The copy is what was acknowledged up to some moment, in order, and a store of its own.
	copied := openStore(t, target)
	checkLedger(t, copied, acked[:n])
	if got := len(allEvents(t, copied)); got != int(n) || len(allRejects(t, copied)) != 1 {
		t.Errorf("%d events, want %d", got, n)
	}
	again := New(copied, Options{}).Handler(testSite)
	if a := sendText(t, again, batchOf(loaded("0"), loaded("new"))); a.verdicts()[0] != "duplicate" || a.verdicts()[1] != "stored" {
		t.Errorf("got %q", a.verdicts())
	}
}

func TestBackupFails(t *testing.T) {
	s := openStore(t, t.TempDir())
	target := t.TempDir()
	if _, err := s.Backup(t.Context(), filepath.Join(target, "no", "folder.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Backup(ctx, filepath.Join(target, "copy.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if files, _ := os.ReadDir(target); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}
