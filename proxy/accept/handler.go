package accept

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// serveHTTP is the handler of both servers.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Add(-1)
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok { // HTTP/2
		s.handler.ServeHTTP(w, r)
		return
	}
	c.begin()
	defer c.handled()
	r.TLS = c.tls
	if s.stopping.Load() && r.Header["Upgrade"] == nil {
		w.Header().Set("Connection", "close")
	}
	if len(r.TransferEncoding) > 0 {
		r = withBody(r, &body{r.Body, c})
	}
	s.handler.ServeHTTP(w, r)
}

// handled ends the watch, and a connection that net/http has let go of.
func (c *conn) handled() {
	c.finish()
	if c.hijacked.Load() {
		c.link.end()
	}
}

// withConn returns the context of all requests of a connection, which lets us
// end them as net/http does.
func withConn(ctx context.Context, nc net.Conn) context.Context {
	c := nc.(*conn)
	ctx, c.cancel = context.WithCancel(ctx)
	c.turn.base, c.turn.from = context.WithValue(ctx, connKey{}, c), c.link.remote.String()
	return c.turn.base
}

// withBody returns a copy of r: net/http looks at the type of its own r.Body.
func withBody(r *http.Request, b io.ReadCloser) *http.Request {
	r = r.WithContext(r.Context())
	r.Body = b
	return r
}

// body is a chunked body. It tells faulty chunks from a client that has gone.
type body struct {
	io.ReadCloser
	conn *conn
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		if fault := b.conn.chunked.Load(); fault != nil {
			err = fmt.Errorf("%w: %w", ErrFraming, fault)
		} else if isForeign(err) {
			err = fmt.Errorf("%w: %w", ErrFraming, err)
		}
	}
	return n, err
}

// isForeign reports whether err is net/http's own idea of faulty chunks, not
// the connection's.
func isForeign(err error) bool {
	var e net.Error
	return !errors.As(err, &e) && !halfClosed(err) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrBodyReadAfterClose)
}
