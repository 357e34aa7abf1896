package proxy

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// running is a server that a test has set going.
type running struct {
	front   *Switch
	sockets *Sockets
	stop    context.CancelFunc
	served  chan error
}

// serve runs a server with a plain listener and admin in front of origin.
func serve(t *testing.T, origin, admin http.Handler, grace time.Duration) *running {
	t.Helper()
	upstream := httptest.NewServer(origin)
	t.Cleanup(upstream.Close)
	r := &running{served: make(chan error, 1)}
	r.front = NewSwitch(newTestProxy(t, upstream.URL))
	var err error
	if r.sockets, err = Open(Addresses{HTTP: "127.0.0.1:0", Admin: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	server := NewServer(ServerOptions{
		Sockets: r.sockets, Front: r.front, Admin: admin, Grace: grace, Logger: slog.New(slog.DiscardHandler),
	})
	var ctx context.Context
	ctx, r.stop = context.WithCancel(t.Context())
	go func() { r.served <- server.Serve(ctx) }()
	t.Cleanup(func() {
		r.stop()
		r.front.Close()
	})
	return r
}

func newTestProxy(t *testing.T, to string) *Proxy {
	p, err := New(Options{Sites: []Site{testSite(t, to, "*")}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fetch returns the body of an answer, or the error.
func fetch(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// TestStop: requests under way finish, except the operator's, which could last
// for ever.
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
	const grace = time.Minute
	r := serve(t, slow, endless, grace)
	answer := make(chan string, 1)
	go func() { answer <- fetch("http://" + r.sockets.HTTP.Addr().String()) }()
	go fetch("http://" + r.sockets.Admin.Addr().String())
	<-entered
	<-entered
	r.stop()
	if got := <-answer; got != "done" {
		t.Errorf("the request under way got %q", got)
	}
	select {
	case err := <-r.served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(grace / 2):
		t.Error("still serving")
	}
}

// TestStopHasAnEnd: what takes longer than the grace is cut.
func TestStopHasAnEnd(t *testing.T) {
	entered := make(chan bool, 1)
	r := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-r.Context().Done()
	}), says("admin"), 50*time.Millisecond)
	go fetch("http://" + r.sockets.HTTP.Addr().String())
	<-entered
	r.stop()
	select {
	case err := <-r.served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("still serving")
	}
}

// TestSwitch: requests under way end with the proxy they began with, new ones
// meet the other, on the same connection.
func TestSwitch(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	r := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-leave
		io.WriteString(w, "old")
	}), says("admin"), time.Second)
	url := "http://" + r.sockets.HTTP.Addr().String()
	answer := make(chan string, 1)
	go func() { answer <- fetch(url) }()
	<-entered
	second := httptest.NewServer(says("new"))
	defer second.Close()
	r.front.Set(newTestProxy(t, second.URL))
	if got := fetch(url); got != "new" {
		t.Errorf("after the switch: %q", got)
	}
	close(leave)
	if got := <-answer; got != "old" {
		t.Errorf("the request under way got %q", got)
	}
}
