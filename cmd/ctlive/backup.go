package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ctlive/collector"
	"ctlive/collector/forward"
	"ctlive/collector/report"
)

func backupCommand() *cobra.Command {
	var store storeFlags
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a consistent copy of the store, also while the proxy runs",
		Long: "Write a consistent copy of the store, also while the proxy runs. How many pages were injected\n" +
			"is in it, too, and the name by which sinks know this edge; the figures, which are built from it\n" +
			"again, and the keys are not.\n\n" +
			"The copy is checked before it appears as FILE, which must not exist yet. To go back to it,\n" +
			"stop the proxy and put it into an empty data folder as ctlive.db, beside the keys. Sinks get\n" +
			"its events and erasures again, from the edge that it was: it takes that one's place.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return action(func(c *cobra.Command) error {
				dir, err := store.folder()
				if err != nil {
					return err
				}
				s, err := collector.OpenReadOnly(dir)
				if err != nil {
					return err
				}
				defer s.Close()
				events, err := s.Backup(c.Context(), args[0],
					func(copy string) error { return report.AddPages(c.Context(), dir, copy) },
					func(copy string) error { return forward.AddEdge(c.Context(), dir, copy) })
				if err == nil {
					fmt.Fprintf(c.ErrOrStderr(), "%d events in %s\n", events, args[0])
				}
				return err
			})(c, args)
		},
	}
	store.add(c)
	return c
}
