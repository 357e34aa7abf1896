package multiplex_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http2"
)

// oracle is the server of golang.org/x/net/http2.
type oracle struct {
	base   *http.Server
	frames *http2.Server
}

func newOracle(h http.Handler, idle time.Duration) server {
	o := &oracle{frames: &http2.Server{}, base: &http.Server{
		Handler: h, IdleTimeout: idle, MaxHeaderBytes: 32 << 10, ErrorLog: log.New(io.Discard, "", 0),
		DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          100,
			MaxReceiveBufferPerConnection: 1 << 20,
			MaxReceiveBufferPerStream:     256 << 10,
			MaxReadFrameSize:              16 << 10,
		},
	}}
	if err := http2.ConfigureServer(o.base, o.frames); err != nil {
		panic(err)
	}
	return o
}

func (o *oracle) serve(c net.Conn, over func()) {
	o.frames.ServeConn(c, &http2.ServeConnOpts{BaseConfig: o.base})
	c.Close()
	over()
}

func (o *oracle) close() {}

func (o *oracle) shutdown() { o.base.Shutdown(context.Background()) }

// oracleDiffers has the cases in which the oracle does not do what RFC 9113 says.
var oracleDiffers = map[string]string{
	"INITIAL_WINDOW_SIZE twice, the last counts": "takes it for a protocol error",
	"HEADERS with padding too long":              "resets the stream, and has lost the state of the compression",
}
