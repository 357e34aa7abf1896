package nats

import (
	"context"
	"fmt"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	dialTime = 5 * time.Second  // for each of the servers
	ackTime  = 5 * time.Second  // for a message or a question: then it is sent again
	pingTime = 10 * time.Second // a connection is given up when two pings in a row stay unanswered
)

// connect makes sure that there is a connection. One that breaks comes back by itself, from any
// server of the cluster; one that was closed, as after a refused password, is made anew.
func (s *Sink) connect(ctx context.Context) error {
	if s.conn != nil && !s.conn.IsClosed() {
		return nil
	}
	limit := dialTime
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/time.Duration(len(s.servers)))
	}
	if limit <= 0 {
		return context.DeadlineExceeded
	}
	conn, err := s.options(limit).Connect()
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if s.js, err = jetstream.New(conn, jetstream.WithPublishAsyncTimeout(ackTime)); err != nil {
		conn.Close()
		return err
	}
	s.conn, s.fits = conn, false
	return nil
}

func (s *Sink) options(limit time.Duration) client.Options {
	o := client.GetDefaultOptions()
	o.Servers = s.servers
	o.Name = "ctlive"
	o.Timeout = limit
	o.MaxReconnect = -1 // for ever
	o.ReconnectWait = 250 * time.Millisecond
	o.PingInterval = pingTime
	o.MaxPingsOut = 2
	// What is published while there is no connection fails at once: kept back, it would be sent
	// when it has long been sent again.
	o.ReconnectBufSize = -1
	o.DisconnectedErrCB = func(_ *client.Conn, err error) {
		if err != nil { // nil: we closed it
			s.log.Warn("nats connection lost", "stream", s.stream, "error", err)
		}
	}
	o.ReconnectedCB = func(c *client.Conn) {
		s.log.Info("nats connection is back", "stream", s.stream, "server", c.ConnectedServerName())
	}
	o.AsyncErrorCB = func(_ *client.Conn, _ *client.Subscription, err error) {
		s.log.Warn("nats", "stream", s.stream, "error", err)
	}
	return o
}
