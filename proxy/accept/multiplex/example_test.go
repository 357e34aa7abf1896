package multiplex_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http2"

	"ctlive/proxy/accept/multiplex"
)

func Example() {
	server := multiplex.New(multiplex.Options{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s over %s", r.URL, r.Proto)
		}),
		MaxHeader: 16 << 10, Settings: time.Second, Idle: time.Minute,
	})
	defer server.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	over := make(chan bool)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		server.Serve(&conn{Conn: c}, multiplex.Peer{RemoteAddr: c.RemoteAddr().String()}, func() { close(over) })
	}()

	transport := &http2.Transport{AllowHTTP: true, DialTLSContext: func(_ context.Context, network, _ string, _ *tls.Config) (net.Conn, error) {
		return net.Dial(network, listener.Addr().String())
	}}
	answer, err := (&http.Client{Transport: transport}).Get("http://a.test/page")
	if err != nil {
		panic(err)
	}
	body, err := io.ReadAll(answer.Body)
	fmt.Println(string(body), err)
	transport.CloseIdleConnections()
	<-over
	// Output: /page over HTTP/2.0 <nil>
}
