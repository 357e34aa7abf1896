package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"ctlive/collector"
)

// command runs one command line.
func command(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = execute(t.Context(), args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

// TestBackupAndErase runs the commands while a proxy has the store open.
func TestBackupAndErase(t *testing.T) {
	dir, target := t.TempDir(), t.TempDir()
	s, err := collector.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := collector.New(s, collector.Options{}).Handler(collector.Site{Name: "a.test"})
	body := `{"v":1,"page":"p","events":[{"id":"1","type":"ChatStarted","object":{"chatID":"c1","userID":"u1"}},` +
		`{"id":"2","type":"ChatFinished","object":{"chatID":"c1"}},{"id":"3","type":"Loaded","object":{"userID":"u2"}}]}`
	r := httptest.NewRequest("POST", "http://a.test/", strings.NewReader(body))
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	file := filepath.Join(target, "ctlive.db")
	tests := []struct {
		name, args     string
		status         int
		stdout, stderr string
	}{
		{"backup", "backup --data " + dir + " " + file, 0, "", "3 events in " + file},
		{"never over a file", "backup --data " + dir + " " + file, 1, "", "exist"},
		{"no store", "backup --data " + target + "/none " + file + "2", 1, "", "no event store"},
		{"no file named", "backup --data " + dir, 2, "", "arg"},
		{"two folders", "backup --data a --config b " + file, 2, "", "config"},
		{"erase whom", "erase --data " + dir, 2, "", "user"},
		{"erase both", "erase --user a --chat b --data " + dir, 2, "", "user"},
		{"erase nobody", "erase --user= --data " + dir, 2, "", "names nobody"},
		{"erase where", "erase --user u1 --data " + target + "/none", 1, "", "no event store"},
		{"erase", "erase --user u1 --data " + dir, 0, "2 events, 0 page views, 0 quarantined inputs erased\n", ""},
		{"erase again", "erase --user u1 --data " + dir, 0, "0 events", ""},
		{"the backup has them", "events --format ndjson --data " + target, 0, `"chat_id":"c1"`, ""},
		{"figures", "stats --data " + dir, 0, "Loaded                          1", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, stdout, stderr := command(t, strings.Fields(test.args)...)
			if status != test.status || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) {
				t.Errorf("status %d, want %d\nstdout %q, want %q\nstderr %q, want %q", status, test.status, stdout, test.stdout, stderr, test.stderr)
			}
		})
	}
	if _, stdout, _ := command(t, "events", "--format", "ndjson", "--data", dir); strings.Contains(stdout, "c1") || !strings.Contains(stdout, "u2") {
		t.Errorf("left: %s", stdout)
	}
}
