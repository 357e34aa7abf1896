package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// Bounds of the flags: the run ends in some minutes, and the store stays below some gigabytes.
const (
	maxFor         = 5 * time.Minute
	maxConnections = 2000
	maxBatch       = 16 // net/http declares no length for the answer to many more
)

// loadOptions are the flags of all subcommands that post events.
type loadOptions struct {
	duration    time.Duration
	connections int
	batch       int
	binary      string
	format      string
}

// add adds the flags; stretch says what the duration is that of.
func (o *loadOptions) add(c *cobra.Command, stretch string) {
	f := c.Flags()
	f.DurationVar(&o.duration, "for", 10*time.Second, "`DURATION` of each "+stretch)
	f.IntVar(&o.connections, "connections", 256, "`NUMBER` of connections that post events, each one batch at a time")
	f.IntVar(&o.batch, "batch", 2, "`NUMBER` of events in a batch")
	addBinary(c, &o.binary)
	f.StringVar(&o.format, "format", "markdown", "markdown or json")
}

func addBinary(c *cobra.Command, binary *string) {
	c.Flags().StringVar(binary, "binary", "", "ctlive at `PATH`, instead of building it")
}

// check reports flags that make no sense.
func (o *loadOptions) check() error {
	return errors.Join(
		within("for", o.duration >= time.Second && o.duration <= maxFor, "from 1s to "+maxFor.String()),
		within("connections", o.connections >= 1 && o.connections <= maxConnections, fmt.Sprint("from 1 to ", maxConnections)),
		within("batch", o.batch >= 1 && o.batch <= maxBatch, fmt.Sprint("from 1 to ", maxBatch)),
		within("format", o.format == "markdown" || o.format == "json", "markdown or json"))
}

// within returns what a flag may be, as an error unless it is ok.
func within(flag string, ok bool, want string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("--%s: %s", flag, want)
}
