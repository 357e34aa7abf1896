package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"ctlive/configs"
)

func reloadCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "reload [--config FILE]",
		Short: "Have a running proxy take its configuration file anew",
		Long: "Have a running proxy take its configuration file anew. The file is read here first, for the\n" +
			"address and the token of the admin listener. A bad file changes nothing and is told about.",
		Args: cobra.NoArgs,
		RunE: action(func(c *cobra.Command) error {
			config, err := loadConfig(file)
			if err != nil {
				return err
			}
			return askToReload(c, config.Admin)
		}),
	}
	c.Flags().StringVar(&file, "config", "", "configuration `FILE` of the running proxy (default ./ctlive.yaml, then /etc/ctlive/ctlive.yaml)")
	return c
}

// askToReload asks the proxy behind the admin listener.
func askToReload(c *cobra.Command, admin configs.Admin) error {
	addr := reachable(admin.Listen)
	r, err := http.NewRequestWithContext(c.Context(), http.MethodPost, "http://"+addr+"/reload", nil)
	if err != nil {
		return err
	}
	if admin.Token != "" {
		r.Header.Set("Authorization", "Bearer "+admin.Token)
	}
	client := &http.Client{Timeout: time.Minute}
	res, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("no proxy answers at its admin listener %s: %w", addr, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer of %s: %w", addr, err)
	case res.StatusCode == http.StatusUnauthorized:
		return errors.New("the running proxy has another admin.token than the file: restart it")
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("the running proxy keeps its configuration: %s", strings.TrimSpace(string(text)))
	}
	fmt.Fprintln(c.ErrOrStderr(), "The new configuration is in force.")
	return nil
}

// reachable returns where to connect to what listens on addr.
func reachable(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}

// Reload takes the configuration anew. All of it is in force afterwards, or, with
// an error, nothing has changed.
func (s *service) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	notify(s.log, daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec())
	defer notify(s.log, daemon.SdNotifyReady)
	c, err := s.next()
	if err != nil {
		return err
	}
	front, err := s.newProxy(c)
	if err != nil {
		return err
	}
	if err := s.updateCertificates(c); err != nil {
		return err
	}
	s.front.Set(front)
	s.store.Keep(time.Duration(c.Collector.Retention))
	s.config = c
	s.log.Info("configuration reloaded", "sites", len(c.Sites))
	return nil
}

// next reads the configuration that is to follow.
func (s *service) next() (*configs.Config, error) {
	if s.anew == nil {
		return nil, errors.New("there is no configuration file to reload: the proxy was started with --to")
	}
	c, err := s.anew()
	if err != nil {
		return nil, err
	}
	if problems := c.NeedsRestart(s.config); len(problems) > 0 {
		return nil, problems
	}
	return c, nil
}
