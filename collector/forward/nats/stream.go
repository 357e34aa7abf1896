package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// ensureStream makes the stream, or checks that the one there keeps what it is given.
func (s *Sink) ensureStream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ackTime) // a server that stops swallows questions
	defer cancel()
	stream, err := s.js.Stream(ctx, s.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = s.js.CreateStream(ctx, s.config())
		switch {
		case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse): // another edge was faster
			stream, err = s.js.Stream(ctx, s.stream)
		case err != nil:
			return fmt.Errorf("make the stream with subject %s and %d replicas: %w", s.subject.all(), max(s.replicas, 1), err)
		}
	}
	if err != nil {
		return fmt.Errorf("look up the stream: %w", err)
	}
	config := stream.CachedInfo().Config
	if err := s.check(&config); err != nil {
		return err
	}
	s.remark(&config)
	return nil
}

func (s *Sink) config() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        s.stream,
		Description: "chat widget events from ctlive",
		Subjects:    []string{s.subject.all()},
		Storage:     jetstream.FileStorage,
		Replicas:    max(s.replicas, 1),
		Duplicates:  Window,
		Discard:     jetstream.DiscardNew, // with a limit that somebody sets later: events wait in the store and are not dropped here
	}
}

// check reports in what c cannot keep the promise, and how to mend that.
func (s *Sink) check(c *jetstream.StreamConfig) error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if want := s.subject.all(); !slices.ContainsFunc(c.Subjects, func(have string) bool { return covers(have, want) }) {
		problem("takes the subjects %q and not %s: add it with nats stream edit %s --subjects, or change the sink's subject", strings.Join(c.Subjects, ","), want, s.stream)
	}
	if c.Replicas < s.replicas {
		problem("has %d replicas and not %d: run nats stream edit %s --replicas %d, or lower the sink's replicas", c.Replicas, s.replicas, s.stream, s.replicas)
	}
	if c.Storage != jetstream.FileStorage {
		problem("is kept in memory: make it anew with --storage file")
	}
	if c.NoAck {
		problem("does not acknowledge: run nats stream edit %s --ack", s.stream)
	}
	if c.Sealed {
		problem("is sealed: name another stream")
	}
	if c.Retention == jetstream.InterestPolicy {
		problem("drops what no consumer waits for: make it anew with --retention limits")
	}
	if c.PersistMode == jetstream.AsyncPersistMode {
		problem("acknowledges before it writes: make it anew with --persist-mode default")
	}
	return errors.Join(problems...)
}

// remark logs what is weaker than it could be, and allowed.
func (s *Sink) remark(c *jetstream.StreamConfig) {
	if c.Replicas == 1 {
		s.log.Warn("nats stream has one replica: what its server loses is lost", "stream", s.stream)
	}
	if c.Duplicates < Window {
		s.log.Warn("nats stream recognises duplicates for less time than outages may last: consumers must go by the event id",
			"stream", s.stream, "window", c.Duplicates, "better", Window)
	}
}
