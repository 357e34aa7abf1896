package report

import (
	"context"
	"log/slog"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"ctlive/collector"
)

// TestBackup wants the figures back from a backup, the pages among them, in a folder with nothing
// else, whoever looks first, and from a backup of that one.
func TestBackup(t *testing.T) {
	w := newWorld(t, noon)
	w.report.Page("a.test", "injected", "")
	w.report.Page("b.test", "skipped", "csp")
	w.tell("A", "ChatStarted c1 0", "ChatOnline c1 20")
	w.now = noon.Add(3 * time.Minute)
	w.report.Page("a.test", "injected", "")
	w.catchUp()
	q := Query{Since: noon.AddDate(0, 0, -1), Until: noon.AddDate(0, 0, 1)}
	want := w.query(q)
	if want.Funnel[0].Views == 0 {
		t.Fatalf("no pages: %+v", want.Funnel)
	}
	if err := w.report.Close(); err != nil {
		t.Fatal(err)
	}
	log, dir := slog.New(slog.DiscardHandler), w.dir
	for _, name := range []string{"backup", "backup of the backup"} {
		target := t.TempDir()
		s, err := collector.OpenReadOnly(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Backup(t.Context(), filepath.Join(target, "ctlive.db"), func(file string) error { return AddPages(t.Context(), dir, file) }); err != nil {
			t.Fatal(err)
		}
		s.Close()
		dir = target
		if s, err = collector.OpenReadOnly(dir); err != nil {
			t.Fatal(err)
		}
		reader, err := OpenReadOnly(t.Context(), dir, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		reader.report.now = w.report.now
		check(t, name+", read only", reader.Query, q, want)
		reader.Close()
		s.Close()
		if s, err = collector.Open(dir, log); err != nil {
			t.Fatal(err)
		}
		for _, start := range []string{"first", "second"} {
			r, err := Open(dir, s, log)
			if err != nil {
				t.Fatal(err)
			}
			r.now = w.report.now
			if err := r.catchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			check(t, name+", "+start+" start", r.Query, q, want)
			r.Close()
		}
		s.Close()
	}
}

func check(t *testing.T, name string, ask func(context.Context, Query) (*Figures, error), q Query, want *Figures) {
	t.Helper()
	got, err := ask(t.Context(), q)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v\n got %+v\nwant %+v", name, err, got, want)
	}
}
