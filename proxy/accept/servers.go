package accept

import (
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"
)

func newHTTP1(s *Server) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      http.HandlerFunc(s.serveHTTP),
		Protocols:                    protocols,
		ReadHeaderTimeout:            s.limits.Header,
		IdleTimeout:                  s.limits.Idle,
		MaxHeaderBytes:               2 * maxHead, // the guard's limit comes first
		ErrorLog:                     s.errorLog(),
		ConnContext:                  withConn,
		ConnState:                    func(c net.Conn, state http.ConnState) { c.(*conn).state(state) },
		DisableGeneralOptionsHandler: true,
	}
}

// newHTTP2 returns the settings for HTTP/2. Memory per connection is bounded by
// 1 MiB of bodies, and of heads by 32 KiB for each of 100 streams. Heads are
// refused at 16 KiB by whoever admits requests: here a single field beyond the
// limit would end the connection with all its streams.
func newHTTP2(s *Server) *http.Server {
	return &http.Server{
		Handler:                      http.HandlerFunc(s.serveHTTP),
		IdleTimeout:                  s.limits.Idle,
		MaxHeaderBytes:               2 * maxHead,
		ErrorLog:                     s.errorLog(),
		DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          100,
			MaxReceiveBufferPerConnection: 1 << 20,
			MaxReceiveBufferPerStream:     256 << 10,
			MaxReadFrameSize:              16 << 10,
			SendPingTimeout:               30 * time.Second,
			PingTimeout:                   15 * time.Second,
			WriteByteTimeout:              60 * time.Second,
		},
	}
}

// errorLog is mostly about clients that break off.
func (s *Server) errorLog() *log.Logger {
	return slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
}
