package main

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"ctlive/collector"
)

func eventsCommand() *cobra.Command {
	var store storeFlags
	var filter filterFlags
	var follow bool
	format := "table"
	c := &cobra.Command{
		Use:   "events",
		Short: "List stored events, oldest first",
		Example: "  ctlive events --since 24h --type ChatStarted\n" +
			"  ctlive events --follow --format ndjson",
		Args: cobra.NoArgs,
		PreRunE: func(c *cobra.Command, _ []string) error {
			if eventWriters[format] == nil {
				return misuse("format", fmt.Errorf("%q is none of table, ndjson and csv", format))
			}
			return filter.parse(time.Now())
		},
		RunE: action(func(c *cobra.Command) error {
			s, err := store.open()
			if err != nil {
				return err
			}
			defer s.Close()
			if follow {
				return eventWriters[format](c.OutOrStdout(), s.Follow(c.Context(), filter.Filter))
			}
			events := s.Events(c.Context(), filter.Filter)
			if out := c.OutOrStdout(); !isTerminal(out) { // there the events themselves are to be seen
				events = counted(newProgress(c.ErrOrStderr()), "events", events)
			}
			return writeBuffered(c.OutOrStdout(), events, eventWriters[format])
		}),
	}
	store.add(c)
	filter.add(c)
	c.Flags().StringVar(&filter.Type, "type", "", "only events of this `TYPE`")
	c.Flags().StringVar(&filter.Chat, "chat", "", "only events of the chat with this `ID`")
	c.Flags().BoolVar(&follow, "follow", false, "go on with events as they are stored, until interrupted")
	c.Flags().StringVar(&format, "format", format, "table, ndjson or csv")
	return c
}

type eventWriter = func(io.Writer, iter.Seq2[collector.Record, error]) error

var eventWriters = map[string]eventWriter{
	"table": collector.WriteTable, "ndjson": collector.WriteNDJSON[collector.Record], "csv": collector.WriteCSV,
}

func writeBuffered(w io.Writer, events iter.Seq2[collector.Record, error], write eventWriter) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	if err := write(buffered, events); err != nil {
		return err
	}
	return buffered.Flush()
}

// filterFlags choose events.
type filterFlags struct {
	collector.Filter
	since, until string
}

func (f *filterFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.since, "since", "", "only events from `TIME` on: 24h, 7d, 2006-01-02 or 2006-01-02T15:04:05Z")
	c.Flags().StringVar(&f.until, "until", "", "only events before `TIME`")
	c.Flags().StringVar(&f.Site, "site", "", "only events of this `SITE`")
}

func (f *filterFlags) parse(now time.Time) (err error) {
	for _, flag := range []struct {
		name, value string
		time        *time.Time
	}{{"since", f.since, &f.Since}, {"until", f.until, &f.Until}} {
		if flag.value == "" {
			continue
		}
		if *flag.time, err = collector.ParseTime(flag.value, now); err != nil {
			return misuse(flag.name, err)
		}
	}
	return nil
}
