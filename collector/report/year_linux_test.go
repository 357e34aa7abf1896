//go:build linux

package report

import (
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ctlive/collector"
	"ctlive/collector/year"
)

var (
	yearEvents = flag.Int("events", 1_000_000, "events of the synthetic year")
	yearDir    = flag.String("year", "", "keep the synthetic year in this folder, and use it again")
)

// yearEnd is when the synthetic year is over.
var yearEnd = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// newYear returns a folder with a store of the synthetic year.
func newYear(tb testing.TB, events int) string {
	dir := *yearDir
	if dir == "" {
		dir = tb.TempDir()
	}
	_, known := os.Stat(filepath.Join(dir, "ctlive.db"))
	s, err := collector.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	r, err := Open(dir, s, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	r.Close()
	s.Close()
	if known == nil {
		return dir
	}
	if err := year.Write(tb.Context(), dir, year.Options{Events: events, End: yearEnd}); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// BenchmarkYear reports what the figures of a year cost: to build them, to open them while nothing
// of them is in memory, and to change the range. By hand, with ten million events:
//
//	go test -run '^$' -bench Year -benchtime 1x -events 10000000 -year /tmp/year ./collector/report
func BenchmarkYear(b *testing.B) {
	dir := newYear(b, *yearEvents)
	s, err := collector.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	open := func() *Report {
		r, err := Open(dir, s, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		r.now = func() time.Time { return yearEnd }
		return r
	}
	for range b.N {
		r := open()
		start, cpu := time.Now(), cpuTime()
		if err := r.Rebuild(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(cpuTime()-cpu)/float64(*yearEvents)/1e3, "cpu-µs/event")
		b.ReportMetric(time.Since(start).Seconds(), "build-s")
		r.Close()
		b.ReportMetric(size(b, filepath.Join(dir, "report.db"))/1e6, "report-MB")
		b.ReportMetric(size(b, filepath.Join(dir, "ctlive.db"))/1e6, "store-MB")
		forgetFiles(b, dir)
		start = time.Now()
		r = open()
		f, err := r.Query(b.Context(), Query{Since: yearEnd.AddDate(-1, 0, 0), Until: yearEnd, Compare: true})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "cold-ms")
		b.Logf("chats %d, online %d, wait %+v", f.Chats.Started, f.Chats.Online, f.Chats.Wait.P95)
		slowest(b, r)
		r.Close()
	}
}

// slowest reports the longest time that a change of range takes.
func slowest(b *testing.B, r *Report) {
	var longest time.Duration
	for _, days := range []int{1, 7, 30, 90, 183, 365} {
		for _, site := range []string{"", "shop0.test"} {
			for _, zone := range []string{"UTC", "Europe/Rome", "Asia/Kolkata"} {
				for _, flagged := range []bool{false, true} {
					z, err := time.LoadLocation(zone)
					if err != nil {
						b.Fatal(err)
					}
					q := Query{Site: site, Since: yearEnd.AddDate(0, 0, -days).Add(17 * time.Minute), Until: yearEnd, Zone: z, Compare: true, Flagged: flagged}
					start := time.Now()
					if _, err := r.Query(b.Context(), q); err != nil {
						b.Fatal(err)
					}
					took := time.Since(start)
					longest = max(longest, took)
					b.Logf("%3d days of %-10q in %-12s flagged %-5t %v", days, site, zone, flagged, took.Round(100*time.Microsecond))
				}
			}
		}
	}
	b.ReportMetric(float64(longest.Milliseconds()), "slowest-ms")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func size(b *testing.B, path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size())
}

// forgetFiles has the kernel drop what it holds of the databases.
func forgetFiles(b *testing.B, dir string) {
	for _, name := range []string{"report.db", "pages.db"} {
		fd, err := unix.Open(filepath.Join(dir, name), unix.O_RDONLY, 0)
		if err != nil {
			b.Fatal(err)
		}
		unix.Fsync(fd)
		if err := unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err != nil {
			b.Log("the cache stays:", err)
		}
		unix.Close(fd)
	}
}
