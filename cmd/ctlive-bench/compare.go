package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"ctlive/cmd/ctlive-bench/rival"
)

const (
	maxSlice  = 10 * time.Second
	maxRounds = 20
	fixedRate = 300 // requests a second

	slowReaders = 64
	slowSize    = 500    // KB
	slowPace    = 50_000 // bytes a second
)

// compareOptions are the flags of the subcommand compare, and what tests shorten.
type compareOptions struct {
	slice    time.Duration
	slow     time.Duration
	rounds   int
	within   time.Duration // from the start; 0: no matter
	workers  int
	only     string
	binary   string
	install  bool
	sizes    []int
	traffics []traffic
	rivals   func(ctx context.Context, dir string) ([]*rival.Server, error)
}

func compareCommand() *cobra.Command {
	o := compareOptions{sizes: documentSizes, traffics: allTraffics()}
	c := &cobra.Command{
		Use:   "compare",
		Short: "Compare ctlive with nginx, Apache, HAProxy and Caddy",
		Long: "Installs the servers that are missing (apt-get, as root; Caddy is built from its Go module), starts each on\n" +
			"loopback in front of the same origin, checks that it injects, and measures it: CPU time of all its\n" +
			"processes per request, requests a second, latency and peak memory, with pages of 5, 50 and 500 KB, over\n" +
			"HTTP/1.1 and over TLS with HTTP/2, saturated and at a fixed rate; and memory with slow readers.\n" +
			"The servers take turns of a short slice for each size, after one that does not count. CPU time is the\n" +
			"median of all slices of a kind. Ratios are to ctlive.",
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return o.check() },
		RunE: func(c *cobra.Command, _ []string) error {
			o.rivals = o.installed
			report, err := o.run(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := report.write(c.OutOrStdout()); err != nil {
				return err
			}
			if n := len(report.problems()); n > 0 {
				return fmt.Errorf("%d slices failed", n)
			}
			return nil
		},
	}
	f := c.Flags()
	f.DurationVar(&o.slice, "slice", 400*time.Millisecond, "`DURATION` of a slice; twice that at the fixed rate")
	f.DurationVar(&o.slow, "slow", 4*time.Second, "`DURATION` of slow reading for each case; 0s: none")
	f.IntVar(&o.rounds, "rounds", 3, "`NUMBER` of slices of each kind")
	f.DurationVar(&o.within, "within", 14*time.Minute, "leave out rounds after the first that would not end in this `DURATION`")
	f.IntVar(&o.workers, "workers", 2, "`NUMBER` of worker processes or threads of each server, GOMAXPROCS of those in Go")
	f.StringVar(&o.only, "only", "", "only cases that match `REGEXP`, such as 'ctlive|nginx'")
	addBinary(c, &o.binary)
	f.BoolVar(&o.install, "install", true, "install servers that are missing")
	return c
}

// allTraffics returns the kinds of load. Those that take more memory come later, as what a server has
// once taken it may keep.
func allTraffics() (all []traffic) {
	for _, secure := range []bool{false, true} {
		all = append(all, traffic{secure, 32, fixedRate}, traffic{secure, 32, 0}, traffic{secure, 256, 0})
	}
	return all
}

// check reports flags that make no sense.
func (o *compareOptions) check() error {
	_, err := regexp.Compile(o.only)
	return errors.Join(
		within("slice", o.slice >= 50*time.Millisecond && o.slice <= maxSlice, "from 50ms to "+maxSlice.String()),
		within("slow", o.slow >= 0 && o.slow <= maxSlice, "from 0s to "+maxSlice.String()),
		within("rounds", o.rounds >= 1 && o.rounds <= maxRounds, fmt.Sprint("from 1 to ", maxRounds)),
		within("workers", o.workers >= 1 && o.workers <= 64, "from 1 to 64"),
		within("only", err == nil, fmt.Sprint(err)))
}

// installed returns all servers that can be had; the error of the others is told to stderr.
func (o *compareOptions) installed(ctx context.Context, dir string) (all []*rival.Server, err error) {
	if o.install {
		if err := rival.Install(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "not installed:", err)
		}
	}
	for _, find := range []func() (*rival.Server, error){
		func() (*rival.Server, error) { return rival.Nginx(ctx) },
		func() (*rival.Server, error) { return rival.Apache(ctx) },
		func() (*rival.Server, error) { return rival.HAProxy(ctx) },
		func() (*rival.Server, error) { return rival.Caddy(ctx, dir) },
	} {
		server, err := find()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "left out:", err)
			continue
		}
		all = append(all, server)
	}
	return all, nil
}

// run measures everything. What it does is told to progress.
func (o *compareOptions) run(ctx context.Context, progress io.Writer) (*comparison, error) {
	begin := time.Now()
	dir, err := os.MkdirTemp("", "ctlive-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	bench := &bench{o: o, begin: begin, dir: dir, tell: func(text string) {
		fmt.Fprintf(progress, "%4.0f s: %s\n", time.Since(begin).Seconds(), text)
	}}
	if err := bench.run(ctx); err != nil {
		return nil, errors.Join(ctx.Err(), err) // what is cut fails in many ways
	}
	bench.result.took = time.Since(begin)
	return bench.result, nil
}
