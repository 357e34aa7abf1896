// Command caddy is the web server Caddy with what the comparison needs of it, and a handler that
// stands for its replace-response plugin. It takes the path of a configuration in Caddy's JSON.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/gzip"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/zstd"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "caddy:", err)
		os.Exit(1)
	}
}

// run serves until SIGTERM or SIGINT.
func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("one argument is needed, the configuration; got %d", len(args))
	}
	config, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	if err := caddy.Load(config, true); err != nil {
		return err
	}
	<-stop
	return caddy.Stop()
}
