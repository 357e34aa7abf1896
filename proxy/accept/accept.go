// Package accept takes connections to the point where net/http can be trusted
// with them.
//
// Each accepted connection goes one way: it is counted, says for whom it
// speaks (PROXY protocol), shakes hands (TLS), and from then on its bytes pass
// through a guard. The guard for HTTP/1 holds requests to RFC 9112 to the
// letter, because what we and an origin read differently is how requests are
// smuggled; the one for HTTP/2 counts the frames that cost a client nothing.
// Plain requests over HTTP/1.1, whose body has a length if there is one, are
// answered right there, with package answer. All others get the server of net/http,
// with the bytes as they came. HTTP/2 is package multiplex's.
package accept

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ctlive/proxy/accept/multiplex"
	"ctlive/proxy/socket"
)

// Options configure a Server.
type Options struct {
	// Handler calls FaultOf first. The context of a request ends with its handler,
	// or with the connection: to make one for each request has its price.
	Handler http.Handler

	// TLS is nil for plain HTTP/1.1. Otherwise its NextProtos decide between
	// "h2" and "http/1.1", which also is for clients that name none. A
	// connection that agrees on anything else, like "acme-tls/1", ends with the
	// handshake.
	TLS *tls.Config

	// With ProxyProtocol each connection starts with a PROXY header, of either
	// version, and is dropped if it comes from a peer outside Proxied or
	// without the header. Without it, peers in Proxied are load balancers too,
	// for which PerClient does not count.
	ProxyProtocol bool
	Proxied       []netip.Prefix

	Limits Limits
	Logger *slog.Logger // nil: slog.Default()

	// Refused is called for each connection that is dropped: "connections",
	// "connections_per_client", "proxy_header", "handshake", and for floods of
	// HTTP/2 frames "reset_flood", "settings_flood", "ping_flood",
	// "window_flood", "empty_frame_flood", "other_frame_flood". It may be nil.
	Refused func(reason string)
}

const (
	// idleGrace is for the next request of a connection that was idle when a
	// shutdown began: it is answered with "Connection: close". To close under
	// a client that is just sending would lose its request.
	idleGrace = time.Second

	poll = 10 * time.Millisecond // how often a shutdown looks whether all is over
)

// A Server serves connections of one or more listeners.
type Server struct {
	handler  http.Handler
	tls      *tls.Config
	proxied  []netip.Prefix
	behind   bool // a proxy that sends PROXY headers
	limits   Limits
	log      *slog.Logger
	refused  func(string)
	crowd    *crowd
	queue    *queue
	sweeper  sweeper
	http1    *http.Server
	http2    *multiplex.Server
	start    sync.Once
	running  atomic.Int64 // connections and handlers
	stopping atomic.Bool
	killed   atomic.Bool

	mu        sync.Mutex
	listeners map[net.Listener]bool
}

// New returns a Server for o.
func New(o Options) *Server {
	s := &Server{
		handler: o.Handler, tls: o.TLS, proxied: o.Proxied, behind: o.ProxyProtocol, limits: o.Limits.withDefaults(),
		log: o.Logger, refused: o.Refused, queue: newQueue(), listeners: make(map[net.Listener]bool),
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.crowd = newCrowd(s.limits, o.Proxied)
	s.sweeper.configure(s.limits)
	s.http1, s.http2 = newHTTP1(s), newHTTP2(s)
	return s
}

// Serve accepts connections from l until Shutdown or Close, then it returns
// http.ErrServerClosed. It closes l.
func (s *Server) Serve(l net.Listener) error {
	if !s.track(l) {
		l.Close()
		return http.ErrServerClosed
	}
	defer s.untrack(l)
	s.start.Do(func() {
		s.running.Add(1)
		go func() {
			defer s.running.Add(-1)
			s.http1.Serve(s.queue)
		}()
	})
	for pause := time.Duration(0); ; {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.accept(socket.New(c))
		case s.stopping.Load():
			return http.ErrServerClosed
		case !passing(err):
			return err
		default:
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("cannot accept connections", "err", err, "retry", pause)
			time.Sleep(pause)
		}
	}
}

