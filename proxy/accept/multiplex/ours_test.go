package multiplex_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"ctlive/proxy/accept/multiplex"
)

func init() { implementations = append(implementations, implementation{"ours", newOurs}) }

type ours struct{ *multiplex.Server }

func newOurs(h http.Handler, idle time.Duration) server {
	if idle == 0 {
		idle = time.Hour
	}
	return ours{multiplex.New(multiplex.Options{
		Handler: h, Idle: idle, Settings: 10 * time.Second, MaxHeader: 32 << 10, Logger: slog.New(slog.DiscardHandler),
	})}
}

func (o ours) serve(c net.Conn, over func()) {
	o.Serve(&conn{Conn: c}, multiplex.Peer{RemoteAddr: c.RemoteAddr().String()}, over)
}

func (o ours) shutdown() { o.Shutdown() }

func (o ours) close() { o.Server.Close() }

// conn takes from the socket in large pieces, as TLS does.
type conn struct {
	net.Conn
	buf     [16 << 10]byte
	waiting []byte // lies in buf
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.waiting) == 0 {
		n, err := c.Conn.Read(c.buf[:])
		if c.waiting = c.buf[:n]; err != nil {
			return 0, err
		}
	}
	return c.Pending(p)
}

func (c *conn) Pending(p []byte) (int, error) {
	n := copy(p, c.waiting)
	c.waiting = c.waiting[n:]
	return n, nil
}

func (c *conn) Socket() net.Conn { return c.Conn }

func (c *conn) Flood() string { return "" }

func (c *conn) Linger() {
	tcp := c.Conn.(*net.TCPConn)
	tcp.CloseWrite()
	go func() {
		tcp.SetReadDeadline(time.Now().Add(time.Second))
		io.Copy(io.Discard, tcp)
		tcp.Close()
	}()
}
