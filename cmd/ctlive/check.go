package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"ctlive/configs"
	"ctlive/proxy/certify/postgres"
)

func checkCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "check [--config FILE]",
		Short: "Check a configuration and start nothing",
		Long: "Check a configuration, and the files that it names, and start nothing. What would keep the\n" +
			"proxy from running is a mistake; a certificate that is about to expire, a warning.",
		Args: cobra.NoArgs,
		RunE: action(func(c *cobra.Command) error {
			config, err := loadConfig(file)
			if err != nil {
				return err
			}
			found := inspect(config, time.Now())
			for _, w := range found.warnings {
				fmt.Fprintln(c.ErrOrStderr(), "warning:", w)
			}
			if len(found.problems) > 0 {
				return found.problems
			}
			fmt.Fprintf(c.ErrOrStderr(), "The configuration is valid; sites: %d.\n", len(config.Sites))
			return nil
		}),
	}
	c.Flags().StringVar(&file, "config", "", "configuration `FILE` (default ./ctlive.yaml, then /etc/ctlive/ctlive.yaml)")
	return c
}

// inspection is what is wrong, or soon will be, with a configuration that is
// valid in itself.
type inspection struct {
	config             *configs.Config
	now                time.Time
	problems, warnings configs.Problems // in the order of the file
}

// inspect looks for what the proxy would not run with at the time now, or not
// for long: it reads all files that c names.
func inspect(c *configs.Config, now time.Time) *inspection {
	in := &inspection{config: c, now: now}
	in.authority()
	in.sinks()
	if dsn := c.TLS.Storage; dsn != "" && postgres.Check(dsn) != nil {
		in.problem("tls.storage", "the value is no address of a PostgreSQL database", "write one such as postgres://user:password@host:5432/database?sslmode=verify-full")
	}
	for i, s := range c.Sites {
		path := fmt.Sprintf("sites[%d]", i)
		if _, err := newListener(s); err != nil {
			in.problem(path+".listener", err.Error(), "correct it, or the file of its handlers")
		}
		if s.TLS.Cert != "" {
			in.certificate(path, s)
		}
	}
	byPlace := func(a, b configs.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	}
	slices.SortStableFunc(in.problems, byPlace)
	slices.SortStableFunc(in.warnings, byPlace)
	return in
}

func (in *inspection) problem(key, message, fix string) {
	in.problems = append(in.problems, in.config.Problem(key, message, fix))
}

func (in *inspection) warn(key, message, fix string) {
	in.warnings = append(in.warnings, in.config.Problem(key, message, fix))
}

// authority reads the root certificate of a private CA.
func (in *inspection) authority() {
	file := in.config.TLS.CARoot
	if file == "" {
		return
	}
	pem, err := os.ReadFile(file)
	switch {
	case err != nil:
		in.problem("tls.ca_root", err.Error(), "name a readable file")
	case !x509.NewCertPool().AppendCertsFromPEM(pem):
		in.problem("tls.ca_root", "there is no certificate in "+file, "name the PEM file of the CA's root")
	}
}

// sinks makes the sinks, which connects to nothing.
func (in *inspection) sinks() {
	sinks, problems := newSinks(in.config, slog.New(slog.DiscardHandler))
	closeSinks(sinks)
	in.problems = append(in.problems, problems...)
}

// expiresSoon leaves time for a certificate that a person has to ask for.
const expiresSoon = 14 * 24 * time.Hour

// certificate reads the certificate of s, the site at path.
func (in *inspection) certificate(path string, s configs.Site) {
	pair, err := tls.LoadX509KeyPair(s.TLS.Cert, s.TLS.Key)
	if err != nil {
		in.problem(path+".tls", err.Error(), "name PEM files of a certificate, with its chain, and of its own key")
		return
	}
	const date = "2006-01-02 15:04 MST"
	switch leaf, renew := pair.Leaf, "put a new certificate into the file"; {
	case in.now.After(leaf.NotAfter):
		in.warn(path+".tls.cert", "the certificate expired on "+leaf.NotAfter.Format(date), renew)
	case leaf.NotAfter.Sub(in.now) < expiresSoon:
		in.warn(path+".tls.cert", "the certificate expires on "+leaf.NotAfter.Format(date), renew)
	case in.now.Before(leaf.NotBefore):
		in.warn(path+".tls.cert", "the certificate is not valid before "+leaf.NotBefore.Format(date), "wait, or correct the clock")
	}
	for i, host := range s.Hosts {
		if host != "*" && pair.Leaf.VerifyHostname(host) != nil {
			in.warn(fmt.Sprintf("%s.hosts[%d]", path, i), fmt.Sprintf("the certificate of this site is not for %q", host), "use a certificate for all hosts of the site, or move this one to a site of its own")
		}
	}
}
