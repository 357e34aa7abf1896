package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ctlive/collector"
)

// fake is an engine that remembers all calls. What fails is told by refuse, which may be nil.
type fake struct {
	refuse func(f *fake, what string, n int) error

	mu    sync.Mutex
	calls []string // "e:ID" for an event, "x:ID" for an erasure, "p:MINUTE=N"
	sizes []int    // of the batches that were taken
	tries int      // calls, also those that failed
	ended bool
}

func (f *fake) take(what string, items []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries++
	if f.refuse != nil {
		if err := f.refuse(f, what, len(items)); err != nil {
			return err
		}
	}
	f.calls = append(f.calls, items...)
	f.sizes = append(f.sizes, len(items))
	return nil
}

func (f *fake) Send(ctx context.Context, events []collector.Record) error {
	if _, ok := ctx.Deadline(); !ok {
		return errors.New("no deadline")
	}
	var items []string
	for _, e := range events {
		items = append(items, "e:"+e.ID)
	}
	return f.take("send", items)
}

func (f *fake) Erase(ctx context.Context, notes []collector.Erasure) error {
	var items []string
	for _, n := range notes {
		if n.Edge == "" {
			return errors.New("nobody's erasure")
		}
		items = append(items, "x:"+n.ID)
	}
	return f.take("erase", items)
}

func (f *fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	return nil
}

func (f *fake) got() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// counting is a fake that takes counts of pages, too.
type counting struct{ *fake }

func (f counting) Pages(ctx context.Context, counts []PageCount) error {
	var items []string
	for _, c := range counts {
		items = append(items, fmt.Sprintf("p:%d=%d", c.Minute, c.N))
	}
	return f.take("pages", items)
}

// world is a store that takes events and is forwarded.
type world struct {
	t     testing.TB
	dir   string
	store *collector.Store
	intake
}

