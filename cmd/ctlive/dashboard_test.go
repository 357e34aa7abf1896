package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ctlive/collector/forward/postgres"
	"ctlive/collector/forward/postgres/pgtest"
)

// TestDashboardSaysWhereToAsk: what the dashboard of many edges does not know, it says who does, in the
// form that the file describes.
func TestDashboardSaysWhereToAsk(t *testing.T) {
	s := shared{dsn: pgtest.Start(t).Database(t), table: "ctlive_events"}
	events, err := postgres.Open(t.Context(), postgres.Options{DSN: s.dsn, Table: s.table})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	h := s.admin(events, nil, slog.New(slog.DiscardHandler))
	f := readAPIFile(t)
	for path, want := range map[string]string{
		"/api/rejected": "run ctlive rejected there", "/api/explain": "run ctlive explain there",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1"+path, nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		f.validate(t, f.content(f.Paths[path]["get"], "200")["application/json"].Schema, w.Body.Bytes())
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1/api/rejected?format=ndjson", nil))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "run ctlive rejected there") {
		t.Errorf("rejected input as lines: %d %s", w.Code, w.Body)
	}
}
