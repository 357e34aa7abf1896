//go:build linux

package report

import (
	"database/sql"
	"encoding/binary"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ctlive/collector"
)

var (
	yearEvents = flag.Int("events", 1_000_000, "events of the synthetic year")
	yearDir    = flag.String("year", "", "keep the synthetic year in this folder, and use it again")
)

// yearEnd is when the synthetic year is over.
var yearEnd = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// year writes the events of one year into an empty store: the same ones for the same number. Five
// sites share them unevenly; there is more by day than by night and less on weekends. It goes past
// the collector, which would take minutes for ten million.
type year struct {
	rng    *rand.Rand
	db     *sql.Tx
	events rowBuffer
	views  rowBuffer
	left   int
	row    int64
	view   int64
	chats  int64
}

// rowBuffer collects rows for one INSERT.
type rowBuffer struct {
	insert string
	one    string
	values []any
	rows   int
}

func (b *rowBuffer) add(tx *sql.Tx, values ...any) error {
	b.values = append(b.values, values...)
	if b.rows++; b.rows < 100 {
		return nil
	}
	return b.flush(tx)
}

func (b *rowBuffer) flush(tx *sql.Tx) error {
	if b.rows == 0 {
		return nil
	}
	_, err := tx.Exec(b.insert+" VALUES "+strings.Repeat(b.one+", ", b.rows-1)+b.one, b.values...)
	b.values, b.rows = b.values[:0], 0
	return err
}

func writeYear(dir string, events int) error {
	db, err := connect(filepath.Join(dir, "ctlive.db"), 1, "_pragma=synchronous(OFF)", "_pragma=cache_size(-262144)")
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for i := range 5 {
		if _, err := tx.Exec(`INSERT INTO sites (id, name) VALUES (?, ?)`, i+1, fmt.Sprintf("shop%d.test", i)); err != nil {
			return err
		}
	}
	y := &year{rng: rand.New(rand.NewPCG(1, 1)), db: tx, left: events,
		views: rowBuffer{insert: `INSERT INTO views (id, digest, site, page, session, url, referrer, title, lang, client, dropped, day)`,
			one: `(?, ?, ?, ?, ?, ?, '', 'A page', 'it-IT', '192.0.2.0', ?, ?)`},
		events: rowBuffer{insert: `INSERT INTO events (row, site, id, view, type, seq, at, mono, received, chat_id, user_id, flags, object)`,
			one: `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`}}
	if err := y.write(events); err != nil {
		return err
	}
	return tx.Commit()
}

// write makes page views, one after the other through the year, until there are enough events. A
// page view has five of them on average.
func (y *year) write(events int) error {
	start := yearEnd.AddDate(-1, 0, 0)
	pace := time.Duration(float64(yearEnd.Sub(start)) / float64(events) * 4.65)
	for at := start; y.left > 0; {
		at = at.Add(time.Duration(y.rng.ExpFloat64() * float64(pace) * slowness(at)))
		if err := y.pageView(at); err != nil {
			return err
		}
	}
	if err := y.views.flush(y.db); err != nil {
		return err
	}
	return y.events.flush(y.db)
}

// slowness is how many times longer than usual the next visitor takes.
func slowness(at time.Time) float64 {
	slow := 0.7
	if h := at.Hour(); h < 7 || h > 22 {
		slow = 4
	}
	if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
		slow *= 2
	}
	return slow
}

// id returns one that begins with its time, as the listener makes them.
func (y *year) id(at time.Time) []byte {
	b := make([]byte, 16)
	binary.BigEndian.PutUint64(b, uint64(at.UnixMilli())<<16)
	binary.BigEndian.PutUint64(b[8:], y.rng.Uint64())
	return b
}

func (y *year) pageView(at time.Time) error {
	site := 1 + int(y.rng.ExpFloat64())%5
	flags := int64(0)
	switch y.rng.IntN(50) {
	case 0:
		flags = int64(collector.Bot)
	case 1:
		flags = int64(collector.Untrusted)
	}
	y.view++
	url := fmt.Sprintf("https://shop%d.test/products/%d", site-1, int(y.rng.ExpFloat64()*400))
	dropped := max(y.rng.IntN(1000)-998, 0)
	if err := y.views.add(y.db, y.view, y.id(at), site, y.id(at), y.id(at), url, dropped, at.Unix()/86400); err != nil {
		return err
	}
	v := visit{year: y, site: site, at: at, begin: at, flags: flags}
	v.event("Loaded", "{}", 400)
	v.event("WidgetShown", `{"elementID":"e1","widgetID":"w1"}`, 800)
	if y.rng.IntN(3) > 0 {
		v.event("WidgetHidden", `{"elementID":"e1","widgetID":"w1"}`, 9000)
	}
	if y.rng.IntN(3) == 0 {
		v.event("WidgetClicked", `{"elementID":"e1","widgetID":"w1","type":"`+clickNames[y.rng.IntN(4)]+`"}`, 20_000)
		v.event("DatacollectionStarted", `{"type":"Chat"}`, 2_000)
		if y.rng.IntN(2) == 0 {
			v.talk()
		}
	}
	return v.err
}

// visit is a page view that goes on.
type visit struct {
	*year
	site      int
	at, begin time.Time
	flags     int64
	seq       int
	chat      any
	err       error
}

// talk is a chat, in which an operator tells of himself on every message.
func (v *visit) talk() {
	v.chats++
	chat := fmt.Sprintf("chat-%08d", v.chats)
	v.chat = chat
	v.event("ChatStarted", `{"chatID":"`+chat+`","userID":"u1"}`, 5_000)
	if v.rng.IntN(10) == 0 {
		return
	}
	v.event("ChatOnline", `{"chatID":"`+chat+`","users":["u2"]}`, 15_000)
	for range v.rng.IntN(8) {
		v.event("ChatOnline", `{"chatID":"`+chat+`","users":["u2"]}`, 30_000)
	}
	v.event("ChatFinished", `{"chatID":"`+chat+`","userID":"u1","isSurveyConfigured":true}`, 180_000)
}

// event adds an event that comes after about so many milliseconds.
func (v *visit) event(typ, object string, after float64) {
	v.at = v.at.Add(time.Duration(v.rng.ExpFloat64()*after) * time.Millisecond)
	v.row++
	v.left--
	v.seq++
	if v.err == nil {
		v.err = v.events.add(v.db, v.row, v.site, v.id(v.at), v.view, typ, v.seq, v.at.UnixMilli(), v.at.Sub(v.begin).Milliseconds()+1,
			v.at.UnixMilli()+300, v.chat, nil, v.flags, object)
	}
}

// newYear returns a folder with a store of the synthetic year.
func newYear(tb testing.TB, events int) string {
	dir := *yearDir
	if dir == "" {
		dir = tb.TempDir()
	}
	_, err := os.Stat(filepath.Join(dir, "ctlive.db"))
	s, err2 := collector.Open(dir, slog.New(slog.DiscardHandler))
	if err2 != nil {
		tb.Fatal(err2)
	}
	s.Close()
	if err == nil {
		return dir
	}
	if err := writeYear(dir, events); err != nil {
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