// intake is where events come in.
type intake struct{ handler http.Handler }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.open()
	t.Cleanup(func() { w.store.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.store, err = collector.Open(w.dir, slog.New(slog.DiscardHandler)); err != nil {
		w.t.Fatal(err)
	}
	w.intake = takes(w.store, nil)
}

// takes returns the intake of s, whose clock is now, nil is the real one.
func takes(s *collector.Store, now func() time.Time) intake {
	c := collector.New(s, collector.Options{Rate: math.Inf(1), Now: now})
	return intake{c.Handler(collector.Site{Name: "a.test", Hosts: []string{"a.test"}})}
}

// put stores events in one batch.
func (in intake) put(t testing.TB, ids ...string) {
	t.Helper()
	var events []string
	for _, id := range ids {
		events = append(events, fmt.Sprintf(`{"id":%q,"type":"Loaded","object":{"userID":"user of %s"}}`, id, id))
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"v":1,"page":"`+ids[0]+`","events":[`+strings.Join(events, ",")+`]}`))
	r.Header.Set("Content-Type", "text/plain")
	rec := httptest.NewRecorder()
	in.handler.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		t.Fatalf("put: %d %s", rec.Code, rec.Body)
	}
}

// fill stores n events with the ids prefix0, prefix1 … and returns how a sink sees them.
func (w *world) fill(prefix string, n int) (want []string) {
	w.t.Helper()
	for i := 0; i < n; {
		var ids []string
		for ; i < n && len(ids) < 100; i++ {
			ids = append(ids, fmt.Sprint(prefix, i))
			want = append(want, "e:"+ids[len(ids)-1])
		}
		w.put(w.t, ids...)
	}
	return want
}

// forward starts a forwarder to sinks.
func (w *world) forward(sinks map[string]Sink) *Forwarder {
	w.t.Helper()
	f := w.prepare(Options{Sinks: sinks})
	f.Start(w.t.Context())
	return f
}

func (w *world) prepare(o Options) *Forwarder {
	w.t.Helper()
	o.Dir, o.Store, o.Logger = w.dir, w.store, slog.New(slog.DiscardHandler)
	f, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { f.Close() })
	return f
}

func (w *world) erase(user string) {
	w.t.Helper()
	if _, err := collector.Erase(w.t.Context(), w.dir, collector.Subject{User: user}); err != nil {
		w.t.Fatal(err)
	}
}

// await waits until done.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// drained reports whether nothing waits for any sink.
func drained(f *Forwarder) func() bool {
	return func() bool {
		return !slices.ContainsFunc(f.Status(), func(s Status) bool { return s.Backlog > 0 })
	}
}

func same(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %d, want %d: %.300q\nwant %.300q", len(got), len(want), got, want)
	}
}

func TestForward(t *testing.T) {
	w := newWorld(t)
	want := w.fill("before", 1200)
	a, b := &fake{}, &fake{}
	f := w.forward(map[string]Sink{"nats:A": a, "kafka:b": b})
	await(t, "what was there", drained(f))
	want = append(want, w.fill("after", 10)...)
	await(t, "what came later", drained(f))
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for _, sink := range []*fake{a, b} {
		same(t, sink.got(), want)
		if most := slices.Max(sink.sizes); most > maxEvents || !sink.ended {
			t.Errorf("a batch of %d, closed: %t", most, sink.ended)
		}
	}
	for i, s := range f.Status() {
		if s.Sink != []string{"kafka:b", "nats:A"}[i] || s.Lag != 0 || s.Lost != 0 || s.Error != "" {
			t.Errorf("%+v", s)
		}
	}
}

// TestGoesOn: the next process goes on where the last one ended.
func TestGoesOn(t *testing.T) {
	w := newWorld(t)
	first := w.fill("a", 20)
	sink := &fake{}
	f := w.forward(map[string]Sink{"x": sink})
	await(t, "the first", drained(f))
	f.Close()
	w.store.Close()
	w.open()
	second := w.fill("b", 20)
	sink = &fake{}
	f = w.forward(map[string]Sink{"x": sink, "new": &fake{}})
	await(t, "the second", drained(f))
	f.Close()
	same(t, sink.got(), second)
	same(t, f.lines[0].sink.(*fake).got(), append(first, second...)) // "new" is sorted first
}

// TestSinkThatFailsAtRandom gets everything in order all the same.
func TestSinkThatFailsAtRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		sink := &fake{refuse: func(*fake, string, int) error {
			if rand.IntN(3) == 0 {
				return errors.New("now and then")
			}
			return nil
		}}
		f := w.forward(map[string]Sink{"x": sink})
		var want []string
		for i := range 20 {
			want = append(want, w.fill(fmt.Sprint(i, "-"), 60)...)
			time.Sleep(time.Second)
		}
		await(t, "all of it", drained(f))
		f.Close()
		same(t, sink.got(), want)
		w.store.Close()
	})
}

// TestNothingIsSkipped: an event that the engine refuses holds up those behind it, and is named.
func TestNothingIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		want := w.fill("good", 77)
		w.put(t, "bad")
		w.fill("behind", 500)
		sink := &particular{fake: &fake{}, bad: "bad"}
		f := w.forward(map[string]Sink{"x": sink})
		time.Sleep(time.Hour)
		s := f.Status()[0]
		if s.Backlog != 501 || s.Lag < time.Hour-time.Minute || !strings.Contains(s.Error, `send event "bad" of a.test: answer: no such thing`) {
			t.Errorf("%+v", s)
		}
		same(t, sink.got(), want)
		sink.accept()
		await(t, "the rest", drained(f))
		f.Close()
		if got := sink.got(); len(got) != 578 || got[77] != "e:bad" {
			t.Errorf("%d events", len(got))
		}
		w.store.Close()
	})
}

// TestErrorNamesNoInnocentEvent: of a sink that is down no event is to blame, however small the batches
// are by then, and the log is told of it once.
func TestErrorNamesNoInnocentEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var log bytes.Buffer
		sink := &fake{refuse: func(*fake, string, int) error { return errors.New("connection refused") }}
		f, err := New(Options{Dir: w.dir, Store: w.store, Sinks: map[string]Sink{"x": sink}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		w.fill("a", 600)
		f.Start(t.Context())
		time.Sleep(time.Hour)
		if s := f.Status()[0]; s.Error != "send events: connection refused" {
			t.Errorf("%+v", s)
		}
		w.erase("user of a1")
		time.Sleep(time.Hour)
		if s := f.Status()[0]; s.Error != "pass an erasure on: connection refused" {
			t.Errorf("%+v", s)
		}
		w.erase("user of a2")
		time.Sleep(time.Hour)
		if s := f.Status()[0]; s.Error != "pass 2 erasures on: connection refused" {
			t.Errorf("%+v", s)
		}
		f.Close()
		if n := strings.Count(log.String(), "held up"); n != 3 {
			t.Errorf("told %d times:\n%s", n, &log)
		}
		w.store.Close()
	})
}

// later is an error that asks us to wait.
type later time.Duration

func (l later) Error() string             { return "later" }
func (l later) RetryAfter() time.Duration { return time.Duration(l) }

// TestSinkThatAsksToWait is not asked again before.
func TestSinkThatAsksToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		want := w.fill("a", 10)
		sink := &fake{refuse: func(f *fake, _ string, _ int) error {
			if f.tries == 1 {
				return fmt.Errorf("answer: %w", later(10*time.Minute))
			}
			return nil
		}}
		f := w.forward(map[string]Sink{"x": sink})
		time.Sleep(10*time.Minute - time.Second)
		same(t, sink.got(), nil)
		time.Sleep(2 * time.Second)
		same(t, sink.got(), want)
		f.Close()
		w.store.Close()
	})
}

// particular refuses batches with one event in them.
type particular struct {
	*fake
	mu  sync.Mutex
	bad string
}

func (p *particular) accept() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad = ""
}

func (p *particular) Send(ctx context.Context, events []collector.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.ContainsFunc(events, func(e collector.Record) bool { return e.ID == p.bad }) {
		return fmt.Errorf("answer: %w", Refuse(errors.New("no such thing")))
	}
	return p.fake.Send(ctx, events)
}

// TestD12 has a sink down for 24 hours: its backlog grows and then drains in order, the other sink has
// everything at once, and attempts are few.
func TestD12(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		back := time.Now().Add(24 * time.Hour)
		down := &fake{refuse: func(*fake, string, int) error {
			if time.Now().Before(back) {
				return errors.New("down")
			}
			return nil
		}}
		up := &fake{}
		f := w.forward(map[string]Sink{"down": down, "up": up})
		var want []string
		for hour := range 24 {
			want = append(want, w.fill(fmt.Sprint(hour, "-"), 50)...)
			time.Sleep(time.Hour - time.Minute)
			same(t, up.got(), want)
			if s := f.Status()[0]; s.Backlog != int64(len(want)) || s.Error == "" || s.Lag < time.Duration(hour)*time.Hour {
				t.Errorf("hour %d: %+v", hour, s)
			}
		}
		time.Sleep(30 * time.Minute)
		if got := drained(f)(); !got {
			t.Errorf("%+v", f.Status())
		}
		f.Close()
		same(t, down.got(), want)
		if down.tries > 24*60*3+100 {
			t.Errorf("%d attempts", down.tries)
		}
		w.store.Close()
	})
}

// TestLossesInTheLog: it is told how many events are lost, once a minute, in however many steps they go.
func TestLossesInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := &line{log: slog.New(slog.NewTextHandler(&log, nil)), counted: make(chan struct{}, 1)}
		for range 100 {
			l.lose([]int64{1, 2, 3})
			time.Sleep(time.Second)
		}
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "lost_so_far=183") || l.lost.Load() != 300 {
			t.Errorf("%d lost\n%s", l.lost.Load(), text)
		}
	})
}

// TestErasures are passed on behind what the sink was sent before, and to no sink that is new.
func TestErasures(t *testing.T) {
	w := newWorld(t)
	w.put(t, "gone", "stays")
	w.erase("user of gone")
	sink := &fake{}
	f := w.forward(map[string]Sink{"x": sink})
	await(t, "the event", drained(f))
	w.put(t, "p")
	await(t, "the person", drained(f))
	w.erase("user of p")
	w.erase("user of q")
	await(t, "the erasures", func() bool { return len(sink.got()) == 4 })
	f.Close()
	w.put(t, "q")
	w.erase("user of stays")
	f = w.forward(map[string]Sink{"x": sink})
	await(t, "what came meanwhile", drained(f))
	f.Close()
	same(t, sink.got(), []string{"e:stays", "e:p", "x:user of p", "x:user of q", "x:user of stays", "e:q"})
}

// TestErasureOfWhatIsOnItsWay: an event that was read before it was erased is followed by the note.
func TestErasureOfWhatIsOnItsWay(t *testing.T) {
	w := newWorld(t)
	w.put(t, "p")
	sink := &fake{refuse: func(f *fake, what string, _ int) error {
		if what == "send" && f.tries == 1 {
			w.erase("user of p")
		}
		return nil
	}}
	f := w.forward(map[string]Sink{"x": sink})
	await(t, "both", func() bool { return len(sink.got()) == 2 })
	f.Close()
	same(t, sink.got(), []string{"e:p", "x:user of p"})
}

// TestCursorOfAnotherStore begins with the first event, as one does that the store never came to.
func TestCursorOfAnotherStore(t *testing.T) {
	tests := []struct {
		name string
		edit func(*cursor)
		all  bool
	}{
		{"its own", func(*cursor) {}, false},
		{"another store", func(c *cursor) { c.Store = "17" }, true},
		{"beyond the end", func(c *cursor) { c.Row++ }, true},
		{"beyond the last erasure", func(c *cursor) { c.Erased++ }, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			want := w.fill("a", 10)
			f := w.forward(map[string]Sink{"x": &fake{}})
			await(t, "the first time", drained(f))
			f.Close()
			path := f.lines[0].file
			c, err := readCursor(path)
			if err != nil || c.Row != 10 {
				t.Fatalf("%+v, %v", c, err)
			}
			c.Lost = 5
			test.edit(&c)
			if err := c.write(path); err != nil {
				t.Fatal(err)
			}
			sink := &fake{}
			f = w.forward(map[string]Sink{"x": sink})
			await(t, "the second time", drained(f))
			if n := f.Status()[0].Lost; n != 5 {
				t.Errorf("lost %d", n)
			}
			f.Close()
			if !test.all {
				want = nil
			}
			same(t, sink.got(), want)
		})
	}
}

func TestCursorThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "cut off": `{"store":"1`, "negative": `{"row":-1}`, "huge": strings.Repeat(" ", 1<<20), "text": "row 5"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			want := w.fill("a", 3)
			if err := writeFile(filepath.Join(folder(w.dir), fileName("x")), []byte(text)); err != nil {
				t.Fatal(err)
			}
			sink := &fake{}
			f := w.forward(map[string]Sink{"x": sink})
			await(t, "all", drained(f))
			f.Close()
			same(t, sink.got(), want)
		})
	}
}

