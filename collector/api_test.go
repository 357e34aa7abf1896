package collector

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func newAPI(t *testing.T, s *Store) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(API(s, slog.New(slog.DiscardHandler)))
	t.Cleanup(srv.Close)
	return srv
}

func get(t *testing.T, srv *httptest.Server, path string) (*http.Response, string) {
	t.Helper()
	res, err := http.Get(srv.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body strings.Builder
	if _, err := bufio.NewReader(res.Body).WriteTo(&body); err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Cache-Control") != "no-store" && res.StatusCode == 200 {
		t.Errorf("%s: header %v", path, res.Header)
	}
	return res, body.String()
}

func TestAPIEvents(t *testing.T) {
	s := openStore(t, t.TempDir())
	fill(t, s, 50)
	srv := newAPI(t, s)
	tests := []struct {
		path string
		n    int
		more bool
	}{
		{"/api/events", 50, false},
		{"/api/events?format=json", 50, false},
		{"/api/events?limit=50", 50, false},
		{"/api/events?limit=49", 49, true},
		{"/api/events?type=ChatStarted&chat=c5", 5, false},
		{"/api/events?since=2026-11-22T17:00:10Z&until=2026-11-22T17:00:12Z", 2, false},
		{"/api/events?site=other", 0, false},
	}
	for _, test := range tests {
		res, body := get(t, srv, test.path)
		var got struct {
			Events []Record
			More   bool
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v in %s", test.path, err, body)
		}
		if res.StatusCode != 200 || len(got.Events) != test.n || got.More != test.more || got.Events == nil {
			t.Errorf("%s: %d, %d events, more %t", test.path, res.StatusCode, len(got.Events), got.More)
		}
	}
	t.Run("ndjson", func(t *testing.T) {
		res, body := get(t, srv, "/api/events?format=ndjson&since=2026-11-22")
		if strings.Count(body, "\n") != 50 || res.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s: %s", res.Header.Get("Content-Type"), body)
		}
	})
	t.Run("csv", func(t *testing.T) {
		res, body := get(t, srv, "/api/events?format=csv&limit=7")
		lines, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil || len(lines) != 8 || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%v %d lines, %v", res.Header, len(lines), err)
		}
	})
}

