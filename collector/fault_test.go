package collector

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ctlive/collector/sqlite"
)

// smallDisk mounts a file system of its own with so many KiB.
func smallDisk(t *testing.T, size int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dk", size), "ctlive-test", dir).CombinedOutput()
	if err != nil {
		t.Skipf("needs to mount a tmpfs: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	return dir
}

func remount(t *testing.T, dir, how string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+how, dir).CombinedOutput(); err != nil {
		t.Skipf("needs to remount: %v: %s", err, out)
	}
}

// large returns a batch of some 10 KiB.
func large(id string) string {
	return batchOf(`{"id":"` + id + `","type":"Loaded","object":{"pad":"` + strings.Repeat("x", 10<<10) + `"}}`)
}

// TestD3FullDisk fills a small disk: nothing is acknowledged that is not stored, and intake goes on
// by itself when there is room.
func TestD3FullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 4096)
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(disk, "data")
	s := openStore(t, dir)
	h := newAged(s, new(time.Now()))
	var acked []string
	refused := 0
	for i := 0; refused < 20; i++ {
		id := fmt.Sprint(i)
		switch a := sendText(t, h, large(id)); {
		case a.code == 200:
			acked = append(acked, id)
		case a.code == 503 && a.header.Get("Retry-After") != "":
			if refused++; refused%5 == 0 {
				time.Sleep(upkeep) // it may try again
			}
		default:
			t.Fatalf("answer %d %s", a.code, a.Reason)
		}
		if i > 1000 {
			t.Fatal("the disk is never full")
		}
	}
	checkLedger(t, s, acked)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	waitReady(t, s)
	if a := sendText(t, h, large("after")); a.code != 200 {
		t.Errorf("with room again: %d", a.code)
	}
	checkLedger(t, s, append(acked, "after"))
	s.Close()
	checkLedger(t, openStore(t, dir), append(acked, "after"))
}

// TestD3StartOnAFullDisk opens a store where there is no room for one.
func TestD3StartOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 1024)
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	checkOpensLater(t, filepath.Join(disk, "data"), func() { os.Remove(filler) })
}

func TestD3StartReadOnly(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"no store yet", "store"} {
		t.Run(name, func(t *testing.T) {
			disk := smallDisk(t, 4096)
			dir := filepath.Join(disk, "data")
			if name == "store" {
				openStore(t, dir).Close()
			}
			remount(t, disk, "ro")
			checkOpensLater(t, dir, func() { remount(t, disk, "rw") })
		})
	}
}

// checkOpensLater opens a store that cannot be opened until help has come.
func checkOpensLater(t *testing.T, dir string, help func()) {
	t.Helper()
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("the proxy could not start: %v", err)
	}
	defer s.Close()
	h := New(s, Options{}).Handler(testSite)
	if a := sendText(t, h, batchOf(loaded("a"))); a.code != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("answer %d", a.code)
	}
	if s.Ready() == nil {
		t.Error("ready")
	}
	if _, err := s.Counts(t.Context(), Filter{}); err == nil {
		t.Error("it can be read")
	}
	help()
	waitReady(t, s)
	if a := sendText(t, h, batchOf(loaded("a"))); a.code != 200 {
		t.Errorf("afterwards: %d", a.code)
	}
	checkLedger(t, s, []string{"a"})
}

// TestD6StuckDisk blocks a commit for longer than a disk may take.
func TestD6StuckDisk(t *testing.T) {
	t.Parallel()
	h, s, f := newFaulty(t)
	release := make(chan bool)
	f.onCommit(func(real func() error) error {
		<-release
		return real()
	})
	first := make(chan answer, 1)
	go func() { first <- sendText(t, h, batchOf(loaded("a"))) }()
	if a := <-first; a.code != 503 { // although the disk does not answer
		t.Errorf("%d", a.code)
	}
	for end := time.Now().Add(stallTime + lateness); s.Ready() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("still ready")
		}
	}
	if err := s.Ready(); !errors.Is(err, errStalled) {
		t.Errorf("not ready for %v", err)
	}
	for range 100 { // at once, and without being kept in memory
		start := time.Now()
		if a := sendText(t, h, batchOf(loaded("b"))); a.code != 503 || time.Since(start) > storeTimeout/2 {
			t.Fatalf("%d after %v", a.code, time.Since(start))
		}
	}
	f.onCommit(nil)
	close(release)
	waitReady(t, s)
	if a := sendText(t, h, batchOf(loaded("a"))); a.code != 200 || a.Results[0].Verdict != Duplicate {
		t.Errorf("sent again: %d %q", a.code, a.verdicts())
	}
	checkLedger(t, s, []string{"a"})
}