// TestHold: what a sink has not taken is left by retention until the backlog is over, and then counted,
// also by the next process.
func TestHold(t *testing.T) {
	const days = 24 * time.Hour
	w := newWorld(t)
	sink := &fake{refuse: func(*fake, string, int) error { return errors.New("down") }}
	f := w.prepare(Options{Sinks: map[string]Sink{"down": sink, "up": &fake{}}, Backlog: 10 * days})
	for _, e := range []struct {
		id  string
		ago time.Duration
	}{{"too old", 45 * days}, {"too old, too", 41 * days}, {"held", 35 * days}, {"young", days}} {
		when := time.Now().Add(-e.ago)
		takes(w.store, func() time.Time { return when }).put(t, e.id)
	}
	f.Start(t.Context())
	await(t, "the sink that is up", func() bool { return f.Status()[1].Backlog == 0 })
	w.store.Keep(30 * days)
	await(t, "the deletion", func() bool { return f.Status()[0].Lost == 2 })
	s := f.Status()
	if s[0].Backlog != 2 || s[0].Lag < 35*days || s[1].Lost != 0 {
		t.Errorf("%+v", s)
	}
	await(t, "the count", func() bool {
		c, err := readCursor(f.lines[0].file)
		return err == nil && c.Lost == 2
	})
	f.Close()
	sink = &fake{}
	f = w.forward(map[string]Sink{"down": sink})
	await(t, "the rest", drained(f))
	if n := f.Status()[0].Lost; n != 2 {
		t.Errorf("lost %d", n)
	}
	f.Close()
	same(t, sink.got(), []string{"e:held", "e:young"})
}

