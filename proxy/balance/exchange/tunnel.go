package exchange

import (
	"net/http"
	"time"
)

// A tunnel is the connection after an answer of 101. It is the caller's: the
// request's context does not end it.
type tunnel struct{ *conn }

// switchProtocols gives a the tunnel.
func (a *answer) switchProtocols() {
	b := &a.body
	b.over.Store(true)
	b.conn.leave() // if it is late, the tunnel is closed
	a.ContentLength, a.Body = 0, tunnel{b.conn}
}

// finished reports whether the whole body is sent, as it must be before a tunnel
// may write: the origin can know of its last byte a little earlier than we do.
func (s *sending) finished() bool {
	if s == nil {
		return true
	}
	select {
	case <-s.ended:
	case <-time.After(grace):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over && s.read == nil && s.write == nil
}

// CloseWrite ends our side.
func (t tunnel) CloseWrite() error {
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return http.ErrNotSupported
}
