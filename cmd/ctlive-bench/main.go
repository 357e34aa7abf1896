// Command ctlive-bench measures ctlive as its users run it: the built program, a process of its own
// on this machine, with traffic over loopback.
//
// Each subcommand is one question and has a file of its own. They share options.go (flags), child.go
// (processes that are started, watched and ended), latency.go (the histogram) and report.go (tables).
// events and dashboard have their generator in load.go. compare has the servers in rival/, and two
// processes of this program besides: origin.go and generator.go, which does what job.go says. The
// figures go to stdout, as Markdown or JSON, and what is being done to stderr. The exit status is 1 when
// a figure could not be had or cannot be trusted.
//
// Generator and program share the processors, so figures are worth something only beside the CPU time
// that each of them took. It reads /proc and uses all of 127.0.0.0/8, as Linux has them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:               "ctlive-bench",
		Short:             "Measure ctlive on this machine",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.AddCommand(eventsCommand(), yearCommand(), dashboardCommand(), compareCommand(), originCommand(), generateCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "ctlive-bench:", err)
		stop()
		os.Exit(1)
	}
}
