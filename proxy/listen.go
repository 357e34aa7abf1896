package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout = 10 * time.Second  // for a request's header, from its first byte
	idleLimit     = 120 * time.Second // for a connection between requests
	maxHeader     = 32 << 10          // of a request, in bytes

	// Grace is how long requests under way may take to finish after a stop.
	Grace = 10 * time.Second
)

// A Listener is a handler at an address.
type Listener struct {
	Addr    string // host:port; port 0 picks a free one
	Handler http.Handler
	HangUp  bool // requests under way end with the server, at once: they could last for ever
}

// A Server serves handlers on their listeners.
type Server struct {
	servers   []*http.Server
	listeners []net.Listener
}

// Listen opens all listeners, or none.
func Listen(log *slog.Logger, listeners ...Listener) (*Server, error) {
	s := &Server{}
	for _, l := range listeners {
		ln, err := net.Listen("tcp", l.Addr)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("listen on %s: %w", l.Addr, err)
		}
		s.listeners = append(s.listeners, ln)
		s.servers = append(s.servers, newServer(l, log))
	}
	return s, nil
}

func newServer(l Listener, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler:           l.Handler,
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // mostly visitors that break off
	}
	if l.HangUp {
		ctx, cancel := context.WithCancel(context.Background())
		server.BaseContext = func(net.Listener) context.Context { return ctx }
		server.RegisterOnShutdown(cancel)
	}
	return server
}

// Addr returns the address of the i-th listener.
func (s *Server) Addr(i int) net.Addr { return s.listeners[i].Addr() }

// Serve serves until ctx ends, then lets requests under way finish within Grace.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := make(chan struct{}, len(s.servers))
	for i, server := range s.servers {
		go func() {
			if err := server.Serve(s.listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				cancel(err)
			}
			stopped <- struct{}{}
		}()
	}
	<-ctx.Done()
	s.shutdown()
	for range s.servers {
		<-stopped
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func (s *Server) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), Grace)
	defer cancel()
	for _, server := range s.servers {
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	}
}

func (s *Server) close() {
	for _, ln := range s.listeners {
		ln.Close()
	}
}
