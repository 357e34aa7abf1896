package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsCluster is a cluster of JetStream servers that keep their files while they are down.
type natsCluster struct {
	options []*server.Options
	servers []*server.Server
}

func startNATS(t *testing.T, size int) *natsCluster {
	t.Helper()
	c := &natsCluster{servers: make([]*server.Server, size)}
	var routes []*url.URL
	ports := freePorts(t, 2*size)
	for i := range size {
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("127.0.0.1:%d", ports[size+i])})
	}
	for i := range size {
		o := &server.Options{
			ServerName: fmt.Sprintf("n%d", i+1), Host: "127.0.0.1", Port: ports[i], NoLog: true, NoSigs: true,
			JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 64 << 20,
		}
		if size > 1 {
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[size+i]}
			o.Routes = routes
		}
		c.options = append(c.options, o)
	}
	t.Cleanup(func() {
		for i := range c.servers {
			c.stop(i)
		}
	})
	for i := range size {
		if err := c.start(i); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *natsCluster) start(i int) error {
	s, err := server.NewServer(c.options[i].Clone())
	if err != nil {
		return err
	}
	c.servers[i] = s
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		return fmt.Errorf("server %d does not listen", i+1)
	}
	return nil
}

func (c *natsCluster) stop(i int) {
	if s := c.servers[i]; s != nil {
		s.Shutdown()
		s.WaitForShutdown()
		c.servers[i] = nil
	}
}

// leader returns the server that leads the stream, or -1.
func (c *natsCluster) leader(stream string) int {
	for i, s := range c.servers {
		if s != nil && s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
			return i
		}
	}
	return -1
}

func (c *natsCluster) url() string {
	var urls []string
	for _, o := range c.options {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", o.Port))
	}
	return strings.Join(urls, ",")
}

// jetStream connects to the cluster as a consumer does.
func (c *natsCluster) jetStream(t *testing.T) jetstream.JetStream {
	t.Helper()
	conn, err := client.Connect(c.url(), client.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// readStream hands over each message of the stream.
func readStream(t *testing.T, js jetstream.JetStream, stream string, each func(jetstream.Msg)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	s := retry(t, "look up the stream", func() (jetstream.Stream, error) { return js.Stream(ctx, stream) })
	want := s.CachedInfo().State.Msgs
	consumer := retry(t, "make a consumer", func() (jetstream.Consumer, error) {
		return js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	})
	for got := uint64(0); got < want; {
		batch, err := consumer.Fetch(int(min(want-got, 1000)), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		before := got
		for m := range batch.Messages() {
			each(m)
			got++
		}
		if got == before && ctx.Err() != nil {
			t.Fatalf("read %d of %d messages: %v", got, want, errors.Join(batch.Error(), ctx.Err()))
		}
	}
}

// retry calls do until it works: a cluster may be busy choosing a leader.
func retry[T any](t *testing.T, what string, do func() (T, error)) T {
	t.Helper()
	for start := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		v, err := do()
		if err == nil {
			return v
		}
		if time.Since(start) > 30*time.Second {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

func freePorts(t *testing.T, count int) (ports []int) {
	t.Helper()
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
