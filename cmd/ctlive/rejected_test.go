package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ctlive/collector"
)

// rejectSome fills the store in dir with a body that is nonsense, and one that is too large for
// limit alone.
func rejectSome(t *testing.T, dir string, limit int64) {
	t.Helper()
	store, err := collector.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	events := collector.New(store, collector.Options{MaxBody: limit}).Handler(collector.Site{Name: "www.example.com"})
	pad := strings.Repeat("x", int(limit))
	for body, want := range map[string]int{
		"nonsense": http.StatusBadRequest,
		`{"v":1,"events":[{"id":"a","type":"ChatStarted","object":{"pad":"` + pad + `"}}]}`: http.StatusRequestEntityTooLarge,
	} {
		r := httptest.NewRequest("POST", "/.ctlive/events", strings.NewReader(body))
		r.ContentLength = -1
		w := httptest.NewRecorder()
		events.ServeHTTP(w, r)
		if w.Code != want {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}

// ctlive runs one command line and returns what it printed.
func ctlive(t *testing.T, status int, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if got := execute(t.Context(), args, strings.NewReader(""), &stdout, &stderr); got != status {
		t.Fatalf("ctlive %s: status %d, %s", strings.Join(args, " "), got, stderr.String())
	}
	return stdout.String() + stderr.String()
}

func TestRejected(t *testing.T) {
	dir := t.TempDir()
	rejectSome(t, dir, 100)
	table := ctlive(t, 0, "rejected", "--data", dir)
	for _, want := range []string{"RECEIVED", "bad_json", "nonsense", "too_large"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if lines := ctlive(t, 0, "rejected", "--data", dir, "--format", "ndjson", "--since", "1h", "--site", "www.example.com"); strings.Count(lines, "\n") != 2 {
		t.Errorf("lines %s", lines)
	}
	if lines := ctlive(t, 0, "rejected", "--data", dir, "--format", "ndjson", "--site", "other"); lines != "" {
		t.Errorf("of another site: %s", lines)
	}
	// The store is open in this process, as it is in a proxy that runs.
	for range 2 {
		if got := ctlive(t, 0, "rejected", "--data", dir, "--replay", "--format", "ndjson"); got != fmt.Sprintln(`{"inputs":2,"stored":0,"duplicates":0,"rejected":0,"refused":2,"incomplete":0}`) {
			t.Errorf("replayed %s", got)
		}
	}
}

func TestRejectedMisuse(t *testing.T) {
	dir := t.TempDir()
	ctlive(t, 2, "rejected", "--data", dir, "--format", "csv")
	ctlive(t, 2, "rejected", "--data", dir, "--since", "yesterday")
	for _, args := range [][]string{{"rejected", "--data", dir}, {"rejected", "--data", dir, "--replay"}} {
		if said := ctlive(t, 1, args...); !strings.Contains(said, "no event store") {
			t.Errorf("%q says %s", args, said)
		}
	}
}
