package multiplex

import (
	"context"
	"net"

	"ctlive/proxy/socket"
)

// A life is the context of a request, which the connection that answers it can be tied
// to: see socket.Tie.
type life struct {
	context.Context
	stream *stream
}

func (l *life) Value(key any) any {
	if _, ok := key.(socket.TieKey); ok {
		return (*tie)(l.stream)
	}
	return l.Context.Value(key)
}

// A tie is a stream for whoever answers its request.
type tie stream

func (t *tie) Tie(nc net.Conn) bool {
	t.conn.mu.Lock()
	defer t.conn.mu.Unlock()
	if t.dead || t.tied != nil {
		return false
	}
	t.tied = nc
	return true
}

func (t *tie) Untie() bool {
	t.conn.mu.Lock()
	defer t.conn.mu.Unlock()
	left := t.tied != nil
	t.tied = nil
	return left
}

// dieLocked ends the context of the request, and the connection that is tied to it.
func (st *stream) dieLocked() {
	st.dead = true
	st.cancel()
	if st.tied != nil {
		go st.tied.Close() // which may take other locks, and system calls
		st.tied = nil
	}
}
