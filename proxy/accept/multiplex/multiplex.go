// Package multiplex serves HTTP/2, RFC 9113.
//
// It is to a handler what the server of golang.org/x/net/http2 is, whose framer and
// whose HPACK it uses. But there each request is handed back and forth between four
// goroutines, and to be woken costs more than all the rest of a short one. Here the
// goroutine that reads a connection also answers the request it has just read, while
// an alarm watches the socket. When something arrives meanwhile, another goroutine
// reads on. What is to be written is written by whoever has it.
package multiplex

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"ctlive/proxy/socket"
)

// Options configure a Server.
type Options struct {
	// Handler answers the requests. The context of a request ends with its handler,
	// its stream or its connection.
	Handler http.Handler

	MaxHeader int           // bytes in the fields of a request, as RFC 9113 6.5.2 counts them. More are answered with 431
	Settings  time.Duration // for the client's first frame
	Idle      time.Duration // between requests
	Logger    *slog.Logger  // for handlers that panic
}

const (
	maxStreams = 100 // at a time on a connection

	// maxHandlers bounds those that are still at work, of streams that were reset too.
	maxHandlers = 2 * maxStreams

	streamReceive = 256 << 10 // bytes of a request's body that may wait for the handler
	connReceive   = 1 << 20   // and of all bodies on a connection

	maxFrame = 16 << 10 // bytes of payload: what must be taken, and what is sent at most

	pingAfter = 30 * time.Second // without a frame from the client
	pingLimit = 15 * time.Second // for the answer

	// writeLimit is for 32 KiB to be taken by the client.
	writeLimit = 120 * time.Second

	// parting is what a client gets to read a GOAWAY and to send what needs no answer.
	parting = time.Second
)

// A Conn is a connection as it is after the TLS handshake.
type Conn interface {
	net.Conn

	// Pending reads what has been taken from the socket already. It never waits, and
	// returns 0 and no error if there is nothing.
	Pending(p []byte) (int, error)

	// Socket returns the TCP connection below.
	Socket() net.Conn

	// Flood returns why the client is to be turned away, empty if it is not.
	Flood() string

	// Linger closes the connection when the client has had time to read its end.
	Linger()
}

// A Peer is a client.
type Peer struct {
	TLS        *tls.ConnectionState
	RemoteAddr string
}

// A Server serves connections.
type Server struct {
	Options
	sweeper sweeper
	start   sync.Once
	alarms  *socket.Alarms
}

// New returns a Server for o.
func New(o Options) *Server {
	s := &Server{Options: o}
	s.sweeper.configure(o)
	return s
}

// Serve serves c, and closes it. It may return before the end of the connection;
// over is called when nothing runs for it any more.
func (s *Server) Serve(c Conn, peer Peer, over func()) {
	conn := newConn(s, c, peer, over)
	conn.alarm = s.watch().New(c.Socket(), func() { go conn.read() })
	s.sweeper.enroll(conn)
	if conn.greet() {
		conn.read()
	} else {
		conn.depart()
	}
}

// watch returns the alarms of all connections.
func (s *Server) watch() *socket.Alarms {
	s.start.Do(func() { s.alarms = socket.NewAlarms() })
	return s.alarms
}

// Close gives back what the server holds. There must be no connection any more.
func (s *Server) Close() {
	s.start.Do(func() {})
	s.alarms.Close()
}

// Shutdown tells all clients to make no more requests on their connections. Each is
// closed when what it has asked for is answered.
func (s *Server) Shutdown() {
	for _, c := range s.sweeper.all() {
		c.goAway(0)
	}
}
