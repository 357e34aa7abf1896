package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func backupCommand() *cobra.Command {
	var store storeFlags
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a consistent copy of the store, also while the proxy runs",
		Long: "Write a consistent copy of the store, also while the proxy runs.\n\n" +
			"The copy is checked before it appears as FILE, which must not exist yet. To go back to it,\n" +
			"stop the proxy and put it into the data folder as ctlive.db, after removing ctlive.db-wal there.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return action(func(c *cobra.Command) error {
				s, err := store.open()
				if err != nil {
					return err
				}
				defer s.Close()
				events, err := s.Backup(c.Context(), args[0])
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
