package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
)

// generateCommand is the generator of a comparison, a process of its own. It reads jobs from stdin:
// it answers a job with an outcome when its connections are made, which is empty unless that failed,
// begins when it reads true, and answers with the outcome.
func generateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "generate", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return generate(c.Context(), json.NewDecoder(c.InOrStdin()), json.NewEncoder(c.OutOrStdout()))
		},
	}
}

func generate(ctx context.Context, in *json.Decoder, out *json.Encoder) error {
	for {
		var j job
		if err := in.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		all, err := j.connect(ctx)
		if err != nil {
			if err := out.Encode(outcome{Error: err.Error()}); err != nil {
				return err
			}
			continue
		}
		var begin bool
		if err := errors.Join(out.Encode(outcome{}), in.Decode(&begin)); err != nil {
			return err
		}
		result := j.work()(ctx, all)
		all.close()
		if err := out.Encode(result); err != nil {
			return err
		}
	}
}

// generator is the process that makes the load, seen from the one that measures.
type generator struct {
	*child
	in  *json.Encoder
	out *json.Decoder
}

// startGenerator starts it from this program. ctx ends it at the latest.
func startGenerator(ctx context.Context, log string) (*generator, error) {
	cmd, in, out, err := ownCommand(ctx, "generate")
	if err != nil {
		return nil, err
	}
	c, err := launch(cmd, log)
	return &generator{c, json.NewEncoder(in), json.NewDecoder(out)}, err
}

// ownCommand returns a command of this program with pipes for its stdin and stdout.
func ownCommand(ctx context.Context, name string) (cmd *exec.Cmd, in io.WriteCloser, out io.ReadCloser, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	cmd = exec.CommandContext(ctx, self, name)
	if in, err = cmd.StdinPipe(); err != nil {
		return nil, nil, nil, err
	}
	out, err = cmd.StdoutPipe()
	return cmd, in, out, err
}

// errJob is a job that failed; the generator goes on.
var errJob = errors.New("job failed")

// prepare makes the connections of a job.
func (g *generator) prepare(j job) error {
	if err := g.in.Encode(j); err != nil {
		return err
	}
	_, err := g.answer()
	return err
}

// run does the job that was prepared.
func (g *generator) run() (outcome, error) {
	if err := g.in.Encode(true); err != nil {
		return outcome{}, err
	}
	return g.answer()
}

func (g *generator) answer() (o outcome, err error) {
	if err := g.out.Decode(&o); err != nil {
		return o, fmt.Errorf("generator: %w", err)
	}
	if o.Error != "" {
		return o, fmt.Errorf("%w: %s", errJob, o.Error)
	}
	return o, nil
}
