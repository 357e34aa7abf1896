package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"ctlive/configs"
)

func runCommand() *cobra.Command {
	var file, to, listen, data, tenant string
	c := &cobra.Command{
		Use:   "run [--config FILE | --to URL]",
		Short: "Run the proxy",
		Example: "  ctlive run --config ctlive.yaml\n" +
			"  ctlive run --to http://127.0.0.1:3000 --listen :8080",
		Args: cobra.NoArgs,
		PreRunE: func(c *cobra.Command, _ []string) error {
			if to == "" && (listen != "" || data != "" || tenant != "") {
				return errors.New("--listen, --data and --tenant go with --to; with a file they are keys of it")
			}
			return nil
		},
		RunE: action(func(c *cobra.Command) error {
			anew := func() (*configs.Config, error) { return loadConfig(file) }
			read := anew
			if to != "" {
				anew, read = nil, func() (*configs.Config, error) { return configs.Single(to, listen, data, tenant) }
			}
			config, err := read()
			if err != nil {
				return err
			}
			log := newLogger(c.ErrOrStderr(), config.Log)
			return serve(c.Context(), config, log, func(s *service) { s.run(c.Context(), anew) })
		}),
	}
	c.Flags().StringVar(&file, "config", "", "configuration `FILE` (default ./ctlive.yaml, then /etc/ctlive/ctlive.yaml)")
	c.Flags().StringVar(&to, "to", "", "run without a file, in front of the site at `URL`")
	c.Flags().StringVar(&listen, "listen", "", "with --to: `ADDR` to listen on (default :8080)")
	c.Flags().StringVar(&data, "data", "", "with --to: data folder `DIR` (default ./ctlive-data)")
	c.Flags().StringVar(&tenant, "tenant", "", "with --to: CTLive tenant `NAME`, to add its SDK to the pages, too")
	c.MarkFlagsMutuallyExclusive("config", "to")
	return c
}

// run tells the operator and systemd that s serves, and reloads on SIGHUP, until
// ctx ends.
func (s *service) run(ctx context.Context, anew func() (*configs.Config, error)) {
	s.anew = anew
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // before anybody knows that we are here
	s.announce()
	go s.reloadOn(ctx, hangup)
	notify(s.log, daemon.SdNotifyReady)
}

// announce logs what is served, and where.
func (s *service) announce() {
	for _, site := range s.config.Sites {
		s.log.Info("serving", "hosts", site.Hosts, "to", urls(site.To), "prefix", site.Prefix)
	}
	attrs := []any{"http", address(s.sockets.HTTP)}
	if s.certs != nil {
		attrs = append(attrs, "https", address(s.sockets.HTTPS))
		if root, ok := s.certs.Root(); ok {
			s.log.Info("certificates come from the local CA: have browsers and clients trust its root", "root", root)
		}
	}
	s.log.Info("ready", append(attrs, "admin", address(s.sockets.Admin), "data", s.config.Data)...)
}

// reloadOn reloads at each signal.
func (s *service) reloadOn(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-hangup:
			if err := s.Reload(); err != nil {
				s.log.Error("reload refused, the configuration stays as it was", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// stopping tells the operator and systemd that the end has begun.
func (s *service) stopping() {
	s.log.Info("stopping")
	notify(s.log, daemon.SdNotifyStopping)
}

// notify tells systemd, if it is there, how we are (sd_notify(3)).
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("tell systemd", "state", state, "err", err)
	}
}
