package accept

import (
	"log"
	"log/slog"
	"net"
	"net/http"

	"ctlive/proxy/accept/multiplex"
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

// newHTTP2 returns the server of HTTP/2. Heads are refused at 16 KiB by whoever admits
// requests.
func newHTTP2(s *Server) *multiplex.Server {
	return multiplex.New(multiplex.Options{
		Handler: http.HandlerFunc(s.serveHTTP), MaxHeader: 2 * maxHead,
		Settings: s.limits.Header, Idle: s.limits.Idle, Logger: s.log,
	})
}

// errorLog is mostly about clients that break off.
func (s *Server) errorLog() *log.Logger {
	return slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
}