func TestAPIRejectedAndStats(t *testing.T) {
	h, s := newEndpoint(t, Options{})
	srv := newAPI(t, s)
	sendText(t, h, batchOf(loaded("a")))
	sendText(t, h, "nonsens")
	sendText(t, h, "nonsense")
	for path, want := range map[string]string{
		"/api/stats":                         `{"counts":[{"site":"www.example.com","type":"Loaded","events":1}],"accounts":[{"site":"www.example.com","seen":1,"stored":1,"rejected":0,"refused":0,"dropped":0,"pending":0,"doubtful":0,"duplicate":0}],"losses":[{"site":"www.example.com","reason":"bad_json","count":2}]}`,
		"/api/stats?site=other":              `{"counts":[],"accounts":[],"losses":[]}`,
		"/api/rejected":                      `"raw":"bm9uc2Vuc2U="}],"more":false}`,
		"/api/rejected?format=ndjson":        `"reason":"bad_json"`,
		"/api/rejected?limit=1&order=newest": `"raw":"bm9uc2Vuc2U="}],"more":true}`,
		"/api/rejected?limit=1&order=oldest": `"raw":"bm9uc2Vucw=="}],"more":true}`,
		"/api/rejected?site=other":           `{"rejected":[],"more":false}`,
	} {
		if res, body := get(t, srv, path); res.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
}

func TestAPIRefusesOddParameters(t *testing.T) {
	srv := newAPI(t, openStore(t, t.TempDir()))
	for path, want := range map[string]string{
		"/api/events?sice=1h":                    "sice",
		"/api/events?since=1h&since=2h":          "twice",
		"/api/events?since=noon":                 "noon",
		"/api/events?since=":                     "since",
		"/api/events?limit=0":                    "limit",
		"/api/events?limit=x":                    "limit",
		"/api/events?format=xml":                 "xml",
		"/api/events?type=%zz":                   "query",
		"/api/events?a=1;b=2":                    "query",
		"/api/events?%ff=1":                      "unknown",
		"/api/rejected?type=Loaded":              "type",
		"/api/rejected?format=csv":               "csv",
		"/api/rejected?order=up":                 "newest",
		"/api/events?order=newest":               "order",
		"/api/stats?limit=1":                     "limit",
		"/api/live?since=1h":                     "since",
		"/api/live?latest=0":                     "latest",
		"/api/live?last=-1":                      "last",
		"/api/live?last=99999999999999999999":    "last",
		"/api/events?until=2026-11-22T25:00:00Z": "until",
	} {
		res, body := get(t, srv, path)
		var got answer
		if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != 400 || got.Reason != "parameter" || !strings.Contains(got.Message, want) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	res, err := http.Post(srv.URL+"/api/events", "text/plain", nil)
	if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v %v", res, err)
	}
}

func TestAPIWithoutAStoreIs500(t *testing.T) {
	s := openStore(t, t.TempDir())
	srv := newAPI(t, s)
	s.Close()
	for _, path := range []string{"/api/events", "/api/events?format=csv", "/api/rejected", "/api/stats", "/api/live"} {
		if res, body := get(t, srv, path); res.StatusCode != 500 || !strings.Contains(body, `"reason":"store"`) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
}

// stream opens a live stream and returns a function that reads its next event.
func stream(t *testing.T, srv *httptest.Server, path, lastID string) (next func() (id string, r Record)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("content type %q", got)
	}
	lines := bufio.NewScanner(res.Body)
	return func() (id string, r Record) {
		t.Helper()
		for lines.Scan() {
			if line, found := strings.CutPrefix(lines.Text(), "id: "); found {
				id = line
			}
			if line, found := strings.CutPrefix(lines.Text(), "data: "); found {
				if err := json.Unmarshal([]byte(line), &r); err != nil {
					t.Fatal(err)
				}
				return id, r
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return "", Record{}
	}
}

func TestAPILive(t *testing.T) {
	h, s := newEndpoint(t, Options{})
	srv := newAPI(t, s)
	for i := range 5 {
		sendText(t, h, batchOf(loaded(fmt.Sprint(i))))
	}
	next := stream(t, srv, "/api/live?last=2", "")
	var id string
	for _, want := range []string{"3", "4"} {
		var r Record
		if id, r = next(); r.ID != want {
			t.Errorf("got %s, want %s", r.ID, want)
		}
	}
	sendText(t, h, batchOf(loaded("5")))
	if _, r := next(); r.ID != "5" || r.URL != "https://www.example.com/" {
		t.Errorf("landed: %+v", r)
	}
	// The connection broke after "4": nothing is missed, nothing is seen twice.
	next = stream(t, srv, "/api/live?last=2", id)
	if _, r := next(); r.ID != "5" {
		t.Errorf("resumed with %s", r.ID)
	}
	old := stream(t, srv, "/api/live", "5000") // the store was made anew
	next = stream(t, srv, "/api/live?type=ChatStarted", "")
	sendText(t, h, batchOf(loaded("6"), `{"id":"7","type":"ChatStarted"}`))
	if _, r := next(); r.ID != "7" {
		t.Errorf("filtered: %s", r.ID)
	}
	if _, r := old(); r.ID != "6" {
		t.Errorf("with an id of another store: %s", r.ID)
	}
}

func TestAPILiveEndsWithTheStore(t *testing.T) {
	s := openStore(t, t.TempDir())
	srv := newAPI(t, s)
	res, err := http.Get(srv.URL + "/api/live")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	s.Close()
	if _, err := bufio.NewReader(res.Body).WriteTo(&strings.Builder{}); err != nil {
		t.Error(err)
	}
}
