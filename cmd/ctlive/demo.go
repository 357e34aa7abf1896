package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"github.com/spf13/cobra"

	"ctlive/assets/demo"
	"ctlive/configs"
)

const (
	demoListen = "127.0.0.1:8080"
	demoData   = "ctlive-demo-data"
)

func demoCommand() *cobra.Command {
	var listen, data string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a demo site with a simulated chat behind the real proxy",
		Args:  cobra.NoArgs,
		RunE: action(func(c *cobra.Command) error {
			origin, err := serveOrigin()
			if err != nil {
				return err
			}
			defer origin.Close()
			config, err := demoConfig("http://"+origin.Addr, listen, data)
			if err != nil {
				return err
			}
			return serve(c.Context(), config, newLogger(c.ErrOrStderr(), config.Log), func(s *service) { greet(c, s, config.Data) })
		}),
	}
	c.Flags().StringVar(&listen, "listen", "", "`ADDR` to listen on (default "+demoListen+", or any free port)")
	c.Flags().StringVar(&data, "data", demoData, "data folder `DIR`")
	return c
}

// serveOrigin serves the demo site on a free port.
func serveOrigin() (*http.Server, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start demo site: %w", err)
	}
	origin := &http.Server{Addr: ln.Addr().String(), Handler: demo.Handler()}
	go origin.Serve(ln) // until closed
	return origin, nil
}

func demoConfig(origin, listen, data string) (*configs.Config, error) {
	if listen == "" {
		listen = free(demoListen)
	}
	c, err := configs.Single(origin, listen, data, "demo")
	if err != nil {
		return nil, err
	}
	c.Sites[0].SDK = "/livechat/{tenant}/lib/livechatsdk.js" // the site plays the vendor, too
	c.Admin.Listen = free(c.Admin.Listen)
	c.Log.Level = "warn"
	return c, nil
}

// free returns addr, or the same host with any port if something listens there.
func free(addr string) string {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(addr)
		return net.JoinHostPort(host, "0")
	}
	if err == nil {
		ln.Close()
	}
	return addr
}

func greet(c *cobra.Command, s *service, data string) {
	fmt.Fprintf(c.OutOrStdout(), `The demo site, behind the proxy:   http://%s/
Its events as they arrive:         http://%s/
The same in another terminal:      ctlive events --follow --data %s

Open the site, click through a chat, and watch the events. The chat is simulated;
the proxy, the listener and the store are the real ones. Ctrl-C ends it.
`, address(s.sockets.HTTP), address(s.sockets.Admin), data)
}
