package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"ctlive/proxy/accept"
)

const (
	headerTimeout = 10 * time.Second  // for a request's header, from its first byte
	idleLimit     = 120 * time.Second // for a connection between requests
	maxHeader     = 16 << 10          // of a request, in bytes
)

// ServerOptions configure a Server.
type ServerOptions struct {
	Sockets *Sockets
	Front   *Switch       // serves visitors; nil: there are none
	Admin   http.Handler  // serves the operator
	TLS     *tls.Config   // for HTTPS and QUIC; it names the protocols of TCP
	Grace   time.Duration // how long requests under way may take to finish after a stop

	// With ProxyProtocol every visitor's connection begins with a PROXY header,
	// from one of the peers in Trusted.
	ProxyProtocol bool
	Trusted       []netip.Prefix

	Stopping func() // called when the end begins; nil: nobody is told
	Logger   *slog.Logger
	Metrics  *Metrics // nil: nothing is counted
}

// A Server serves visitors and the operator on their sockets.
type Server struct {
	options  ServerOptions
	visitors []endpoint
	admin    endpoint
}

// endpoint is a server for one socket.
type endpoint interface {
	serve() error // until it is shut down: http.ErrServerClosed
	Shutdown(context.Context) error
	Close() error
}

// NewServer returns a server that [Server.Serve] sets going.
func NewServer(o ServerOptions) *Server {
	s := &Server{options: o, admin: newAdminServer(o)}
	if ln := o.Sockets.HTTP; ln != nil {
		s.visitors = append(s.visitors, s.tcp(ln, nil, o.Front.Plain()))
	}
	if ln := o.Sockets.HTTPS; ln != nil {
		s.visitors = append(s.visitors, s.tcp(ln, o.TLS, o.Front.Secure()))
	}
	if o.Sockets.QUIC != nil {
		s.visitors = append(s.visitors, newQUIC(o, s.refused))
	}
	return s
}

// tcp serves HTTP/1.1 and, with TLS, HTTP/2 on ln.
func (s *Server) tcp(ln net.Listener, config *tls.Config, h http.Handler) endpoint {
	return tcpEndpoint{ln, accept.New(accept.Options{
		Handler: h, TLS: config, Logger: s.options.Logger, Refused: s.refused,
		ProxyProtocol: s.options.ProxyProtocol, Proxied: s.options.Trusted,
	})}
}

func (s *Server) refused(reason string) {
	if s.options.Metrics != nil {
		s.options.Metrics.Hangup(reason)
	}
}

type tcpEndpoint struct {
	ln net.Listener
	*accept.Server
}

func (e tcpEndpoint) serve() error { return e.Serve(e.ln) }

type adminEndpoint struct {
	ln net.Listener
	*http.Server
}

func (e adminEndpoint) serve() error { return e.Serve(e.ln) }

// newAdminServer returns the endpoint of the operator. Requests under way end
// with it, at once: they could last for ever.
func newAdminServer(o ServerOptions) endpoint {
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{
		Handler:           o.Admin,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	server.RegisterOnShutdown(cancel)
	return adminEndpoint{o.Sockets.Admin, server}
}

// Serve serves until ctx ends, then lets requests under way finish within the
// grace. The error is of the socket that failed first.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, e := range append(s.visitors, s.admin) {
		running.Go(func() {
			if err := e.serve(); !errors.Is(err, http.ErrServerClosed) {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	if s.options.Stopping != nil {
		s.options.Stopping()
	}
	s.shutdown()
	running.Wait()
	s.options.Sockets.Close()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// shutdown ends the visitors' endpoints together, and the operator's last: it
// tells how far they are.
func (s *Server) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.Grace)
	defer cancel()
	var ending sync.WaitGroup
	for _, e := range s.visitors {
		ending.Go(func() { end(ctx, e) })
	}
	if s.options.Front != nil {
		ending.Go(func() { s.options.Front.drain(ctx) })
	}
	ending.Wait()
	end(ctx, s.admin)
}

func end(ctx context.Context, e endpoint) {
	if e.Shutdown(ctx) != nil {
		e.Close()
	}
}
