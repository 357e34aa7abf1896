package balance

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A ledger is what a pool has told about its origins.
type ledger struct {
	mu  sync.Mutex
	ups []bool
}

func (l *ledger) up(_ string, up bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ups = append(l.ups, up)
}

func (l *ledger) is(want ...bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Equal(l.ups, want)
}

func TestActiveHealth(t *testing.T) {
	var status atomic.Int64
	var agent, host atomic.Value
	status.Store(200)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		agent.Store(r.UserAgent())
		host.Store(r.Host)
		w.WriteHeader(int(status.Load()))
	})
	var told ledger
	p := pool(t, Options{Upstreams: urls(s), HealthPath: "/up?x", HealthHost: "site.test", Every: 10 * time.Millisecond, Up: told.up})
	p.Start(t.Context())
	for _, step := range []struct {
		status int64
		want   []bool
	}{
		{200, []bool{true}},
		{503, []bool{true, false}},
		{302, []bool{true, false, true}},
		{404, []bool{true, false, true, false}},
		{204, []bool{true, false, true, false, true}},
	} {
		status.Store(step.status)
		eventually(t, http.StatusText(int(step.status)), func() bool { return told.is(step.want...) })
	}
	if agent.Load() != "ctlive health" || host.Load() != "site.test" {
		t.Errorf("asked as %q for %q", agent.Load(), host.Load())
	}
}

func TestOneFailedCheckIsNone(t *testing.T) {
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 0 {
			w.WriteHeader(500)
		}
	})
	var told ledger
	p := pool(t, Options{Upstreams: urls(s), HealthPath: "/", Every: 100 * time.Millisecond, Up: told.up}) // the time for an answer, too
	p.Start(t.Context())
	eventually(t, "six checks", func() bool { return n.Load() >= 6 })
	if !told.is(true) {
		t.Errorf("told %v, want up only", told.ups)
	}
}

func TestAnAnswerDoesNotOverruleTheChecks(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/up" {
			w.WriteHeader(503) // it wants to be drained
		}
	})
	p := pool(t, Options{Upstreams: urls(s), HealthPath: "/up", Every: 5 * time.Millisecond})
	p.Start(t.Context())
	eventually(t, "down", func() bool { return !p.Status()[0].Up })
	if _, err := ask(p, request(t, "GET", nil)); err != nil || p.Status()[0].Up {
		t.Errorf("%v, up: %v", err, p.Status()[0].Up)
	}
}

func TestPassiveHealth(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	var told ledger
	p := pool(t, Options{Upstreams: parse("http://" + l.Addr().String()), Up: told.up})
	p.Start(t.Context())
	ask(p, request(t, "GET", nil))
	if !told.is(true) {
		t.Errorf("after one failure: %v", told.ups)
	}
	ask(p, request(t, "GET", nil))
	if !told.is(true, false) {
		t.Errorf("after two failures: %v", told.ups)
	}
	if l, err = net.Listen("tcp", l.Addr().String()); err != nil {
		t.Skip("the port has been taken:", err)
	}
	defer l.Close()
	eventually(t, "up again without a visitor", func() bool { return told.is(true, false, true) })
}

// An origin that stays out is tried ever more rarely, up to every 30 s.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(Options{Upstreams: parse("http://a.test")}).origins[0]
		o.refused("", net.ErrClosed)
		o.refused("", net.ErrClosed)
		ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
		defer cancel()
		start := time.Now()
		var tries []float64
		o.retry(ctx, func() { tries = append(tries, time.Since(start).Seconds()) })
		want := []float64{1, 3, 7, 15, 31, 61, 91}
		if len(tries) < len(want) {
			t.Fatalf("tried after %.1f s, want about %v", tries, want)
		}
		for i, w := range want {
			if tries[i] < 0.89*w || tries[i] > 1.11*w {
				t.Errorf("try %d after %.1f s, want about %v s", i, tries[i], w)
			}
		}
	})
}
