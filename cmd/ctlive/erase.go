package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ctlive/collector"
)

func eraseCommand() *cobra.Command {
	var store storeFlags
	var who collector.Subject
	c := &cobra.Command{
		Use:   "erase --user ID | --chat ID",
		Short: "Remove a person's or a chat's events, also while the proxy runs",
		Long: "Remove a person's or a chat's events, also while the proxy runs: from the store, its quarantine\n" +
			"and its log. The erasure is noted in the store for the sinks that events are forwarded to.\n\n" +
			"Backups, exports and stores that were set aside as damaged are yours to clean; the latter are named.",
		Args: cobra.NoArgs,
		PreRunE: func(c *cobra.Command, _ []string) error {
			if who.User+who.Chat == "" {
				return errors.New("name a person with --user ID or a chat with --chat ID; an empty one names nobody")
			}
			return nil
		},
		RunE: action(func(c *cobra.Command) error {
			dir, err := store.folder()
			if err != nil {
				return err
			}
			done, err := collector.Erase(c.Context(), dir, who)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%d events, %d page views, %d quarantined inputs erased\n", done.Events, done.Views, done.Rejects)
			for _, file := range done.Beside {
				fmt.Fprintf(c.ErrOrStderr(), "not looked at: %s, a store that was set aside as damaged\n", file)
			}
			return nil
		}),
	}
	store.add(c)
	c.Flags().StringVar(&who.User, "user", "", "the person with this user `ID`, and the chats it took part in")
	c.Flags().StringVar(&who.Chat, "chat", "", "the chat with this `ID`")
	c.MarkFlagsMutuallyExclusive("user", "chat")
	c.MarkFlagsOneRequired("user", "chat")
	return c
}
