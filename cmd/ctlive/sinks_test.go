package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ctlive/collector/report"
	"ctlive/configs"
)

// TestServiceForwards: what pages send reaches a sink, also what was stored before forwarding
// began, and the operator sees how it is.
func TestServiceForwards(t *testing.T) {
	var down atomic.Bool
	got := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	defer hook.Close()

	s := newTestService(t, func(c *configs.Config) {
		c.Collector.Forward = []configs.Sink{{Webhook: &configs.Webhook{URL: hook.URL + "/in?key=s3cret", Secret: "secret"}}}
	})
	s.forwarder.Start(t.Context())
	await(t, got, `"e7"`)

	down.Store(true)
	w := httptest.NewRecorder()
	s.front.Plain().ServeHTTP(w, post(strings.ReplaceAll(chatBatch(), `"id":"e`, `"id":"later`)))
	if w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	sink := sinkOf(t, s, func(r report.Sink) bool { return r.Error != "" })
	if sink.Sink != "webhook:"+strings.TrimPrefix(hook.URL, "http://")+"/in" || sink.Backlog != 8 || sink.Lost != 0 || strings.Contains(sink.Error, "s3cret") {
		t.Errorf("%+v", sink)
	}
	scrape := httptest.NewRecorder()
	s.metrics.Handler().ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{"ctlive_forward_backlog_events{sink=%q} 8\n", "ctlive_forward_lag_seconds{sink=%q} ", "ctlive_forward_lost_events_total{sink=%q} 0\n"} {
		if want = strings.ReplaceAll(want, "%q", `"`+sink.Sink+`"`); !strings.Contains(scrape.Body.String(), want) {
			t.Errorf("no metric %s", want)
		}
	}
	down.Store(false)
	await(t, got, `"later7"`)
	sinkOf(t, s, func(r report.Sink) bool { return r.Error == "" && r.Backlog == 0 })
}

// await waits for a batch with want in it.
func await(t *testing.T, got <-chan string, want string) {
	t.Helper()
	for end := time.After(2 * time.Minute); ; {
		select {
		case body := <-got:
			if strings.Contains(body, want) {
				return
			}
		case <-end:
			t.Fatalf("no batch with %s", want)
		}
	}
}

// sinkOf returns what the API says of the one sink, once it is as wanted.
func sinkOf(t *testing.T, s *service, wanted func(report.Sink) bool) report.Sink {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		w := httptest.NewRecorder()
		s.newAPI().ServeHTTP(w, httptest.NewRequest("GET", "/api/report", nil))
		var f report.Figures
		if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || len(f.Sinks) != 1 {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if wanted(f.Sinks[0]) {
			return f.Sinks[0]
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", f.Sinks)
		}
	}
}

// TestNewSinks makes one of each kind from its defaults, and says where a bad one stands.
func TestNewSinks(t *testing.T) {
	parse := func(sinks string) *configs.Config {
		t.Helper()
		c, err := configs.Parse("c.yaml", []byte("sites: [{hosts: [a.test], to: ['http://b.test']}]\ncollector:\n  forward:\n"+sinks), nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	log := slog.New(slog.DiscardHandler)
	sinks, problems := newSinks(parse("  - nats: {url: 'nats://127.0.0.1:1'}\n  - kafka: {brokers: ['127.0.0.1:1']}\n"+
		"  - postgres: {dsn: 'postgres://127.0.0.1:1/x'}\n  - webhook: {url: 'http://127.0.0.1:1/', secret: x}\n"), log)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, name := range []string{"nats:CTLIVE", "kafka:ctlive-events", "postgres:ctlive_events", "webhook:127.0.0.1:1"} {
		if sinks[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	closeSinks(sinks)
	_, problems = newSinks(parse("  - nats: {url: 'nats://127.0.0.1:1'}\n  - kafka: {brokers: ['127.0.0.1:1'], topic: 'a/b'}\n"), log)
	if len(problems) != 1 || problems[0].Line != 5 {
		t.Errorf("%v", problems)
	}
}
