// Package kafka forwards stored events to a topic of Kafka.
//
// Each event is one record: its value is its JSON, as a line of "ctlive events --format ndjson" has
// it, its key is the page, and the header "ctlive-id" holds its id, by which consumers recognise
// what comes twice; an id is unique within a site. So a page's events are in one partition (that of
// the key's murmur2 hash, as Java's clients have it) and in their order there. An event of no page
// has its own id for a key. A topic that is compacted by key would keep a page's last event only:
// it needs cleanup.policy=delete.
//
// Send returns nil once every record is acknowledged by all replicas in sync (acks=all). Within one
// client the brokers recognise repeated requests (an idempotent producer). When any record fails,
// the client is given up with all it remembers and the caller sends the whole batch again, so that
// nothing is missing and some records may stand in the topic twice. At most one request per
// partition is under way: a refused one leaves no gap that a later one would fill too soon.
//
// What is promised, then: an event stays in the local store until all replicas in sync have it.
// How many those are is the cluster's: with min.insync.replicas=1, Kafka's default, one broker may be
// all there is. Brokers do not sync their disks before they acknowledge; they rely on each other.
// The first connection logs a warning if the topic has a single replica or asks for a single one.
//
// A missing topic is asked for in a way that lets brokers make it, with their default partitions and
// replicas, which are one each unless configured; better make it beforehand.
//
// An erasure is a record without a key and with the header "ctlive-kind" set to "erasure". It is
// written after every event it concerns, but stands in one partition: a consumer has applied it when
// it has read the other partitions up to its time.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"ctlive/collector"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Options are a topic and where it is. Connections are plain TCP.
type Options struct {
	Brokers []string // some of the cluster, host:port
	Topic   string   // "": ctlive-events
	Logger  *slog.Logger
}

// Sink sends to one topic. Its methods may be called from several goroutines, one works at a time.
type Sink struct {
	brokers []string
	topic   string
	log     *slog.Logger

	mu       sync.Mutex
	client   *kgo.Client // nil: none
	close    func()      // closes client; it may be called twice
	remarked bool
}

// New returns a Sink that connects when it has something to send.
func New(o Options) (*Sink, error) {
	s := &Sink{brokers: o.Brokers, topic: o.Topic, log: o.Logger}
	if s.topic == "" {
		s.topic = "ctlive-events"
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(checkBrokers(s.brokers), checkTopic(s.topic)); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if err := kgo.ValidateOpts(s.options()...); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return s, nil
}

func checkBrokers(brokers []string) error {
	if len(brokers) == 0 {
		return errors.New("no broker")
	}
	for _, b := range brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			return fmt.Errorf("broker %q is not of the form host:9092", b)
		}
	}
	return nil
}

func checkTopic(name string) error {
	strange := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	}
	if len(name) > 249 || name == "." || name == ".." || strings.ContainsFunc(name, strange) {
		return fmt.Errorf("topic %q: a name has 1 to 249 letters, digits, dots, _ and -", name)
	}
	return nil
}

// Send stores events in the topic, those of a page in their order. After an error any of them may be
// in the topic.
func (s *Sink) Send(ctx context.Context, events []collector.Record) error {
	records, err := s.events(events)
	if err == nil {
		err = s.deliver(ctx, records)
	}
	return s.wrap(err)
}

// Erase stores erasures in the topic.
func (s *Sink) Erase(ctx context.Context, notes []collector.Erasure) error {
	records, err := s.erasures(notes)
	if err == nil {
		err = s.deliver(ctx, records)
	}
	return s.wrap(err)
}

func (s *Sink) wrap(err error) error {
	if err != nil {
		return fmt.Errorf("kafka topic %s: %w", s.topic, err)
	}
	return nil
}

// deliver gives up the client after an error: what it has under way, and what it remembers of
// sequence numbers, is not to meet the next attempt.
func (s *Sink) deliver(ctx context.Context, records []*kgo.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.connect(ctx)
	for _, some := range together(records) {
		if err != nil {
			break
		}
		err = s.produce(ctx, some)
	}
	if err != nil {
		s.giveUp()
		return err
	}
	if !s.remarked {
		s.remark(ctx)
		s.remarked = true
	}
	return nil
}

// connect makes a client, and asks a broker for its version at once: records wait for a broker
// without telling why there is none.
func (s *Sink) connect(ctx context.Context) (err error) {
	if s.client != nil {
		return nil
	}
	if s.client, err = kgo.NewClient(s.options()...); err != nil {
		return err
	}
	s.close = sync.OnceFunc(s.client.Close)
	if err := s.client.Ping(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

func (s *Sink) options() []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(s.brokers...),
		kgo.ClientID("ctlive"),
		kgo.DefaultProduceTopic(s.topic),
		kgo.AllowAutoTopicCreation(),
		kgo.DialTimeout(5 * time.Second),
		kgo.MetadataMinAge(time.Second), // between questions for a partition's new leader: by default five
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()), // which every broker and consumer of today reads
		kgo.MaxBufferedRecords(maxRecords),
		// Longer than it takes to hand over what goes together, which ends the waiting itself.
		kgo.ProducerLinger(100 * time.Millisecond),
		// An acknowledged batch that the broker has no memory of is a loss to be told, by default it
		// is passed over.
		kgo.StopProducerOnDataLossDetected(),
		// Four answers that there is no such topic fail a record. That is soon enough to tell
		// somebody, who can make it; the records come again.
		kgo.UnknownTopicRetries(4),
		kgo.DisableClientMetrics(), // which brokers may ask for
	}
}

func (s *Sink) giveUp() {
	if s.client != nil {
		s.close()
		s.client = nil
	}
}

// Close gives up the connections. Send opens them again.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUp()
	return nil
}
