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
		Short: "Count stored events by site and type",
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
			counts, err := s.Counts(c.Context(), filter.Filter)
			if err != nil {
				return err
			}
			losses, err := s.Losses(c.Context(), filter.Site)
			if err != nil {
				return err
			}
			return writeStats(c.OutOrStdout(), format, statistics{counts, losses})
		}),
	}
	store.add(c)
	filter.add(c)
	c.Flags().StringVar(&format, "format", format, "table or json")
	return c
}

type statistics struct {
	Counts []collector.Count `json:"counts"`
	Losses []collector.Loss  `json:"losses"`
}

func writeStats(w io.Writer, format string, s statistics) error {
	if format == "json" {
		return json.NewEncoder(w).Encode(s)
	}
	return collector.WriteStatsTable(w, s.Counts, s.Losses)
}