// passing reports whether accepting may work again soon.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// accept takes on a connection, if there is a place for it.
func (s *Server) accept(c net.Conn) {
	l := &link{Conn: c, server: s, remote: c.RemoteAddr()}
	if !s.crowd.enter(l) {
		s.refuse(l, "connections", nil)
		c.Close()
		return
	}
	s.running.Add(1)
	go s.welcome(l)
}

// welcome is the way of a connection from the listener to its server.
func (s *Server) welcome(l *link) {
	tune(l.Conn)
	named, err := s.identify(l)
	if err != nil {
		s.turnAway(l, "proxy_header", err)
		return
	}
	if !s.crowd.seat(l, named) {
		s.turnAway(l, "connections_per_client", nil)
		return
	}
	if s.tls == nil {
		s.serve1(newConn(l, l.Conn, nil))
		return
	}
	conn, err := l.handshake(s.tls)
	if err != nil {
		s.turnAway(l, "handshake", err)
		return
	}
	switch state := conn.ConnectionState(); state.NegotiatedProtocol {
	case "h2":
		c := &conn2{Conn: conn, link: l}
		s.http2.Serve(c, multiplex.Peer{TLS: &state, RemoteAddr: l.remote.String()}, l.end)
	case "http/1.1", "":
		s.serve1(newConn(l, conn, &state))
	default:
		conn.Close()
		s.dismiss(l)
	}
}

// identify finds out who the client is. It reports whether a proxy said so.
func (s *Server) identify(l *link) (named bool, err error) {
	if !s.behind {
		return false, nil
	}
	if !contains(s.proxied, address(l.remote)) {
		return false, errors.New("the peer is not a trusted proxy")
	}
	return l.readProxyHeader()
}

func (s *Server) serve1(c *conn) {
	s.sweeper.enroll(c)
	if !s.queue.put(c) {
		c.Close()
		c.link.end()
	}
}

// turnAway ends a connection that gets no server.
func (s *Server) turnAway(l *link, reason string, err error) {
	s.refuse(l, reason, err)
	s.dismiss(l)
}

func (s *Server) dismiss(l *link) {
	if !l.lingers {
		l.Conn.Close()
		l.leave()
	}
	l.end()
}

func (s *Server) refuse(l *link, reason string, err error) {
	s.log.Debug("connection refused", "client", l.remote, "reason", reason, "err", err)
	if s.refused != nil {
		s.refused(reason)
	}
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false
	}
	s.listeners[l] = true
	return true
}

func (s *Server) untrack(l net.Listener) {
	l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// stop ends accepting.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping.Store(true)
	for l := range s.listeners {
		l.Close()
	}
}

// Shutdown stops accepting and waits until requests under way are answered and
// all connections closed: idle ones within idleGrace, HTTP/2 by GOAWAY. A
// hijacked connection is open until its handler closes it, so whoever hijacks
// must be told on another way. When ctx ends first, its error is returned, and
// the rest is for Close.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	s.http2.Shutdown()
	grace, cancel := context.WithTimeout(ctx, idleGrace)
	defer cancel()
	s.await(grace, func() bool { return s.crowd.size() == 0 })
	s.sweeper.open.each((*conn).dismiss)
	if err := s.http1.Shutdown(ctx); err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err := s.await(ctx, func() bool {
		s.http2.Shutdown() // for connections that were just starting
		return s.running.Load() == 0
	}); err != nil {
		return err
	}
	s.http2.Close()
	return nil
}

// Close closes every connection at once, hijacked ones too, and waits until
// their handlers have returned.
func (s *Server) Close() error {
	s.killed.Store(true)
	s.stop()
	s.crowd.disperse()
	err := s.http1.Close()
	s.sweeper.open.each((*conn).abandon)
	s.queue.Close()
	s.await(context.Background(), func() bool {
		s.crowd.disperse()
		return s.running.Load() == 0
	})
	s.http2.Close()
	return err
}

// await polls until over, or ctx ends.
func (s *Server) await(ctx context.Context, over func() bool) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !over() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
