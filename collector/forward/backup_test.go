package forward

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"ctlive/collector/sqlite"
)

// backup returns where a backup of the store lies now, as ctlive.db in a folder.
func (w *world) backup() (dir string) {
	w.t.Helper()
	dir = w.t.TempDir()
	add := func(file string) error { return AddEdge(w.t.Context(), w.dir, file) }
	if _, err := w.store.Backup(w.t.Context(), filepath.Join(dir, "ctlive.db"), add); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

// named is a sink that keeps the names of the edges whose pages it was told of.
type named struct {
	counting
	edges map[string]bool
}

func (n named) Pages(ctx context.Context, counts []PageCount) error {
	for _, c := range counts {
		n.edges[c.Edge] = true
	}
	return n.counting.Pages(ctx, counts)
}

// TestBackup: a store that lies in a new folder is the edge that it was, also as a backup of a backup, and
// passes on every erasure that it knows of.
func TestBackup(t *testing.T) {
	w := newWorld(t)
	edges := map[string]bool{}
	pages := func(_ context.Context, after int64) (all []PageCount, err error) {
		if after == 0 {
			all = append(all, PageCount{Minute: 1, Site: "a.test", Result: "injected", N: 1})
		}
		return all, nil
	}
	run := func(want ...string) {
		t.Helper()
		sink := named{counting{&fake{}}, edges}
		f := w.prepare(Options{Sinks: map[string]Sink{"x": sink}, Pages: pages})
		f.Start(t.Context())
		await(t, "all of it", func() bool { return len(sink.got()) >= len(want) })
		f.Close()
		same(t, sink.got(), want)
	}
	w.put(t, "a")
	run("e:a", "p:1=1")
	w.put(t, "gone")
	w.erase("user of gone")
	for range 2 {
		dir := w.backup()
		w.store.Close()
		w.dir = dir
		w.open()
		run("x:user of gone", "e:a", "p:1=1")
	}
	if len(edges) != 1 {
		t.Errorf("the edges are %v, want one", edges)
	}
	other := newWorld(t)
	if dir := other.backup(); readEdge(other.dir) != "" || readEdge(dir) != "" {
		t.Error("a backup names an edge that does not forward")
	}
}

// TestNoNameInTheBackup is no reason not to forward.
func TestNoNameInTheBackup(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for name, table := range map[string]string{
		"another table": `CREATE TABLE forward_edge (x TEXT)`, "empty": `CREATE TABLE forward_edge (name TEXT)`,
		"no name": `CREATE TABLE forward_edge (name TEXT); INSERT INTO forward_edge VALUES ('../a')`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db, err := sqlite.Open(filepath.Join(dir, "ctlive.db"), "rwc", 1)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(table); err != nil {
				t.Fatal(err)
			}
			db.Close()
			if edge, back, err := nameEdge(dir, log); err != nil || back || !edgeName.MatchString(edge) {
				t.Errorf("%q, %t, %v", edge, back, err)
			}
		})
	}
}

// TestStoreThatWasPutBack, and has come as far as the cursor or past it before anybody forwarded again, is
// forwarded from its first event.
func TestStoreThatWasPutBack(t *testing.T) {
	for _, test := range []struct {
		name  string
		since int
	}{{"as far", 5}, {"past it", 8}} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			want := w.fill("kept", 10)
			backup := w.backup()
			w.fill("lost", 5)
			f := w.forward(map[string]Sink{"x": &fake{}})
			await(t, "the first time", drained(f))
			f.Close()
			w.store.Close()
			w.putBack(backup)
			w.open()
			want = append(want, w.fill("since", test.since)...)
			sink := &fake{}
			f = w.forward(map[string]Sink{"x": sink})
			await(t, "the second time", func() bool { return len(sink.got()) >= len(want) })
			f.Close()
			same(t, sink.got(), want)
		})
	}
}

// TestEventOfTheCursorErased: the line goes on behind it.
func TestEventOfTheCursorErased(t *testing.T) {
	w := newWorld(t)
	w.put(t, "a", "b")
	sink := &fake{}
	f := w.forward(map[string]Sink{"x": sink})
	await(t, "the first", drained(f))
	f.Close()
	w.erase("user of b")
	w.put(t, "c")
	f = w.forward(map[string]Sink{"x": sink})
	await(t, "the second", func() bool { return len(sink.got()) == 4 })
	f.Close()
	same(t, sink.got(), []string{"e:a", "e:b", "x:user of b", "e:c"})
}

// putBack replaces the store, which is closed, by the one in another folder.
func (w *world) putBack(dir string) {
	w.t.Helper()
	path := filepath.Join(w.dir, "ctlive.db")
	if err := sqlite.Remove(path); err != nil {
		w.t.Fatal(err)
	}
	from, err := os.Open(filepath.Join(dir, "ctlive.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer from.Close()
	to, err := os.Create(path)
	if err == nil {
		_, err = io.Copy(to, from)
	}
	if err != nil || to.Close() != nil {
		w.t.Fatal(err)
	}
}
