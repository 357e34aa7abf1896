package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"ctlive/cmd/ctlive-bench/rival"
)

// server is a server of a comparison, running with one configuration.
type server struct {
	*child
	rival.Case
	target
}

// startServer starts c for s, which gets a free address.
func startServer(c rival.Case, s rival.Setup) (*server, error) {
	var err error
	if s.Addr, err = freeAddr(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, err
	}
	cmd, err := c.Command(s)
	if err != nil {
		return nil, err
	}
	// A group of its own can be ended with all that it has started; and it ends with this process,
	// however that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	p, err := launch(cmd, s.Dir+"/log")
	if err != nil {
		return nil, err
	}
	return &server{p, c, target{Addr: s.Addr, TLS: s.TLS, Coding: c.Coding}}, nil
}

// A server has endTime to end by itself.
const endTime = 3 * time.Second

// end ends the server with all its processes, and waits for that.
func (s *server) end() {
	s.cmd.Process.Signal(syscall.SIGTERM) // an error says that it has ended
	select {
	case <-s.ended:
	case <-time.After(endTime):
	}
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // the same
	<-s.ended
}

// verify waits until the server answers, and returns an error unless it does with each page what it
// is meant to do.
func (s *server) verify(ctx context.Context, pages map[string][]byte) error {
	b, err := s.await(ctx)
	if err != nil {
		return fmt.Errorf("%v: %w", &s.Case, err)
	}
	defer b.Close()
	for path, page := range pages {
		var body bytes.Buffer
		head, err := b.get(path, &body)
		if err := errors.Join(err, head.check(s.target.Coding)); err != nil {
			return fmt.Errorf("%v: %s: %w", &s.Case, path, err)
		}
		got, err := decodeAs(s.target.Coding, &body)
		if err != nil {
			return fmt.Errorf("%v: %s: %w", &s.Case, path, err)
		}
		if !s.served(page, got) {
			return fmt.Errorf("%v: %s: got %d bytes for a page of %d, beginning %.200q", &s.Case, path, len(got), len(page), got)
		}
	}
	return nil
}

// served reports whether got is what a visitor should get of page: the same, or with a script behind
// the start tag of head.
func (s *server) served(page, got []byte) bool {
	if !s.Injects {
		return bytes.Equal(page, got)
	}
	at := bytes.Index(page, []byte(rival.Head)) + len(rival.Head)
	middle, before := bytes.CutPrefix(got, page[:at])
	middle, after := bytes.CutSuffix(middle, page[at:])
	return before && after && bytes.HasPrefix(middle, []byte("<script data-")) && bytes.HasSuffix(middle, []byte("</script>"))
}

// await connects as soon as the server takes connections.
func (s *server) await(ctx context.Context) (browser, error) {
	for timeout := time.After(startTime); ; {
		b, err := s.dial(ctx, 0, 0)
		if err == nil {
			return b, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
			continue
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.ended:
		case <-timeout:
		}
		log, _ := os.ReadFile(s.log)
		return nil, fmt.Errorf("does not serve: %w\n%s", err, strings.TrimSpace(string(log)))
	}
}

// family returns the processes of the server.
func (s *server) family() (family, error) { return familyOf(s.cmd.Process.Pid) }

// freeAddr returns an address on loopback that was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
