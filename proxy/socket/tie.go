package socket

import (
	"context"
	"net"
)

// A Tie ties a connection to a request that somebody else has sent: when the request is
// given up, the connection is closed. context.AfterFunc can do that too, but makes a
// channel and a map each time.
type Tie interface {
	// Tie has c closed as soon as the request ends. It reports false if the request has
	// ended, or another connection is tied to it.
	Tie(c net.Conn) bool

	// Untie ends that. It reports whether c was left alone, and will be.
	Untie() bool
}

// TieKey is the key of the Tie in the context of a request.
type TieKey struct{}

// TieOf returns the Tie of the request whose context ctx is or comes from, or nil if that
// has none.
func TieOf(ctx context.Context) Tie {
	t, _ := ctx.Value(TieKey{}).(Tie)
	return t
}
