package main

import (
	"errors"
	"fmt"

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
			config, err := runConfig(file, to, listen, data, tenant)
			if err != nil {
				return err
			}
			log := newLogger(c.ErrOrStderr(), config.Log)
			return serve(c.Context(), config, log, func(s *service) {
				for _, site := range config.Sites {
					log.Info("serving", "hosts", site.Hosts, "to", site.To[0].String(), "prefix", site.Prefix)
				}
				log.Info("ready", "http", s.server.Addr(0).String(), "admin", s.server.Addr(1).String(), "data", config.Data)
			})
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

func runConfig(file, to, listen, data, tenant string) (*configs.Config, error) {
	if to != "" {
		return configs.Single(to, listen, data, tenant)
	}
	c, err := loadConfig(file)
	if err != nil {
		return nil, err
	}
	return c, unsupported(c)
}

// unsupported refuses a file that asks for what this version does not do: to
// leave it out in silence could mean no TLS, or events kept too long.
func unsupported(c *configs.Config) error {
	if problems := c.Unsupported(); len(problems) > 0 {
		return fmt.Errorf("%w", problems)
	}
	return nil
}
