package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "check [--config FILE]",
		Short: "Check a configuration and start nothing",
		Args:  cobra.NoArgs,
		RunE: action(func(c *cobra.Command) error {
			config, err := loadConfig(file)
			if err != nil {
				return err
			}
			if _, err := newSites(config, nil); err != nil {
				return err
			}
			if err := unsupported(config); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "The configuration is valid; sites: %d.\n", len(config.Sites))
			return nil
		}),
	}
	c.Flags().StringVar(&file, "config", "", "configuration `FILE` (default ./ctlive.yaml, then /etc/ctlive/ctlive.yaml)")
	return c
}
