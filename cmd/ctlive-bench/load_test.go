package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// taker answers as ctlive does and keeps the ids that it has acknowledged.
type taker struct {
	mu     sync.Mutex
	n      int
	stored []string
	answer func(n int) (status int, verdict string) // of the nth request
}

func (c *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var batch struct{ Events []struct{ ID string } }
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	status, verdict := c.answer(c.n)
	c.n++
	var results []string
	for _, e := range batch.Events {
		results = append(results, fmt.Sprintf(`{"id":%q,"verdict":%q,"reason":"","flags":[]}`, e.ID, verdict))
		if status == http.StatusOK {
			c.stored = append(c.stored, fmt.Sprintf(`{"id":%q}`, e.ID))
		}
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(results, ","))
}

func startLoad(t *testing.T, c *taker) *load {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: c}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	l, err := dialLoad(t.Context(), visitor{addr: listener.Addr().String()}, 5, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// What the load says was acknowledged is what the server has acknowledged, over several runs and
// with some requests refused.
func TestLoad(t *testing.T) {
	c := &taker{answer: func(n int) (int, string) {
		if n%50 == 7 {
			return http.StatusServiceUnavailable, ""
		}
		return http.StatusOK, "stored"
	}}
	l := startLoad(t, c)
	acknowledged, refused := 0, 0
	for range 2 {
		got, err := l.run(t.Context(), 200*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		acknowledged, refused = acknowledged+got.acknowledged, refused+got.refused
		if got.flagged != 0 || got.answers.n != uint64(got.acknowledged/3) {
			t.Errorf("%d flagged, %d answers to %d events", got.flagged, got.answers.n, got.acknowledged)
		}
	}
	b := newLedger(l)
	if err := b.read(strings.NewReader(strings.Join(c.stored, "\n"))); err != nil {
		t.Fatal(err)
	}
	if err := b.verdict(); err != nil || b.Acknowledged != acknowledged || b.Stored != len(c.stored) || acknowledged == 0 {
		t.Errorf("%d acknowledged, %+v, %v", acknowledged, b, err)
	}
	if refused == 0 || acknowledged+3*refused != 3*c.n {
		t.Errorf("%d events acknowledged, %d requests refused, %d sent", acknowledged, refused, c.n)
	}
}

func TestLoadStopsAtAnError(t *testing.T) {
	for name, answer := range map[string]func(int) (int, string){
		"duplicate": func(int) (int, string) { return http.StatusOK, "duplicate" },
		"status":    func(int) (int, string) { return http.StatusForbidden, "" },
		"panic":     func(int) (int, string) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			l := startLoad(t, &taker{answer: answer})
			if _, err := l.run(t.Context(), time.Minute); err == nil || !strings.Contains(err.Error(), "connection") {
				t.Errorf("got %v", err)
			}
		})
	}
}
