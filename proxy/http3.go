package proxy

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// quicConfig keeps what one connection can hold in memory near that of HTTP/2.
// 0-RTT stays off: what is sent in it can be sent again by anybody (RFC 8470).
var quicConfig = &quic.Config{
	HandshakeIdleTimeout:           5 * time.Second,
	MaxIdleTimeout:                 60 * time.Second,
	MaxIncomingStreams:             100,
	MaxIncomingUniStreams:          8, // HTTP/3 needs three
	InitialStreamReceiveWindow:     64 << 10,
	MaxStreamReceiveWindow:         256 << 10,
	InitialConnectionReceiveWindow: 256 << 10,
	MaxConnectionReceiveWindow:     1 << 20,
	Allow0RTT:                      false,
}

type quicEndpoint struct {
	conn net.PacketConn
	*http3.Server
}

// newQUIC serves HTTP/3 on conn.
func newQUIC(conn net.PacketConn, config *tls.Config, h http.Handler, log *slog.Logger) endpoint {
	return quicEndpoint{conn, &http3.Server{
		Handler:        h,
		TLSConfig:      http3.ConfigureTLSConfig(config),
		QUICConfig:     quicConfig,
		MaxHeaderBytes: maxHeader,
		IdleTimeout:    idleLimit,
		Logger:         slog.New(slog.DiscardHandler), // it tells of each visitor that breaks off
	}}
}

func (e quicEndpoint) serve() error {
	err := e.Serve(e.conn)
	if errors.Is(err, quic.ErrServerClosed) {
		return http.ErrServerClosed
	}
	return err
}
