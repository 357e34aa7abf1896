package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ctlive/collector"
)

func statsCommand() *cobra.Command {
	var store storeFlags
	var filter filterFlags
	format := "table"
	c := &cobra.Command{
		Use:   "stats",
		Short: "Count stored events by site and type, and show what became of the others",
		Args:  cobra.NoArgs,
		PreRunE: func(c *cobra.Command, _ []string) error {
			if format != "table" && format != "json" {
				return misuse("format", fmt.Errorf("%q is neither table nor json", format))
			}
			return filter.parse(time.Now())
		},
		RunE: action(func(c *cobra.Command) error {
			s, err := store.open()
			if err != nil {
				return err
			}
			defer s.Close()
			stats, err := s.Stats(c.Context(), filter.Filter)
			if err != nil {
				return err
			}
			return writeStats(c.OutOrStdout(), format, stats)
		}),
	}
	store.add(c)
	filter.add(c)
	c.Flags().BoolVar(&filter.Doubtful, "doubtful", false, "count events flagged untrusted, bot or prerender, too")
	c.Flags().StringVar(&format, "format", format, "table or json")
	return c
}

func writeStats(w io.Writer, format string, s collector.Stats) error {
	if format == "json" {
		return json.NewEncoder(w).Encode(s)
	}
	return collector.WriteStatsTable(w, s)
}
