// Command ctlive is a reverse proxy that adds a listener to the pages of a web
// site and collects the events of its CTLive live-chat widget.
//
// main.go wires the commands; each has a file of its own. Data goes to stdout,
// messages for people to stderr. The exit status is 0 when all went well, 1 when
// something failed, and 2 for wrong usage or configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"ctlive/configs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// execute runs one command line and returns its exit status.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	var failed *failure
	var problems configs.Problems
	switch {
	case errors.As(err, &problems):
		fmt.Fprintln(stderr, err)
		return 2
	case errors.Is(err, errNoConfig):
		fmt.Fprintln(stderr, "ctlive:", err)
		return 2
	case errors.As(err, &failed):
		fmt.Fprintln(stderr, "ctlive:", err)
		return 1
	}
	fmt.Fprintf(stderr, "ctlive: %v\nSee: %s --help\n", err, command.CommandPath())
	return 2
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ctlive",
		Short: "A reverse proxy that adds a listener to a site's pages and collects its CTLive chat events",
		Long: "A reverse proxy that adds a listener to a site's pages and collects its CTLive chat events.\n\n" +
			"Try it:              ctlive demo\nIn front of a site:  ctlive run --to http://127.0.0.1:3000",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
		Args:              cobra.NoArgs,
	}
	root.AddCommand(runCommand(), demoCommand(), reloadCommand(), checkCommand(), explainCommand(), injectCommand(), eventsCommand(), statsCommand(), rejectedCommand(), backupCommand(), eraseCommand(), dashboardCommand(), versionCommand())
	return root
}

// failure is an error in doing what was asked; any other is in how it was asked.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

// action makes the errors of f failures: what cobra reports by itself is usage.
func action(f func(c *cobra.Command) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		if err := f(c); err != nil {
			return &failure{err}
		}
		return nil
	}
}

// misuse is an error in the value of a flag.
func misuse(flag string, err error) error { return fmt.Errorf("--%s: %w", flag, err) }
