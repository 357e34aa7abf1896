package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"ctlive/collector"
	"ctlive/collector/report"
)

func statsCommand() *cobra.Command {
	var store storeFlags
	var filter filterFlags
	format := "table"
	c := &cobra.Command{
		Use:   "stats",
		Short: "Show the funnel, the chats, and what became of every message",
		Long: "Show the funnel and the chats of the last 24 hours, or of the time since --since, and what\n" +
			"became of every message since the store began.\n\n" +
			"The figures are those of the proxy that runs. If none does, they are counted anew.",
		Example: "  ctlive stats --since 7d --site www.example.com",
		Args:    cobra.NoArgs,
		PreRunE: func(c *cobra.Command, _ []string) error {
			if format != "table" && format != "json" {
				return misuse("format", fmt.Errorf("%q is neither table nor json", format))
			}
			now := time.Now()
			if err := filter.parse(now); err != nil {
				return err
			}
			return checkRange(filter.Filter, now)
		},
		RunE: action(func(c *cobra.Command) error {
			dir, err := store.folder()
			if err != nil {
				return err
			}
			figures, account, err := readStats(c.Context(), dir, filter.Filter, newProgress(c.ErrOrStderr()))
			if err != nil {
				return err
			}
			return writeStats(c.OutOrStdout(), format, figures, account)
		}),
	}
	store.add(c)
	filter.add(c)
	c.Flags().BoolVar(&filter.Doubtful, "doubtful", false, "count events flagged untrusted, bot or prerender, too")
	c.Flags().StringVar(&format, "format", format, "table or json")
	return c
}

// checkRange refuses what ends before it begins.
func checkRange(f collector.Filter, now time.Time) error {
	until := f.Until
	if until.IsZero() {
		until = now
	}
	if !f.Since.IsZero() && !f.Since.Before(until) {
		return misuse("since", errors.New("the range ends before it begins"))
	}
	return nil
}

// readStats reads the figures that f asks for and the account of its site, whether or not a proxy
// has the folder.
func readStats(ctx context.Context, dir string, f collector.Filter, p *progress) (*report.Figures, collector.Stats, error) {
	defer p.end()
	var none collector.Stats
	s, err := collector.OpenReadOnly(dir)
	if err != nil {
		return nil, none, err
	}
	defer s.Close()
	reader, err := report.OpenReadOnly(ctx, dir, s, func(done, all int64) {
		p.say("counting: %s of %s events", thousands(done), thousands(all))
	})
	if err != nil {
		return nil, none, err
	}
	defer reader.Close()
	figures, err := reader.Query(ctx, report.Query{Site: f.Site, Since: f.Since, Until: f.Until, Flagged: f.Doubtful})
	if err != nil {
		return nil, none, err
	}
	account, err := s.Stats(ctx, f)
	return figures, account, err
}

// stats is the JSON form: what /api/report answers and, as account, what /api/stats does.
type stats struct {
	*report.Figures
	Account collector.Stats `json:"account"`
}

func writeStats(w io.Writer, format string, f *report.Figures, account collector.Stats) error {
	if format == "table" {
		return writeFigures(w, f, account)
	}
	if err := json.MarshalWrite(w, stats{f, account}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
