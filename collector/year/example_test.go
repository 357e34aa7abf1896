package year_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"ctlive/collector"
	"ctlive/collector/report"
	"ctlive/collector/year"
)

func Example() {
	dir, err := os.MkdirTemp("", "year-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	log := slog.New(slog.DiscardHandler)
	open := func() (*collector.Store, *report.Report) {
		s, err := collector.Open(dir, log)
		if err != nil {
			panic(err)
		}
		r, err := report.Open(dir, s, log)
		if err != nil {
			panic(err)
		}
		return s, r
	}
	s, r := open() // makes the files
	r.Close()
	s.Close()
	if err := year.Write(context.Background(), dir, year.Options{Events: 1000, End: end}); err != nil {
		panic(err)
	}
	s, r = open()
	defer s.Close()
	defer r.Close()
	events, err := s.LastRow(context.Background())
	fmt.Println(events >= 1000, err)
	// Output: true <nil>
}
