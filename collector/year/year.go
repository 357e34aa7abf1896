// Package year writes a year of events that nobody has sent: for measurements on a store as large as
// that of a busy site after a year. The same options give the same events.
//
// Five sites share the page views unevenly; there are more by day than by night and fewer on
// weekends. Of the visitors some click, in one of four ways, and of those half begin a chat; some
// of the chats wait long, one in ten is missed. A few events are doubtful, a few losses are told of,
// and some input is in quarantine. It goes past the collector, which would take minutes for ten
// million events.
package year

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"time"

	"ctlive/collector"
	"ctlive/collector/sqlite"
)

// Options say which year.
type Options struct {
	Events int       // at least; the last page view is made whole
	End    time.Time // of the year: the last page view begins before it
	Seed   uint64
}

// Write writes the events of a year into the store in dir, and counts of pages into pages.db there.
// Both are there, empty, of today's schema, and nobody has them open. After an error they are of no
// use any more.
func Write(ctx context.Context, dir string, o Options) error {
	// One large write need not survive a crash. The pragmas and the attached database are the connection's.
	db, err := sqlite.Open(filepath.Join(dir, "ctlive.db"), "rw", 1, "_pragma=synchronous(OFF)", "_pragma=cache_size(-262144)")
	if err != nil {
		return fmt.Errorf("write a year: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "ATTACH ? AS injector", filepath.Join(dir, "pages.db")); err != nil {
		return fmt.Errorf("write a year: %w", err)
	}
	if err := write(ctx, db, o); err != nil {
		return fmt.Errorf("write a year: %w", err)
	}
	return nil
}

// part is how many events are in one transaction: the log of one for all would be as large as the
// store.
const part = 500_000

func write(ctx context.Context, db *sql.DB, o Options) error {
	y := &year{rng: rand.New(rand.NewPCG(o.Seed, 1)), db: db, left: o.Events, tables: newTables()}
	at := o.End.AddDate(-1, 0, 0)
	rest := rhythm(at, o.End)
	for first := true; y.left > 0; first = false {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := y.transact(ctx, func() error {
			if first {
				y.sites()
			}
			for end := y.left - part; y.left > max(end, 0); {
				next := y.next(rest)
				rest -= next
				at = later(at, next)
				y.pageView(at)
			}
			return y.flush()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// year writes the page views, one after the other.
type year struct {
	rng *rand.Rand
	db  *sql.DB
	tables
	left  int // events
	row   int64
	view  int64
	chats int64
}

// names of the sites.
func name(site int) string { return fmt.Sprintf("shop%d.test", site-1) }

const siteCount = 5

func (y *year) sites() {
	for site := 1; site <= siteCount; site++ {
		y.sitesTable.add(site, name(site))
		for i, o := range outcomes {
			y.outcomesTable.add(outcomeID(site, i), name(site), o.result, o.reason)
		}
	}
}

// transact runs work, whose rows are written together.
func (y *year) transact(ctx context.Context, work func() error) error {
	tx, err := y.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	y.begin(tx)
	if err := errors.Join(work(), y.err); err != nil {
		return errors.Join(ctx.Err(), err)
	}
	return tx.Commit()
}

// perView is how many events a page view has, on average: see visit.
const perView = 2 + 2./3 + 1./3*(2+1./2*(1+9./10*(1+7./2+1)))

// next returns when the next page view is to come, of those that are still to be spread evenly over
// rest: the first of as many moments that are chosen at random.
func (y *year) next(rest time.Duration) time.Duration {
	views := max(float64(y.left)/perView, 1)
	return time.Duration(float64(rest) * (1 - math.Pow(y.rng.Float64(), 1/views)))
}

// rhythm returns how long it is from start to end for visitors, whose time passes slowly at night.
func rhythm(start, end time.Time) (d time.Duration) {
	for at := start; at.Before(end); {
		hour := nextHour(at)
		if hour.After(end) {
			hour = end
		}
		d += time.Duration(float64(hour.Sub(at)) / slowness(at))
		at = hour
	}
	return d
}

// later is the inverse of rhythm: it returns the end.
func later(at time.Time, d time.Duration) time.Time {
	for {
		hour, slow := nextHour(at), slowness(at)
		left := time.Duration(float64(hour.Sub(at)) / slow)
		if d < left {
			return at.Add(time.Duration(float64(d) * slow))
		}
		at, d = hour, d-left
	}
}

func nextHour(at time.Time) time.Time { return at.Truncate(time.Hour).Add(time.Hour) }

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
	binary.BigEndian.PutUint64(b, uint64(at.UnixMilli())<<16|7<<12|y.rng.Uint64()&0xfff)
	binary.BigEndian.PutUint64(b[8:], y.rng.Uint64()>>2|2<<62)
	return b
}

func (y *year) pageView(at time.Time) {
	site := 1 + int(y.rng.ExpFloat64())%siteCount
	y.count(site, at)
	if y.rng.IntN(2000) == 0 {
		y.reject(site, at)
	}
	y.view++
	v := visit{year: y, site: site, at: at, begin: at, flags: y.flags(), user: fmt.Sprintf("u%07x", y.rng.Uint32()>>4)}
	v.run()
	lost, dropped := "{}", 0
	if y.rng.IntN(1000) == 0 {
		lost, dropped = `{"rate":1}`, 1
	}
	address := fmt.Sprintf("https://%s/products/%d", name(site), int(y.rng.ExpFloat64()*400))
	y.views.add(y.view, y.id(at), site, y.id(at), y.id(at), address, v.seq+dropped, dropped, lost, at.Unix()/86400)
}

// flags are those of all events of a page view: few are doubtful.
func (y *year) flags() int64 {
	switch y.rng.IntN(50) {
	case 0:
		return int64(collector.Bot)
	case 1:
		return int64(collector.Untrusted)
	}
	return 0
}

// reject adds input that is no batch of events.
func (y *year) reject(site int, at time.Time) {
	raw := []byte("nonsense")
	sum := sha256.Sum256(raw)
	y.quarantine.add(site, at.UnixMilli(), len(raw), sum[:], raw)
}

// outcomes are what became of pages, and how many pages of it come beside a hundred page views: with
// some injected pages the listener does not run.
var outcomes = []struct {
	result, reason string
	beside         int
}{{"injected", "", 5}, {"skipped", "no-transform", 3}, {"skipped", "csp", 2}, {"skipped", "encoding", 1}}

func outcomeID(site, outcome int) int { return (site-1)*len(outcomes) + outcome + 1 }

// count counts the page of a page view, and perhaps one beside it.
func (y *year) count(site int, at time.Time) {
	minute := at.Unix() / 60
	y.pages.add(minute, outcomeID(site, 0))
	share := y.rng.IntN(100)
	for i, o := range outcomes {
		if share -= o.beside; share < 0 {
			y.pages.add(minute, outcomeID(site, i))
			return
		}
	}
}
