package proxy

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrainNothing(t *testing.T) {
	newDrain().end(t.Context()) // returns
}

// TestDrainEventStream: a stream of events ends cleanly, and the drain waits for
// it.
func TestDrainEventStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrain()
		body, origin := io.Pipe()
		res := &http.Response{Header: http.Header{"Content-Type": {"Text/Event-Stream; charset=utf-8"}}, Body: body}
		endWithDrain(res, d)
		got := make(chan string)
		go func() {
			all, err := io.ReadAll(res.Body)
			if err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			res.Body.Close()
			got <- string(all)
		}()
		io.WriteString(origin, "data: 1\n\n")
		go d.end(t.Context())
		synctest.Wait()
		select {
		case <-d.idle:
			t.Error("the drain did not wait")
		default:
		}
		if all := <-got; all != "data: 1\n\n" {
			t.Errorf("got %q", all)
		}
		<-d.idle
	})
}

// TestDrainLeavesPages: an answer that comes to its own end is not cut.
func TestDrainLeavesPages(t *testing.T) {
	d := newDrain()
	res := &http.Response{Header: http.Header{"Content-Type": {"text/html"}}, Body: http.NoBody}
	endWithDrain(res, d)
	if res.Body != http.NoBody {
		t.Error("a page is taken for a stream of events")
	}
}

// TestDrainHasAnEnd: what does not end in time is left behind.
func TestDrainHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrain()
		d.add(stubborn{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		d.end(ctx)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

type stubborn struct{}

func (stubborn) end() {}
