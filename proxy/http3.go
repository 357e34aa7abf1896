package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"ctlive/proxy/accept"
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

const (
	quicConnections = 10_000 // at once, as over TCP
	quicPerClient   = 256    // of one address or IPv6 /64

	// quicUnverified is how many connections there may be before a newcomer has
	// to show that its address is its own (RFC 9000, 8.1.2), which costs it a
	// round trip.
	quicUnverified = 500

	h3ExcessiveLoad = 0x107 // RFC 9114, 8.1
)

// quicEndpoint serves HTTP/3.
type quicEndpoint struct {
	*http3.Server
	transport *quic.Transport
	tls       *tls.Config
	exempt    []netip.Prefix // peers that speak for many clients
	refused   func(reason string)
	open      atomic.Int64
	seats     accept.Seats
}

// newQUIC serves HTTP/3 on o's socket.
func newQUIC(o ServerOptions, refused func(reason string)) *quicEndpoint {
	e := &quicEndpoint{
		Server: &http3.Server{
			Handler:        o.Front.Secure(),
			MaxHeaderBytes: maxHeader,
			IdleTimeout:    idleLimit,
			Logger:         slog.New(slog.DiscardHandler), // it tells of each visitor that breaks off
		},
		tls: http3.ConfigureTLSConfig(o.TLS), exempt: o.Trusted, refused: refused,
		seats: accept.Seats{PerClient: quicPerClient},
	}
	e.transport = &quic.Transport{
		Conn:                o.Sockets.QUIC,
		VerifySourceAddress: func(net.Addr) bool { return e.open.Load() >= quicUnverified },
	}
	return e
}

func (e *quicEndpoint) serve() error {
	listener, err := e.transport.Listen(e.tls, quicConfig)
	if err != nil {
		return err
	}
	defer listener.Close()
	err = e.ServeListener(&seated{listener, e})
	if errors.Is(err, quic.ErrServerClosed) {
		return http.ErrServerClosed
	}
	return err
}

// seated accepts connections that there is a place for.
type seated struct {
	*quic.Listener
	endpoint *quicEndpoint
}

// Accept returns the next connection. One without a place is closed.
func (s *seated) Accept(ctx context.Context) (*quic.Conn, error) {
	for {
		conn, err := s.Listener.Accept(ctx)
		if err != nil {
			return nil, err
		}
		if reason := s.endpoint.seat(conn); reason != "" {
			s.endpoint.refused(reason)
			conn.CloseWithError(h3ExcessiveLoad, "too many connections")
			continue
		}
		return conn, nil
	}
}

// seat counts conn until it ends. It returns why there is no place for it, or "".
func (e *quicEndpoint) seat(conn *quic.Conn) string {
	addr := conn.RemoteAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	counted := !slices.ContainsFunc(e.exempt, func(p netip.Prefix) bool { return p.Contains(addr) })
	if e.open.Load() >= quicConnections {
		return "connections"
	}
	if counted && !e.seats.Take(addr) {
		return "connections_per_client"
	}
	e.open.Add(1)
	context.AfterFunc(conn.Context(), func() {
		e.open.Add(-1)
		if counted {
			e.seats.Leave(addr)
		}
	})
	return ""
}
