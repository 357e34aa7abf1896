package postgres

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"ctlive/collector"
	"ctlive/collector/forward/postgres/pgtest"
)

// While the server is away, whoever asks is told to ask again; what nothing but the owner can mend is
// another matter.
func TestAPIWhileAway(t *testing.T) {
	srv := pgtest.Start(t)
	dsn := srv.Database(t)
	send(t, openSink(t, dsn), someEvents("e", 3))
	h := collector.API(openEvents(t, dsn), slog.New(slog.DiscardHandler))
	ask := func(want int, again string) {
		t.Helper()
		for _, path := range []string{"/api/events", "/api/events?format=csv", "/api/stats"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
			if w.Code != want || w.Header().Get("Retry-After") != again {
				t.Errorf("%s: %d, Retry-After %q; want %d, %q: %s", path, w.Code, w.Header().Get("Retry-After"), want, again, w.Body)
			}
		}
	}
	ask(http.StatusOK, "")
	srv.Kill()
	ask(http.StatusServiceUnavailable, "5") // a connection that is cut off
	ask(http.StatusServiceUnavailable, "5") // none
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	ask(http.StatusOK, "")
	srv.Exec(t, dsn, `ALTER TABLE ctlive_events RENAME site TO place`)
	ask(http.StatusInternalServerError, "")
}
