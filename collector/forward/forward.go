// Package forward passes the events of a store on to other engines, the sinks.
//
// Each sink has a goroutine and a cursor of its own. It reads the store in the order of the rows, gives
// the sink a batch, and when that has promised to keep it the cursor moves on, on the disk: whatever ends
// the process, the next one goes on from there. So a sink gets every event at least once, and in order
// except that it may be given some again; the site and id of an event tell. A sink that is down or slow
// keeps nobody waiting: its backlog grows, in the store.
//
// A batch that the engine does not take is given to it again, in ever smaller parts, until it takes it or
// one event stands alone; that one's id is in the [Status] if the sink says that it is at fault: [Refuse].
// None is skipped. Only age ends the wait:
// see [Options.Backlog].
//
// An erasure is passed on before any further event. What the sink has of the person came before it, the
// store has no more of it, and what comes later is not meant.
package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"ctlive/collector"
)

// Sink is an engine that takes events. One goroutine calls its methods, one at a time; an error says
// that the call is to be made again, and if it has a method RetryAfter, not before that time. One that
// is marked by [Refuse] says that the engine was there and will not have one of the events.
type Sink interface {
	// Send stores events with the engine, in their order; nil means that the engine has promised to
	// keep every one. It may be given the same events again. ctx has a deadline.
	Send(ctx context.Context, events []collector.Record) error

	// Erase passes erasures on, after all events sent before. It may be given the same ones again.
	Erase(ctx context.Context, notes []collector.Erasure) error

	Close() error
}

// PageSink is a Sink that keeps counts of pages, too.
type PageSink interface {
	Sink

	// Pages stores counts, in place of what the engine has of the same edge, minute, site, result
	// and reason.
	Pages(ctx context.Context, counts []PageCount) error
}

// PageCount is how many pages of a site the injector of an edge has looked at in a minute, by what it
// did with them. N is the whole number.
type PageCount struct {
	Edge                 string
	Minute               int64 // since 1970
	Site, Result, Reason string
	N                    int64
}

// Options say what is forwarded, and where.
type Options struct {
	Dir   string // data folder
	Store *collector.Store
	Sinks map[string]Sink // by name, which must stay the same: the cursor belongs to it

	// Backlog is how much longer than the others the store keeps events that a sink has not taken yet.
	// Then they are deleted all the same, and counted.
	Backlog time.Duration

	// Pages returns the counts of the minutes after one, of which nothing changes any more: those of
	// whole minutes, and of not too many at once. The edge is filled in. nil: there are none.
	Pages func(ctx context.Context, after int64) ([]PageCount, error)

	Logger *slog.Logger
}

// Forwarder passes events on to sinks. Its methods are safe for concurrent use.
type Forwarder struct {
	lines []*line // by the names of the sinks
	stop  context.CancelFunc
	done  sync.WaitGroup
	close func() error // closes the sinks, once
}

// New returns a forwarder that has not begun; from now on the store keeps what is to be forwarded. Each
// data folder has one at a time. It owns the sinks, if there is no error.
func New(o Options) (*Forwarder, error) {
	edge, back, err := nameEdge(o.Dir, o.Logger)
	if err != nil {
		return nil, err
	}
	f := &Forwarder{stop: func() {}}
	f.close = sync.OnceValue(f.closeSinks)
	for _, name := range slices.Sorted(maps.Keys(o.Sinks)) {
		l := &line{
			name: name, sink: o.Sinks[name], store: o.Store, pages: o.Pages, edge: edge, back: back, log: o.Logger.With("sink", name),
			file: filepath.Join(folder(o.Dir), fileName(name)), size: maxEvents, counted: make(chan struct{}, 1),
		}
		l.begin()
		f.lines = append(f.lines, l)
	}
	if len(f.lines) > 0 {
		o.Store.Hold(f.taken, o.Backlog, f.lose)
	}
	return f, nil
}

// Start forwards until ctx is done or the forwarder closed. It is called once.
func (f *Forwarder) Start(ctx context.Context) {
	ctx, f.stop = context.WithCancel(ctx)
	for _, l := range f.lines {
		f.done.Go(func() { l.run(ctx) })
	}
}

// Close ends what Start began, giving a batch that is on its way a moment, and closes the sinks. The
// store is closed after it. Closing twice does no harm.
func (f *Forwarder) Close() error {
	f.stop()
	f.done.Wait()
	return f.close()
}

func (f *Forwarder) closeSinks() error {
	var errs []error
	for _, l := range f.lines {
		if err := l.sink.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", l.name, err))
		}
	}
	return errors.Join(errs...)
}

// taken returns the row up to which all sinks have all events.
func (f *Forwarder) taken() int64 {
	row := int64(math.MaxInt64)
	for _, l := range f.lines {
		row = min(row, l.taken.Load())
	}
	return row
}

// lose counts events that were deleted before every sink had them.
func (f *Forwarder) lose(rows []int64) {
	for _, l := range f.lines {
		l.lose(rows)
	}
}

// folder returns where the files of the package are in a data folder.
func folder(dir string) string { return filepath.Join(dir, "forward") }

// edgeFile returns where the name of the edge is, by which the sinks tell the stores of several machines
// apart.
func edgeFile(dir string) string { return filepath.Join(folder(dir), "edge") }

// readEdge returns the name that the edge has, "" if it has none yet.
func readEdge(dir string) string {
	name, err := os.ReadFile(edgeFile(dir))
	if err != nil || !edgeName.Match(name) {
		return ""
	}
	return string(name)
}

// nameEdge returns the name of the edge. The first time it is the one that the store carries, which is
// then back from a backup, or a new one; it stays with the data folder dir.
func nameEdge(dir string, log *slog.Logger) (name string, back bool, err error) {
	if name = readEdge(dir); name != "" {
		return name, false, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusTime)
	defer cancel()
	name, err = carriedEdge(ctx, dir)
	if err != nil {
		log.Error("forward: the name of the edge is not taken from the backup, it gets another", "err", err)
	}
	if back = name != ""; !back {
		name = newEdge()
	}
	if err := writeFile(edgeFile(dir), []byte(name)); err != nil {
		return "", false, fmt.Errorf("name this edge: %w", err)
	}
	return name, back, nil
}
