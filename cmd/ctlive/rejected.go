package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"ctlive/collector"
	"ctlive/configs"
)

func rejectedCommand() *cobra.Command {
	var store storeFlags
	var filter filterFlags
	var replay bool
	format := "table"
	c := &cobra.Command{
		Use:   "rejected",
		Short: "List quarantined input with reasons, oldest first, or try it again",
		Long: "List quarantined input with reasons, oldest first.\n\n" +
			"With --replay it is run through the rules of today: those of this version and this\n" +
			"configuration. What passes is stored, as of the time it arrived, and leaves the\n" +
			"quarantine; the rest stays there.",
		Example: "  ctlive rejected --since 24h\n" +
			"  ctlive rejected --since 7d --replay",
		Args: cobra.NoArgs,
		PreRunE: func(c *cobra.Command, _ []string) error {
			if format != "table" && format != "ndjson" {
				return misuse("format", fmt.Errorf("%q is neither table nor ndjson", format))
			}
			return filter.parse(time.Now())
		},
		RunE: action(func(c *cobra.Command) error {
			if replay {
				return replayRejected(c, &store, filter.Filter, format)
			}
			return listRejected(c, &store, filter.Filter, format)
		}),
	}
	store.add(c)
	filter.add(c)
	c.Flags().BoolVar(&replay, "replay", false, "run it through today's rules and store what passes")
	c.Flags().StringVar(&format, "format", format, "table or ndjson")
	return c
}

func listRejected(c *cobra.Command, flags *storeFlags, f collector.Filter, format string) error {
	s, err := flags.open()
	if err != nil {
		return err
	}
	defer s.Close()
	out := bufio.NewWriterSize(c.OutOrStdout(), 64<<10)
	write := collector.WriteRejectedTable
	if format == "ndjson" {
		write = collector.WriteNDJSON[collector.Reject]
	}
	if err := write(out, s.Rejected(c.Context(), f)); err != nil {
		return err
	}
	return out.Flush()
}

func replayRejected(c *cobra.Command, flags *storeFlags, f collector.Filter, format string) error {
	config, err := flags.load()
	if err != nil {
		return err
	}
	there, err := collector.OpenReadOnly(config.Data) // Open would make a store where there is none
	if err != nil {
		return err
	}
	there.Close()
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := collector.Open(config.Data, log)
	if err != nil {
		return err
	}
	defer s.Close()
	keys := collector.OpenKeys(config.Data, log)
	defer keys.Close()
	done, err := collector.New(s, eventRules(config, keys)).Replay(c.Context(), f)
	return errors.Join(writeReplayed(c.OutOrStdout(), format, done), err)
}

func writeReplayed(w io.Writer, format string, r collector.Replayed) error {
	if format == "ndjson" {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "%d inputs: %d events stored, %d were there already, %d are none and stay in quarantine; %d inputs are still refused, %d were not kept whole\n",
		r.Inputs, r.Stored, r.Duplicates, r.Rejected, r.Refused, r.Incomplete)
	return err
}

// load returns the configuration that the flags name; with a folder alone, the
// defaults for it.
func (f *storeFlags) load() (*configs.Config, error) {
	if f.data == "" {
		return loadConfig(f.config)
	}
	c := configs.Default()
	c.Data = f.data
	return c, nil
}