// TestCursorThatCannotBeWritten: nothing is sent before there is a cursor, nothing twice because one
// could not be moved, and retention keeps what the disk does not know to be taken.
func TestCursorThatCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	want := w.fill("a", 3)
	sink := &fake{}
	f := w.prepare(Options{Sinks: map[string]Sink{"x": sink}})
	path := f.lines[0].file
	block := func() { // a folder takes no rename of a file
		os.Remove(path)
		if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	block()
	f.Start(t.Context())
	await(t, "the error", func() bool { return strings.Contains(f.Status()[0].Error, "write cursor") })
	if f.taken() != 0 {
		t.Errorf("taken %d", f.taken())
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	await(t, "the cursor", drained(f))
	block()
	want = append(want, w.fill("b", 3)...)
	await(t, "the error again", func() bool { return strings.Contains(f.Status()[0].Error, "write cursor") })
	if f.taken() != 3 {
		t.Errorf("taken %d", f.taken())
	}
	w.fill("c", 3)
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	want = append(want, "e:c0", "e:c1", "e:c2")
	await(t, "the cursor again", drained(f))
	f.Close()
	same(t, sink.got(), want)
}

func TestPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		now := int64(100)
		pages := func(_ context.Context, after int64) (all []PageCount, err error) {
			for m := max(after+1, now-3); m < now; m++ {
				all = append(all, PageCount{Minute: m, Site: "a.test", Result: "injected", N: m * 10})
			}
			return all, nil
		}
		sink, plain := counting{&fake{}}, &fake{}
		f := w.prepare(Options{Sinks: map[string]Sink{"x": sink, "plain": plain}, Pages: pages})
		f.Start(t.Context())
		time.Sleep(time.Minute)
		same(t, sink.got(), []string{"p:97=970", "p:98=980", "p:99=990"})
		f.Close()
		now += 2
		f = w.prepare(Options{Sinks: map[string]Sink{"x": sink, "plain": plain}, Pages: pages})
		f.Start(t.Context())
		time.Sleep(time.Minute)
		f.Close()
		same(t, sink.got()[3:], []string{"p:100=1000", "p:101=1010"})
		same(t, plain.got(), nil)
		w.store.Close()
	})
}

