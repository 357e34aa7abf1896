package e2e

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctlive/collector"
	"ctlive/collector/forward/kafka"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func newKafka(t *testing.T, brokers []string) *kafka.Sink {
	t.Helper()
	s, err := kafka.New(kafka.Options{Brokers: brokers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func broker(id int32, addr string) kmsg.MetadataResponseBroker {
	host, port, _ := net.SplitHostPort(addr)
	number, _ := strconv.Atoi(port)
	b := kmsg.NewMetadataResponseBroker()
	b.NodeID, b.Host, b.Port = id, host, int32(number)
	return b
}

// Whatever a broker answers in the middle of the intake, every event that was acknowledged is in the
// topic, those of a page in their order; also, where the engine cannot help, twice.
func TestKafkaErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  func(*kfake.Cluster)
		fails  bool // Send returns an error, at least once
		copies bool // records may come twice
	}{
		{"none", func(*kfake.Cluster) {}, false, false},
		{"no longer the leader", func(c *kfake.Cluster) { refuse(c, 3, kerr.NotLeaderForPartition) }, false, false},
		{"leaders move", func(c *kfake.Cluster) { c.ShufflePartitionLeaders() }, false, false},
		{"request timed out", func(c *kfake.Cluster) { refuse(c, 2, kerr.RequestTimedOut) }, false, false},
		{"too few replicas", func(c *kfake.Cluster) { refuse(c, 3, kerr.NotEnoughReplicas) }, false, false},
		{"connection cut", func(c *kfake.Cluster) { cut(c, 2) }, false, false},
		{"too large", func(c *kfake.Cluster) { refuse(c, 1, kerr.MessageTooLarge) }, true, true},
		{"sequence out of order", func(c *kfake.Cluster) { refuse(c, 1, kerr.OutOfOrderSequenceNumber) }, true, true},
		{"fenced", func(c *kfake.Cluster) { refuse(c, 1, kerr.InvalidProducerEpoch) }, true, true},
		{"not allowed", func(c *kfake.Cluster) { refuse(c, 2, kerr.TopicAuthorizationFailed) }, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := startKafka(t, seeded(4))
			s := newKafka(t, c.ListenAddrs())
			total, failures := 0, 0
			for turn := range 10 {
				if turn == 2 {
					tt.fault(c)
				}
				failures += sendUntil(t, s, events(total, 100), 30*time.Second)
				total += 100
			}
			if tt.fails && failures == 0 {
				t.Error("no batch had to be sent again")
			}
			l := newLedger()
			consume(t, c, func(r *kgo.Record) { l.add(t, r.Value) })
			twice := l.check(t, total)
			if twice > 0 && !tt.copies {
				t.Errorf("%d records came twice", twice)
			}
			t.Logf("%d batches sent again, %d records twice", failures, twice)
		})
	}
}

// A broker stores a request and its answer comes after our deadline: what is sent again is there at
// most twice, and its id tells (case D10).
func TestKafkaTimeoutThenSuccess(t *testing.T) {
	t.Parallel()
	var w wire
	c := startKafka(t, seeded(1), kfake.ListenFn(w.listen))
	s := newKafka(t, c.ListenAddrs())
	sendUntil(t, s, events(0, 10), 0)
	w.state.Store(mute)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := s.Send(ctx, events(10, 10)); err == nil || !strings.Contains(err.Error(), "no acknowledgement in time") {
		t.Errorf("got %v", err)
	}
	w.state.Store(open)
	sendUntil(t, s, events(10, 10), 20*time.Second)
	l := newLedger()
	ids := map[string]int{}
	consume(t, c, func(r *kgo.Record) {
		l.add(t, r.Value)
		ids[string(r.Headers[0].Value)]++
	})
	if twice := l.check(t, 20); twice != 10 {
		t.Errorf("%d records came twice; want 10", twice)
	}
	for id, n := range ids {
		if n != l.count[id] {
			t.Errorf("header %s %d times, body %d times", id, n, l.count[id])
		}
	}
}

// A connection that breaks before the answer does not show: the broker knows the request again.
func TestKafkaAnswerCut(t *testing.T) {
	t.Parallel()
	var w wire
	c := startKafka(t, seeded(1), kfake.ListenFn(w.listen))
	s := newKafka(t, c.ListenAddrs())
	for i := range 5 {
		sendUntil(t, s, events(10*i, 10), 0)
		w.state.Store(shear)
	}
	w.state.Store(open)
	l := newLedger()
	consume(t, c, func(r *kgo.Record) { l.add(t, r.Value) })
	if twice := l.check(t, 50); twice != 0 {
		t.Errorf("%d records came twice", twice)
	}
}

