package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"ctlive/collector/forward"
)

// What is produced together: what fits into one request of a partition, which the broker takes as a
// whole or not at all.
const (
	maxRecords = 2000
	maxBytes   = 900_000 // of 1,000,012 that a client's batch may have, and 1,048,588 a broker's
	overhead   = 64      // of a record, at most, with its header's name
)

// together splits records into runs that fit into one request. A record that is larger is alone.
func together(records []*kgo.Record) (runs [][]*kgo.Record) {
	start, size := 0, 0
	for i, r := range records {
		n := overhead + len(r.Key) + len(r.Value)
		for _, h := range r.Headers {
			n += len(h.Value)
		}
		if i > start && (size+n > maxBytes || i-start == maxRecords) {
			runs = append(runs, records[start:i])
			start, size = i, 0
		}
		size += n
	}
	if start < len(records) {
		runs = append(runs, records[start:])
	}
	return runs
}

// produce waits for the acknowledgement of each record.
func (s *Sink) produce(ctx context.Context, records []*kgo.Record) error {
	// A record that a broker may have is waited for without end, unless the client is closed.
	stop := context.AfterFunc(ctx, s.close)
	var first error
	for _, r := range s.client.ProduceSync(ctx, records...) {
		if r.Err != nil && first == nil {
			first = r.Err
		}
	}
	closed := !stop()
	switch {
	case first == nil && !closed:
		return nil
	case closed:
		return fmt.Errorf("no acknowledgement in time, which takes the partition's leader and min.insync.replicas brokers: %w", ctx.Err())
	}
	return s.explain(first)
}

// explain adds what can be done about an error of the brokers.
func (s *Sink) explain(err error) error {
	hint, mark := "", func(err error) error { return err }
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		hint = fmt.Sprintf(": the brokers do not make the topic; make it, as in kafka-topics.sh --create --topic %s --partitions 12 --replication-factor 3 --config min.insync.replicas=2", s.topic)
	case errors.Is(err, kerr.MessageTooLarge):
		hint, mark = ": raise the topic's max.message.bytes to 1048588 at least", forward.Refuse
	case errors.Is(err, kerr.InvalidRecord):
		mark = forward.Refuse
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		hint = ": allow Write and Describe on the topic"
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		hint = ": allow IdempotentWrite on the cluster"
	}
	return mark(fmt.Errorf("produce: %w%s", err, hint))
}
