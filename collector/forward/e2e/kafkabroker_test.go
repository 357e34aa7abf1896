package e2e

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const topic = "ctlive-events"

func startKafka(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func seeded(partitions int32) kfake.Opt { return kfake.SeedTopics(partitions, topic) }

// refuse answers the next count produce requests with err for each of their partitions, and stores
// nothing of them.
func refuse(c *kfake.Cluster, count int, err *kerr.Error) {
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if count--; count < 0 {
			return nil, nil, false
		}
		return produced(r.(*kmsg.ProduceRequest), err.Code), nil, true
	})
}

func produced(req *kmsg.ProduceRequest, code int16) *kmsg.ProduceResponse {
	res := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, rt := range req.Topics {
		st := kmsg.NewProduceResponseTopic()
		st.Topic, st.TopicID = rt.Topic, rt.TopicID
		for _, rp := range rt.Partitions {
			sp := kmsg.NewProduceResponseTopicPartition()
			sp.Partition, sp.ErrorCode = rp.Partition, code
			st.Partitions = append(st.Partitions, sp)
		}
		res.Topics = append(res.Topics, st)
	}
	return res
}

// cut closes the connection of the next count produce requests.
func cut(c *kfake.Cluster, count int) {
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if count--; count < 0 {
			return nil, nil, false
		}
		return nil, errors.New("cut"), true
	})
}

// hide answers the next count metadata requests as if the topic did not exist.
func hide(c *kfake.Cluster, count int) {
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := r.(*kmsg.MetadataRequest)
		if len(req.Topics) == 0 {
			return nil, nil, false
		}
		if count--; count < 0 {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.MetadataResponse)
		for i, addr := range c.ListenAddrs() {
			res.Brokers = append(res.Brokers, broker(int32(i), addr))
		}
		for _, rt := range req.Topics {
			st := kmsg.NewMetadataResponseTopic()
			st.Topic, st.TopicID, st.ErrorCode = rt.Topic, rt.TopicID, kerr.UnknownTopicOrPartition.Code
			res.Topics = append(res.Topics, st)
		}
		return res, nil, true
	})
}

// consume hands over each record of the topic, up to what it holds now.
func consume(t *testing.T, c *kfake.Cluster, each func(*kgo.Record)) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	left := held(ctx, t, client)
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d records are left: %v", left, fetches.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			each(r)
			left--
		})
	}
}

// held returns how many records the topic has.
func held(ctx context.Context, t *testing.T, client *kgo.Client) (total int64) {
	t.Helper()
	name := topic
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &name
	meta := kmsg.NewPtrMetadataRequest()
	meta.Topics = append(meta.Topics, rt)
	found, err := meta.RequestWith(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	ends := kmsg.NewListOffsetsRequestTopic()
	ends.Topic = topic
	for _, p := range found.Topics[0].Partitions {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = p.Partition, -1 // the end
		ends.Partitions = append(ends.Partitions, rp)
	}
	list := kmsg.NewPtrListOffsetsRequest()
	list.ReplicaID = -1
	list.Topics = append(list.Topics, ends)
	for _, shard := range client.RequestSharded(ctx, list) {
		if shard.Err != nil {
			t.Fatal(shard.Err)
		}
		for _, st := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, sp := range st.Partitions {
				if err := kerr.ErrorForCode(sp.ErrorCode); err != nil {
					t.Fatal(err)
				}
				total += sp.Offset
			}
		}
	}
	return total
}

// wire is how brokers answer: what reaches a broker is done, whether or not its answer gets out.
type wire struct{ state atomic.Int32 }

const (
	open  int32 = iota
	mute        // answers are swallowed
	shear       // the next answer's connection is closed instead
)

// listen is kfake's ListenFn.
func (w *wire) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return &wiredListener{l, w}, err
}

type wiredListener struct {
	net.Listener
	wire *wire
}

func (l *wiredListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &wiredConn{c, l.wire}, err
}

type wiredConn struct {
	net.Conn
	wire *wire
}

func (c *wiredConn) Write(p []byte) (int, error) {
	switch {
	case c.wire.state.Load() == mute:
		return len(p), nil
	case c.wire.state.CompareAndSwap(shear, open):
		return 0, c.Close()
	}
	return c.Conn.Write(p)
}

func makeTopic(t *testing.T, c *kfake.Cluster) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, 3, 3
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(t.Context(), client)
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
