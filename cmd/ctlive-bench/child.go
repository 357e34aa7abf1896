package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// findProgram returns binary, or, if that is "", where in dir it has built the program.
func findProgram(ctx context.Context, binary, dir string, tell func(string)) (string, error) {
	if binary != "" {
		return binary, nil
	}
	tell("building ctlive")
	binary = filepath.Join(dir, "ctlive")
	return binary, build(ctx, binary)
}

// build builds the program as the Makefile does, but for its version, from the module that this was
// started in.
func build(ctx context.Context, to string) error {
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, "ctlive/cmd/ctlive")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build ctlive: %w\n%s", err, out)
	}
	return nil
}

// child is a process that was started here.
type child struct {
	cmd   *exec.Cmd
	log   string        // file that its stderr goes to: to read a pipe would cost the generator time
	ended chan struct{} // closed when it has
}

// start starts a process that ctx ends at the latest.
func start(ctx context.Context, log, binary string, args ...string) (*child, error) {
	return launch(exec.CommandContext(ctx, binary, args...), log)
}

// launch starts cmd, with its stderr in a file.
func launch(cmd *exec.Cmd, log string) (*child, error) {
	stderr, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	c := &child{cmd: cmd, log: log, ended: make(chan struct{})}
	c.cmd.Stderr = stderr
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.cmd.Wait() // how it ended shows in what it did
		close(c.ended)
	}()
	return c, nil
}

// kill ends the process as kill -9 does, and waits for that. A second call does no harm.
func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.ended
}

// stop has the process end by itself, and waits for that.
func (c *child) stop() {
	c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(stopTime):
		c.kill()
	}
}

const stopTime = 30 * time.Second

const startTime = 30 * time.Second

// ready waits until ctlive says that it is, and returns the addresses it serves on.
func (c *child) ready() (at addresses, err error) {
	for timeout := time.After(startTime); ; {
		why := ""
		select {
		case <-time.After(20 * time.Millisecond):
		case <-timeout:
			why = fmt.Sprintf("is not ready after %v", startTime)
		case <-c.ended:
			why = "did not start"
		}
		log, err := os.ReadFile(c.log)
		if err != nil {
			return at, err
		}
		if at := readyAt(log); at.HTTP != "" && why == "" {
			return at, nil
		}
		if why != "" {
			return at, fmt.Errorf("ctlive %s:\n%s", why, log)
		}
	}
}

// addresses are where ctlive serves.
type addresses struct{ HTTP, Admin string }

// readyAt returns the addresses in the line of ctlive's log that says where it listens, or none.
func readyAt(log []byte) addresses {
	for lines := bufio.NewScanner(bytes.NewReader(log)); lines.Scan(); {
		var line struct {
			Msg string
			addresses
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			return line.addresses
		}
	}
	return addresses{}
}

// cpu returns the CPU time that the process has taken.
func (c *child) cpu() (time.Duration, error) { return family{c.cmd.Process.Pid}.cpu() }

// peak returns the most memory that the process has had resident so far, in bytes.
func (c *child) peak() (int64, error) { return family{c.cmd.Process.Pid}.peak() }
