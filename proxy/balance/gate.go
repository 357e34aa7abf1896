package balance

import (
	"context"
	"sync/atomic"
)

const (
	// maxConns is how many connections an origin may have, WebSockets included.
	// Linux has 28,232 local ports towards one address by default, and two
	// files are open for each WebSocket.
	maxConns = 8192

	// maxDials is how many connections are being made at a time: more would only
	// wait in the origin's backlog, and be dropped where that is short.
	maxDials = 64
)

// A gate bounds the connections of an origin.
type gate struct {
	open    atomic.Int64  // connections, those being made included
	dialing chan struct{} // one element per connection being made
	credit  *credit
}

func newGate() gate {
	return gate{dialing: make(chan struct{}, maxDials), credit: newCredit()}
}

// enter waits for leave to connect. When it returns nil, dialled follows, and
// leave when the connection is closed or could not be made.
func (g *gate) enter(ctx context.Context) error {
	if g.open.Add(1) > maxConns {
		g.leave()
		return ErrTooManyConns
	}
	select {
	case g.dialing <- struct{}{}:
	case <-ctx.Done():
		g.leave()
		return ctx.Err()
	}
	if err := g.credit.wait(ctx); err != nil {
		g.dialled()
		g.leave()
		return err
	}
	return nil
}

func (g *gate) dialled() { <-g.dialing }
func (g *gate) leave()   { g.open.Add(-1) }
