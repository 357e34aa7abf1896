package multiplex_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"ctlive/proxy/socket"
)

// tied ties a connection to a request, and closes closed when that is closed.
func tied(t *testing.T, ctx context.Context, closed chan<- bool) {
	if *judged {
		close(closed) // the oracle has no ties
		return
	}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, "a", "b"))
	t.Cleanup(cancel)
	near, far := net.Pipe()
	if !socket.TieOf(ctx).Tie(near) {
		t.Error("cannot be tied")
	}
	go func() {
		io.Copy(io.Discard, far)
		close(closed)
	}()
}

// One connection at a time can be tied to a request, until that ends.
func TestTie(t *testing.T) {
	near, far := net.Pipe()
	contexts, closed := make(chan context.Context, 1), make(chan bool)
	c := start(t, implementation{"ours", newOurs}, func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		tie := socket.TieOf(ctx)
		if tie.Untie() {
			t.Error("untied what was not tied")
		}
		for range 2 {
			if !tie.Tie(near) || tie.Tie(near) {
				t.Error("tied not exactly once")
			}
			if !tie.Untie() || tie.Untie() {
				t.Error("untied not exactly once")
			}
		}
		tied(t, ctx, closed)
		contexts <- ctx
	})
	c.get(1, "/")
	c.answer(1)
	tie := socket.TieOf(soon(t, "the handler", contexts))
	soon(t, "the end of what the handler has left tied", closed)
	if tie.Tie(near) || tie.Untie() {
		t.Error("tied after the end")
	}
	go near.Write([]byte("open"))
	if _, err := far.Read(make([]byte, 4)); err != nil {
		t.Errorf("what was untied: %v", err)
	}
	if socket.TieOf(t.Context()) != nil {
		t.Error("a tie of no request")
	}
}
