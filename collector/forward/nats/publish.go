package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"ctlive/collector/forward"
)

const underWay = 256 // messages sent and not yet acknowledged

// publish stores messages in rounds: within a round no two are of one page. A message that fails
// while its followers arrive, as in a change of leader, can so not change places with one of its
// page when it is sent again.
func (s *Sink) publish(ctx context.Context, messages []message) error {
	for _, round := range rounds(messages) {
		for some := range slices.Chunk(round, underWay) {
			if err := s.publishTogether(ctx, some); err != nil {
				return err
			}
		}
	}
	return nil
}

// rounds puts the n-th message of each page into the n-th round.
func rounds(messages []message) (rounds [][]message) {
	count := map[string]int{}
	for _, m := range messages {
		n := count[m.page]
		count[m.page]++
		if n == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[n] = append(rounds[n], m)
	}
	return rounds
}

// publishTogether waits for the acknowledgement of each message, also when one has failed: the next
// attempt is not to overtake this one.
func (s *Sink) publishTogether(ctx context.Context, messages []message) (err error) {
	acks := make([]jetstream.PubAckFuture, 0, len(messages))
	for _, m := range messages {
		ack, e := s.js.PublishMsgAsync(m.msg)
		if e != nil {
			err = fmt.Errorf("publish: %w", e)
			break
		}
		acks = append(acks, ack)
	}
	for _, ack := range acks {
		if e := s.acknowledged(ctx, ack); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// acknowledged waits for ack. That the stream has the message already is as good.
func (s *Sink) acknowledged(ctx context.Context, ack jetstream.PubAckFuture) error {
	select {
	case a := <-ack.Ok():
		if a.Stream != s.stream {
			return fmt.Errorf("acknowledged by stream %s", a.Stream)
		}
		return nil
	case err := <-ack.Err():
		return explain(err)
	case <-ctx.Done():
		return fmt.Errorf("wait for acknowledgement: %w", ctx.Err())
	}
}

// explain adds what can be done about an error of the engine.
func explain(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("no server took the event: the stream is missing or has no leader now: %w", err)
	case errors.Is(err, jetstream.ErrStreamMessageExceedsMaximum):
		return forward.Refuse(fmt.Errorf("store event: %w: raise the stream's max_msg_size", err))
	}
	return fmt.Errorf("store event: %w", err)
}
