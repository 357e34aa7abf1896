package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ctlive/collector"
	"ctlive/collector/report"
	"ctlive/collector/year"
)

func yearCommand() *cobra.Command {
	var dir string
	events := 10_000_000
	c := &cobra.Command{
		Use:   "year --data DIR",
		Short: "Write a year of events, up to now, into a new data folder",
		Long: "Writes a year of plausible events, up to now, into a new data folder: for ctlive-bench dashboard, or to\n" +
			"look at with ctlive run. Ten million take some minutes and 2.3 GB.",
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if events < 1 || events > 1_000_000_000 {
				return errors.New("--events: from 1 to 1000000000")
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return writeYear(c.Context(), c.ErrOrStderr(), dir, events) },
	}
	c.Flags().StringVar(&dir, "data", "", "new data folder `DIR`")
	c.Flags().IntVar(&events, "events", events, "`NUMBER` of events")
	c.MarkFlagRequired("data")
	return c
}

// writeYear writes a year of events into a new store in dir. Nothing is left of one that fails.
func writeYear(ctx context.Context, progress io.Writer, dir string, events int) error {
	if _, err := os.Stat(filepath.Join(dir, "ctlive.db")); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("there is a store in %s", dir), err)
	}
	begin := time.Now()
	err := makeStore(dir)
	if err == nil {
		err = year.Write(ctx, dir, year.Options{Events: events, End: begin})
	}
	if err != nil {
		return errors.Join(err, removeStore(dir))
	}
	fmt.Fprintf(progress, "%d events in %s, written in %v\n", events, dir, time.Since(begin).Round(time.Second))
	return nil
}

var databases = []string{"ctlive.db", "pages.db", "report.db"}

// makeStore makes the databases of an empty data folder.
func makeStore(dir string) error {
	log := slog.New(slog.DiscardHandler)
	s, err := collector.Open(dir, log)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Ready(); err != nil {
		return err
	}
	r, err := report.Open(dir, s, log)
	if err != nil {
		return err
	}
	return r.Close()
}

func removeStore(dir string) error {
	var errs []error
	for _, name := range databases {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(filepath.Join(dir, name+suffix)); !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