// TestClose ends at once although the sink hangs, and gives a batch on its way a moment.
func TestClose(t *testing.T) {
	for _, test := range []struct {
		name string
		need time.Duration
		row  int64
	}{{"soon done", time.Second, 3}, {"hangs", time.Hour, 0}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fill("a", 3)
				f := w.forward(map[string]Sink{"x": &slow{&fake{}, test.need}})
				time.Sleep(500 * time.Millisecond)
				begin := time.Now()
				if f.Close(); time.Since(begin) > lastTime {
					t.Errorf("took %v", time.Since(begin))
				}
				if c, err := readCursor(f.lines[0].file); err != nil || c.Row != test.row {
					t.Errorf("%+v, %v", c, err)
				}
				w.store.Close()
			})
		})
	}
}

// TestDeadline: a sink that does not answer is asked again.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill("a", 3)
		f := w.forward(map[string]Sink{"x": &slow{&fake{}, time.Hour}})
		time.Sleep(sendTime + time.Second)
		if s := f.Status()[0]; !strings.Contains(s.Error, context.DeadlineExceeded.Error()) {
			t.Errorf("%+v", s)
		}
		f.Close()
		w.store.Close()
	})
}

// slow needs a time for each batch.
type slow struct {
	*fake
	need time.Duration
}

func (s *slow) Send(ctx context.Context, events []collector.Record) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.need):
		return s.fake.Send(ctx, events)
	}
}

func TestCut(t *testing.T) {
	large := collector.Record{Object: []byte(strings.Repeat("x", maxBytes/3))}
	for _, test := range []struct {
		name string
		page []collector.Record
		want int
	}{
		{"small ones", make([]collector.Record, 500), 500},
		{"large ones", []collector.Record{large, large, large, large}, 2},
		{"one that is too large", []collector.Record{{Object: make([]byte, 2*maxBytes)}, {}}, 1},
	} {
		if got := len(cut(test.page)); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	for i := range 200 {
		bound := b.bound()
		if d := b.next(); d <= 0 || d > bound || bound < backoffFirst || bound > backoffMost {
			t.Errorf("failure %d: %v of %v", i, d, bound)
		}
	}
	if b.bound() != backoffMost {
		t.Error(b.bound())
	}
	b.reset()
	if b.bound() != backoffFirst {
		t.Error(b.bound())
	}
}

// TestWriteFile: whoever writes at the same time, what is there is whole, and nothing lies beside it.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "forward", fileName("x"))
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for n := range 20 {
				if err := (cursor{Store: strings.Repeat("1", 100*i), Row: int64(n)}).write(path); err != nil {
					t.Error(err)
				}
				if _, err := readCursor(path); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if err := os.Mkdir(filepath.Join(dir, "forward", "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "forward", "folder"), nil); err == nil {
		t.Error("a file took the place of a folder")
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
}

func TestFileName(t *testing.T) {
	long := strings.Repeat("ä/", 300)
	names := map[string]bool{}
	for _, sink := range []string{"nats:CTLIVE", "webhook:a.test/../../b", long, long + "x", "a b", "a%20b"} {
		name := fileName(sink)
		if names[name] || len(name) > 255 || name != filepath.Base(name) {
			t.Errorf("%.40q: %q", sink, name)
		}
		names[name] = true
	}
}

func TestNameEdge(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	a, back, err := nameEdge(dir, log)
	if err != nil || back || !edgeName.MatchString(a) {
		t.Fatalf("%q, %t, %v", a, back, err)
	}
	if again, _, err := nameEdge(dir, log); again != a || err != nil {
		t.Errorf("%q, %v", again, err)
	}
	if b, _, _ := nameEdge(t.TempDir(), log); b == a {
		t.Error("two edges have one name")
	}
}
