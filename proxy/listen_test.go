package proxy

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"
)

// TestStop: requests under way finish, except where they could last for ever.
func TestStop(t *testing.T) {
	entered := make(chan bool, 2)
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		time.Sleep(200 * time.Millisecond)
		io.WriteString(w, "done")
	})
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-r.Context().Done()
	})
	s, err := Listen(slog.New(slog.DiscardHandler),
		Listener{Addr: "127.0.0.1:0", Handler: slow}, Listener{Addr: "127.0.0.1:0", Handler: endless, HangUp: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + s.Addr(0).String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answer <- string(body)
	}()
	go http.Get("http://" + s.Addr(1).String())
	<-entered
	<-entered
	stop()
	if got := <-answer; got != "done" {
		t.Errorf("the request under way got %q", got)
	}
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(Grace / 2):
		t.Error("still serving")
	}
}

func TestListenAllOrNone(t *testing.T) {
	s, err := Listen(slog.New(slog.DiscardHandler), Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := Listen(slog.New(slog.DiscardHandler), Listener{Addr: "127.0.0.1:0"}, Listener{Addr: s.Addr(0).String()}); err == nil {
		t.Error("two listeners at one address")
	}
}
