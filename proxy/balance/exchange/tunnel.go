package exchange

import "net/http"

// A tunnel is the connection after an answer of 101. It is the caller's: the
// request's context does not end it.
type tunnel struct{ *conn }

// switchProtocols gives a the tunnel.
func (a *answer) switchProtocols() {
	b := &a.body
	b.over.Store(true)
	b.stop() // if it is late, the tunnel is closed
	a.ContentLength, a.Body = 0, tunnel{b.conn}
}

// CloseWrite ends our side.
func (t tunnel) CloseWrite() error {
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return http.ErrNotSupported
}
