package report

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ctlive/collector/sqlite"
)

// However the counts are cut, each comes once.
func TestStretches(t *testing.T) {
	p, err := openPages(t.TempDir(), slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	counts := map[pageMinute]int64{}
	for _, minute := range []int64{100, 101, 103, 103, 104, 200, 201} {
		for _, site := range siteNames {
			counts[pageMinute{outcome{site, "injected", ""}, minute}] += minute
		}
	}
	if err := p.write(counts); err != nil {
		t.Fatal(err)
	}
	for limit := 1; limit <= len(counts)+1; limit++ {
		got := map[pageMinute]int64{}
		for at := int64(0); at < math.MaxInt64; {
			end, err := p.stretch(t.Context(), at, limit)
			if err != nil || end <= at {
				t.Fatalf("limit %d, after %d: %d, %v", limit, at, end, err)
			}
			some, err := p.between(t.Context(), at, end)
			if err != nil || len(some) > max(limit, len(siteNames)) {
				t.Fatalf("limit %d, after %d: %d counts, %v", limit, at, len(some), err)
			}
			for _, c := range some {
				got[pageMinute{outcome{c.Site, c.Result, c.Reason}, c.Minute}] += c.N
			}
			at = end
		}
		for k, n := range counts {
			if got[k] != n {
				t.Errorf("limit %d: %v is %d, want %d", limit, k, got[k], n)
			}
		}
	}
}

// While the clock is behind the last minute, pages count there, and the log is told so once each time.
func TestClockSetBack(t *testing.T) {
	now := time.Unix(1000*60, 0)
	var log bytes.Buffer
	p, err := openPages(t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for _, step := range []struct {
		name  string
		by    time.Duration
		lines int
	}{
		{"as it is", 0, 0}, {"a little back", -clockSlack * time.Minute, 0}, {"and forth", clockSlack * time.Minute, 0},
		{"hours back", -3 * time.Hour, 1}, {"still", time.Hour, 1}, {"almost there", 2*time.Hour - time.Minute, 1}, {"there", time.Minute, 1},
		{"back again", -time.Hour, 2}, {"further", -time.Hour, 2},
	} {
		now = now.Add(step.by)
		p.add(outcome{"a.test", "injected", ""})
		if n := strings.Count(log.String(), "set back"); n != step.lines {
			t.Errorf("%s: told %d times, want %d:\n%s", step.name, n, step.lines, &log)
		}
	}
	if n := p.counts[pageMinute{outcome{"a.test", "injected", ""}, 1000}]; n != 9 || !strings.Contains(log.String(), "minute=1970-01-01T16:40:00.000Z ahead=3h0m0s") {
		t.Errorf("%d pages in the minute\n%s", n, &log)
	}
}

// A minute is over when all that was counted in it is written, whoever writes it.
func TestMinuteThatIsBeingWritten(t *testing.T) {
	now := time.Unix(100*60, 0)
	p, err := openPages(t.TempDir(), slog.New(slog.DiscardHandler), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.add(outcome{"a.test", "injected", ""})
	if _, err := p.flush(now); err != nil {
		t.Fatal(err)
	}
	p.add(outcome{"a.test", "injected", ""})
	now = now.Add(time.Minute)
	busy, err := p.db.write.Conn(t.Context()) // the only one
	if err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	writer.Go(func() { p.flush(now) })
	for taken := false; !taken; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		taken = len(p.counts) == 0
		p.mu.Unlock()
	}
	time.AfterFunc(50*time.Millisecond, func() { busy.Close() })
	counts, settled, err := p.PageCounts(t.Context(), 0)
	if err != nil || settled < 100 || len(counts) != 1 || counts[0].N != 2 {
		t.Errorf("settled to %d: %v, %v; want 2 pages", settled, counts, err)
	}
	writer.Wait()
}

// Counts of pages are nowhere else: a damaged file of them is set aside and not deleted, and the figures,
// which are sound, are not built again for it.
func TestDamagedPages(t *testing.T) {
	w := newWorld(t, noon)
	w.tell("A", "Loaded - 0")
	path := filepath.Join(w.dir, "pages.db")
	counts := map[pageMinute]int64{}
	for minute := range int64(5000) {
		counts[pageMinute{outcome{"a.test", "injected", ""}, minuteOf(noon) - 6000 + minute}] = 1
	}
	if err := w.report.own.write(counts); err != nil {
		t.Fatal(err)
	}
	if err := w.report.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := slices.Clone(whole)
	for at := 5 * 4096; at < len(torn)-4096; at += 4096 {
		clear(torn[at : at+4096])
	}
	if err := os.WriteFile(path, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	w.open()
	aside, err := filepath.Glob(path + ".aside-*Z")
	if err != nil || len(aside) != 1 {
		t.Fatalf("set aside: %q, %v", aside, err)
	}
	if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, torn) {
		t.Errorf("not what was there: %d bytes, %v", len(kept), err)
	}
	w.report.Page("a.test", "injected", "")
	if f := w.query(Query{Since: noon.Add(-time.Hour), Until: noon.Add(time.Hour)}); f.Funnel[0].Views != 1 {
		t.Errorf("%d pages in the new file", f.Funnel[0].Views)
	}

	other := filepath.Join(t.TempDir(), "torn.db")
	if err := os.WriteFile(other, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	w.report.own.db.read.Close()
	if w.report.own.db.read, err = sqlite.Open(other, "ro", 1); err != nil {
		t.Fatal(err)
	}
	w.report.db.at.pages = 0
	if _, err := w.report.update(t.Context()); !errors.Is(err, errPages) {
		t.Errorf("a page that cannot be read: %v", err)
	}
	if w.report.db.at.row == 0 {
		t.Error("the figures are dropped")
	}
}