// A topic that is missing is an error that names the fix, and once it is made everything is in it
// (case D9).
func TestKafkaMissingTopic(t *testing.T) {
	t.Parallel()
	c := startKafka(t)
	s := newKafka(t, c.ListenAddrs())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Send(ctx, events(0, 50)); err == nil || !strings.Contains(err.Error(), "kafka-topics.sh --create --topic ctlive-events") {
		t.Fatalf("got %v", err)
	}
	makeTopic(t, c)
	sendUntil(t, s, events(0, 50), 20*time.Second)
	l := newLedger()
	consume(t, c, func(r *kgo.Record) { l.add(t, r.Value) })
	l.check(t, 50)
}

// The leader says six times that there is no such topic: the client gives the records up after four,
// and they come again.
func TestKafkaTopicRefused(t *testing.T) {
	t.Parallel()
	c := startKafka(t, seeded(1))
	s := newKafka(t, c.ListenAddrs())
	sendUntil(t, s, events(0, 50), 0)
	refuse(c, 6, kerr.UnknownTopicOrPartition)
	if failures := sendUntil(t, s, events(50, 50), 40*time.Second); failures == 0 {
		t.Error("the batch did not fail")
	}
	l := newLedger()
	consume(t, c, func(r *kgo.Record) { l.add(t, r.Value) })
	l.check(t, 100)
}

// Metadata that does not know the topic six times over fails a batch, and loses nothing.
func TestKafkaTopicUnknownForAWhile(t *testing.T) {
	t.Parallel()
	c := startKafka(t, seeded(2))
	hide(c, 6)
	s := newKafka(t, c.ListenAddrs())
	if failures := sendUntil(t, s, events(0, 50), 40*time.Second); failures == 0 {
		t.Error("the batch did not fail")
	}
	l := newLedger()
	consume(t, c, func(r *kgo.Record) { l.add(t, r.Value) })
	l.check(t, 50)
}

// Brokers that may make topics are asked to.
func TestKafkaTopicMadeByBroker(t *testing.T) {
	t.Parallel()
	c := startKafka(t, kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(3))
	s := newKafka(t, c.ListenAddrs())
	sendUntil(t, s, events(0, 50), 20*time.Second)
	l := newLedger()
	consume(t, c, func(r *kgo.Record) { l.add(t, r.Value) })
	l.check(t, 50)
}

// A page stays in its partition, across clients, and an erasure comes after what it concerns.
func TestKafkaPartitions(t *testing.T) {
	t.Parallel()
	c := startKafka(t, seeded(5))
	sendUntil(t, newKafka(t, c.ListenAddrs()), events(0, 100), 0)
	s := newKafka(t, c.ListenAddrs())
	sendUntil(t, s, events(100, 100), 0)
	if err := s.Erase(t.Context(), []collector.Erasure{{Row: 1, Kind: "user", ID: "u1", At: 1}}); err != nil {
		t.Fatal(err)
	}
	partition := map[string]int32{}
	var latest, erased time.Time
	consume(t, c, func(r *kgo.Record) {
		if slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == "ctlive-kind" && string(h.Value) == "erasure" }) {
			erased = r.Timestamp
			return
		}
		if p, seen := partition[string(r.Key)]; seen && p != r.Partition {
			t.Errorf("page %s is in partitions %d and %d", r.Key, p, r.Partition)
		}
		partition[string(r.Key)] = r.Partition
		if r.Timestamp.After(latest) {
			latest = r.Timestamp
		}
	})
	if len(partition) != pages {
		t.Errorf("%d keys; want %d", len(partition), pages)
	}
	if erased.Before(latest) {
		t.Errorf("erased at %v, the last event is of %v", erased, latest)
	}
}

// No broker is there: an error within the time given, and no goroutine that goes on.
func TestKafkaDown(t *testing.T) {
	t.Parallel()
	c := startKafka(t, seeded(1))
	s := newKafka(t, c.ListenAddrs())
	sendUntil(t, s, events(0, 10), 0)
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	if err := s.Send(ctx, events(10, 10)); err == nil {
		t.Error("events were taken")
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v to say so", took)
	}
}
