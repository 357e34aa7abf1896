package accept

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"
)

// plainAnswer is for a client that speaks HTTP to the TLS port, in net/http's
// words.
const plainAnswer = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"

// handshake speaks TLS with the client, within its time.
func (l *link) handshake(config *tls.Config) (*tls.Conn, error) {
	limit := l.server.limits.Handshake
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	l.Conn.SetDeadline(time.Now().Add(limit))
	conn := tls.Server(l, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		l.explain(err)
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	l.Conn.SetDeadline(time.Time{})
	return conn, nil
}

// explain answers a client that does not speak TLS but HTTP, by its first bytes.
func (l *link) explain(err error) {
	var e tls.RecordHeaderError
	if !errors.As(err, &e) || e.Conn == nil {
		return
	}
	switch string(e.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		io.WriteString(l.Conn, plainAnswer)
		l.lingers = true
		l.linger(l.Conn)
	}
}
