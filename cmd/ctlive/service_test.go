package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ctlive/configs"
)

// newTestService returns a service in front of an origin with one page, which has served that page,
// counted its events, one of each type, and refused some input.
func newTestService(t *testing.T, edits ...func(*configs.Config)) *service {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html><html><head><title>x</title></head><body>y</body></html>")
	}))
	t.Cleanup(origin.Close)
	c, err := configs.Single(origin.URL, "127.0.0.1:8080", t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	c.Listen.HTTP, c.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	for _, edit := range edits {
		edit(c)
	}
	s, err := newService(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	s.figures.Start(ctx)
	visitSite(t, s)
	return s
}

func TestCloseTwice(t *testing.T) {
	s := newTestService(t)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func visitSite(t *testing.T, s *service) {
	t.Helper()
	page := httptest.NewRequest("GET", "http://www.example.com/", nil)
	page.Header.Set("Sec-Fetch-Dest", "document")
	for _, step := range []struct {
		r      *http.Request
		status int
	}{
		{page, http.StatusOK},
		{httptest.NewRequest("TRACE", "http://www.example.com/", nil), http.StatusMethodNotAllowed},
		{post(chatBatch()), http.StatusOK},
		{post("nonsense"), http.StatusBadRequest},
	} {
		w := httptest.NewRecorder()
		s.front.Plain().ServeHTTP(w, step.r)
		if w.Code != step.status {
			t.Fatalf("%s %s: %d %s", step.r.Method, step.r.URL, w.Code, w.Body)
		}
	}
}

func post(body string) *http.Request {
	r := httptest.NewRequest("POST", "http://www.example.com/.ctlive/events", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("User-Agent", "Mozilla/5.0")
	return r
}

// chatBatch is what a page sends in the course of one chat that waited 20 s and lasted 3 minutes.
func chatBatch() string {
	now := time.Now().Add(-10 * time.Minute).UnixMilli()
	var events []string
	for i, e := range []struct {
		at     int64
		typ    string
		object string
	}{
		{0, "Loaded", `{}`}, {100, "WidgetShown", `{}`}, {5_000, "WidgetClicked", `{"type":"Chat"}`},
		{5_500, "DatacollectionStarted", `{"type":"Chat"}`}, {10_000, "ChatStarted", `{"chatID":"c1","userID":"u1"}`},
		{30_000, "ChatOnline", `{"chatID":"c1","users":["agent"]}`}, {210_000, "ChatFinished", `{"chatID":"c1"}`},
		{211_000, "WidgetHidden", `{}`},
	} {
		events = append(events, fmt.Sprintf(`{"id":"e%d","seq":%d,"at":%d,"type":%q,"object":%s,"more":1}`, i, i+1, now+e.at, e.typ, e.object))
	}
	return `{"v":1,"page":"p1","session":"s1","url":"https://www.example.com/","refused":1,"events":[` + strings.Join(events, ",") + `]}`
}