// TestD6LockHeld holds the write lock as another process would.
func TestD6LockHeld(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	h := New(s, Options{}).Handler(testSite)
	release := blockWrites(t, s)
	if a := sendText(t, h, batchOf(loaded("a"))); a.code != 503 { // although the lock is held
		t.Errorf("%d", a.code)
	}
	for end := time.Now().Add(stallTime + lateness); s.Ready() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("still ready")
		}
	}
	release()
	waitReady(t, s)
	if a := sendText(t, h, batchOf(loaded("a"))); a.code != 200 {
		t.Errorf("afterwards: %d", a.code)
	}
	checkLedger(t, s, []string{"a"})
}

// TestD7SlowDisk takes half a second for each commit: requests share them.
func TestD7SlowDisk(t *testing.T) {
	t.Parallel()
	h, s, f := newFaulty(t)
	commits := 0
	f.onCommit(func(real func() error) error {
		commits++
		time.Sleep(500 * time.Millisecond)
		return real()
	})
	var mu sync.Mutex
	var acked []string
	var senders sync.WaitGroup
	for i := range 64 {
		senders.Go(func() {
			for k := range 3 {
				id := fmt.Sprint(i, "-", k)
				a := sendText(t, h, batchOf(loaded(id)))
				mu.Lock()
				if a.code == 200 {
					acked = append(acked, id)
				} else if a.code != 503 {
					t.Errorf("answer %d", a.code)
				}
				mu.Unlock()
			}
		})
	}
	senders.Wait()
	if len(acked) != 3*64 || commits > 3*64/8 {
		t.Errorf("%d of %d stored in %d commits", len(acked), 3*64, commits)
	}
	if err := s.Ready(); err != nil {
		t.Errorf("slow is not stuck: %v", err)
	}
	f.onCommit(nil)
	checkLedger(t, s, acked)
}

// TestReopens takes the file away under a running store: it opens a new one.
func TestReopens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	h := newAged(s, new(time.Now()))
	sendText(t, h, batchOf(loaded("a")))
	moved := t.TempDir()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(s.path+suffix, filepath.Join(moved, storeFile+suffix)); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(upkeep + lateness); ; time.Sleep(100 * time.Millisecond) {
		a := sendText(t, h, batchOf(loaded("b")))
		if a.code == 200 && len(allEvents(t, s)) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("still %d", a.code)
		}
	}
	checkLedger(t, s, []string{"b"})
}

// TestD4RandomDamageToLog spoils the log at random places. What is left is what was committed
// before the damage, in order, and the store goes on.
func TestD4RandomDamageToLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	h := New(s, Options{Rate: 1e9, Burst: 1e9}).Handler(testSite)
	const n = 30
	for i := range n {
		sendText(t, h, batchOf(loaded(fmt.Sprint(i))))
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("cp", "-R", dir, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	db, wal := readFile(t, copied, storeFile), readFile(t, copied, storeFile+"-wal")
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 30 {
		spoilt := slices.Clone(wal)
		if round%2 == 0 {
			spoilt = spoilt[:len(spoilt)-1-random.IntN(pageSize)]
		} else {
			spoilt[random.IntN(len(spoilt))] ^= 1 << random.IntN(8)
		}
		dir := t.TempDir()
		writeFile(t, dir, storeFile, bytes.Clone(db))
		writeFile(t, dir, storeFile+"-wal", spoilt) // and no -shm
		s := openStore(t, dir)
		for i, r := range allEvents(t, s) {
			if r.ID != fmt.Sprint(i) {
				t.Fatalf("seed %d: event %d has id %s", seed, i, r.ID)
			}
		}
		h := New(s, Options{}).Handler(testSite)
		if a := sendText(t, h, batchOf(loaded("new"))); a.code != http.StatusOK {
			t.Errorf("seed %d: next event: %d", seed, a.code)
		}
		s.Close()
	}
}

// TestD2KillDuringMigration kills the collector while it brings an old store up to date.
func TestD2KillDuringMigration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const n = 20000
	db, err := sql.Open("sqlite", sqlite.Source(filepath.Join(dir, storeFile), "rwc"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(string(readFile(t, "testdata", "version1.sql")) + fmt.Sprintf(`;
		WITH RECURSIVE i (n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM i WHERE n < %d)
		INSERT INTO events SELECT n, 1, 'id' || n, 1, 'Loaded', n, n, NULL, n, NULL, NULL, 0, '{}', NULL FROM i`, n))
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for range 15 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), crashDir+"="+dir, "CTLIVE_TEST_KEEP=0")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+rand.IntN(60)) * time.Millisecond)
		child.Process.Kill()
		child.Wait()
	}
	s := openStore(t, dir)
	if got := count(t, s, "events"); got != n {
		t.Errorf("%d events of %d", got, n)
	}
	if version, err := schemaVersion(t.Context(), readDB(t, s)); err != nil || version != len(migrations()) {
		t.Errorf("version %d, %v", version, err)
	}
}
