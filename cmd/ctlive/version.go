package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// Set by the build: see the Makefile.
var version, commit = "dev", "unknown"

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Args:  cobra.NoArgs,
		RunE: action(func(c *cobra.Command) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "ctlive %s (commit %s, %s)\n", version, commit, runtime.Version())
			return err
		}),
	}
}
