package report

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ctlive/collector/sqlite"
)

// TestReader compares the figures that another process reads with those of the owner.
func TestReader(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	q := Query{Since: now.Add(-24 * time.Hour), Until: now, Compare: true}
	tests := []struct {
		name  string
		spoil func(t *testing.T, w *world) // after the owner has counted all there is
		built bool
	}{
		{"up to date", func(*testing.T, *world) {}, false},
		{"behind", func(t *testing.T, w *world) {
			w.put("a.test", "Mozilla/5.0", `{"v":1,"page":"late","url":"https://a.test/","events":[{"id":"l1","type":"ChatStarted","object":{"chatID":"late"}}]}`)
		}, true},
		{"missing", func(t *testing.T, w *world) { remove(t, w.report.path) }, true},
		{"no database", func(t *testing.T, w *world) { overwrite(t, w.report.path) }, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			w := newWorld(t, now)
			rng := rand.New(rand.NewPCG(1, 2))
			w.random(rng, 60, now.Add(-24*time.Hour), 24*time.Hour)
			w.injected(rng, now.Add(-24*time.Hour), 24*time.Hour)
			w.catchUp()
			w.report.Close()
			test.spoil(t, w)
			r := w.reader()
			if built := r.temp != ""; built != test.built {
				t.Errorf("made a copy: %t", built)
			}
			got, err := r.Query(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			w.open()
			w.catchUp()
			if want := w.query(q); text(t, got) != text(t, want) {
				t.Errorf("got  %s\nwant %s", text(t, got), text(t, want))
			}
		})
	}
}

func TestReaderOfAnEmptyStore(t *testing.T) {
	w := newWorld(t, time.Now())
	w.report.Close()
	remove(t, w.report.path)
	remove(t, filepath.Join(w.dir, "pages.db"))
	r := w.reader()
	defer r.Close()
	f, err := r.Query(t.Context(), Query{})
	if err != nil || f.Behind != 0 || len(f.Funnel) != 1+stepCount {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "pages.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made a file: %v", err)
	}
}

// reader opens w's figures as another process does.
func (w *world) reader() *Reader {
	w.t.Helper()
	r, err := OpenReadOnly(w.t.Context(), w.dir, w.store, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.report.now = func() time.Time { return w.now }
	return r
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := sqlite.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path string) {
	t.Helper()
	remove(t, path)
	if err := os.WriteFile(path, []byte("this is no database at all, whatever its name may say"), 0o600); err != nil {
		t.Fatal(err)
	}
}
