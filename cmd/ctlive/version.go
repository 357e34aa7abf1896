package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the build: see the Makefile. Without it, Go's own stamp says the commit.
var version, commit = "dev", ""

// revision returns the commit that this was built from.
func revision() string {
	stamped := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				stamped = s.Value
			}
		}
	}
	return cmp.Or(commit, stamped, "unknown")
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Args:  cobra.NoArgs,
		RunE: action(func(c *cobra.Command) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "ctlive %s (commit %s, %s)\n", version, revision(), runtime.Version())
			return err
		}),
	}
}
