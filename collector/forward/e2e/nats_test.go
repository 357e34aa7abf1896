package e2e

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ctlive/collector"
	"ctlive/collector/forward/nats"

	"github.com/nats-io/nats.go/jetstream"
)

func newNATS(t *testing.T, o nats.Options) *nats.Sink {
	t.Helper()
	s, err := nats.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// intake is how long events come in while servers stop and start.
func intake(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("CTLIVE_INTAKE")
	if text == "" {
		return 12 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// restarts stops one server after the other and starts it again, until stop is closed: in every
// second turn the one that leads the stream.
func (c *natsCluster) restarts(stop <-chan struct{}) (count int, err error) {
	pause := func(d time.Duration) (stopped bool) {
		select {
		case <-time.After(d):
			return false
		case <-stop:
			return true
		}
	}
	for stopped := false; !stopped && err == nil; count++ {
		i := c.leader("CTLIVE")
		if count%2 == 1 || i < 0 {
			i = count % len(c.servers)
		}
		c.stop(i)
		pause(time.Second)
		err = c.start(i)
		stopped = pause(3 * time.Second)
	}
	return count, err
}

// Servers stop and start again while events come in, at most 1,000 a second, and what was
// acknowledged is in the stream.
func TestNATSServerRestarts(t *testing.T) {
	t.Parallel()
	cluster := startNATS(t, 3)
	s := newNATS(t, nats.Options{URL: cluster.url(), Replicas: 3})
	const batch = 50
	total, failures := 0, 0
	send := func() {
		failures += sendUntil(t, s, events(total, batch), time.Minute)
		total += batch
	}
	send() // makes the stream

	stop := make(chan struct{})
	var count int
	var err error
	var restarts sync.WaitGroup
	restarts.Go(func() { count, err = cluster.restarts(stop) })
	for start := time.Now(); time.Since(start) < intake(t); time.Sleep(50 * time.Millisecond) {
		send()
	}
	close(stop)
	restarts.Wait()
	if err != nil {
		t.Fatal(err)
	}
	send()

	l := newLedger()
	readStream(t, cluster.jetStream(t), "CTLIVE", func(m jetstream.Msg) { l.add(t, m.Data()) })
	twice := l.check(t, total)
	t.Logf("%d events acknowledged, %d batches sent again, %d restarts; %d messages came twice", total, failures, count, twice)
}

// What consumers see of an id that comes again: nothing within the window, a second message with the
// same id beyond it (case D8).
func TestNATSWindow(t *testing.T) {
	t.Parallel()
	cluster := startNATS(t, 1)
	js := cluster.jetStream(t)
	s := newNATS(t, nats.Options{URL: cluster.url()})
	twice := func() int {
		sendUntil(t, s, events(0, 20), 0)
		l := newLedger()
		readStream(t, js, "CTLIVE", func(m jetstream.Msg) { l.add(t, m.Data()) })
		return l.check(t, 20)
	}
	sendUntil(t, s, events(0, 10), 0)
	for range 2 {
		if n := twice(); n != 0 {
			t.Errorf("%d messages came twice within the window", n)
		}
	}
	config := stream(t, js).Config
	config.Duplicates = 100 * time.Millisecond // as if an hour had passed
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // the server empties its window by a timer
	if n := twice(); n != 20 {
		t.Errorf("%d messages came twice beyond the window; want 20", n)
	}
}

func stream(t *testing.T, js jetstream.JetStream) *jetstream.StreamInfo {
	t.Helper()
	s, err := js.Stream(t.Context(), "CTLIVE")
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo()
}

// The stream that the sink makes, and what a message and an erasure look like in it.
func TestNATSStream(t *testing.T) {
	t.Parallel()
	cluster := startNATS(t, 1)
	js := cluster.jetStream(t)
	s := newNATS(t, nats.Options{URL: cluster.url()})
	sendUntil(t, s, events(0, 1), 0)
	notes := []collector.Erasure{{Row: 1, Kind: "user", ID: "u1", At: 1}}
	for range 2 { // the same note again is none
		if err := s.Erase(t.Context(), notes); err != nil {
			t.Fatal(err)
		}
	}
	config := stream(t, js).Config
	if config.Duplicates != nats.Window || config.Storage != jetstream.FileStorage || config.Subjects[0] != "ctlive.events.*.*" {
		t.Errorf("made as %+v", config)
	}
	var got []string
	readStream(t, js, "CTLIVE", func(m jetstream.Msg) { got = append(got, m.Subject(), m.Headers().Get("Ctlive-Kind")) })
	if want := "ctlive.events.www_example_com.WidgetShown||ctlive.events._.Erased|erasure"; strings.Join(got, "|") != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

// A stream that cannot keep the promise is an error with its fix and stays as it is. Once it is
// mended, or gone, events go on.
func TestNATSStreamOfOthers(t *testing.T) {
	t.Parallel()
	cluster := startNATS(t, 1)
	js := cluster.jetStream(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CTLIVE", Subjects: []string{"other.>"}}); err != nil {
		t.Fatal(err)
	}
	s := newNATS(t, nats.Options{URL: cluster.url()})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Send(ctx, events(0, 1)); err == nil || !strings.Contains(err.Error(), "nats stream edit CTLIVE --subjects") {
		t.Errorf("got %v", err)
	}
	if got := stream(t, js).Config.Subjects; len(got) != 1 || got[0] != "other.>" {
		t.Errorf("the stream's subjects became %q", got)
	}
	if _, err := js.UpdateStream(ctx, jetstream.StreamConfig{Name: "CTLIVE", Subjects: []string{"other.>", "ctlive.>"}}); err != nil {
		t.Fatal(err)
	}
	sendUntil(t, s, events(0, 20), 0)
	if err := js.DeleteStream(ctx, "CTLIVE"); err != nil {
		t.Fatal(err)
	}
	if failures := sendUntil(t, s, events(0, 20), 20*time.Second); failures == 0 {
		t.Error("events were taken without a stream")
	}
	l := newLedger()
	readStream(t, js, "CTLIVE", func(m jetstream.Msg) { l.add(t, m.Data()) })
	l.check(t, 20)
}

// An event beyond the server's limit is told before anything is sent: the server would cut the
// connection.
func TestNATSLargeEvent(t *testing.T) {
	t.Parallel()
	cluster := startNATS(t, 1)
	s := newNATS(t, nats.Options{URL: cluster.url()})
	list := events(0, 3)
	list[1].Title = strings.Repeat("x", 1<<20)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Send(ctx, list); err == nil || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("got %v", err)
	}
	if n := stream(t, cluster.jetStream(t)).State.Msgs; n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// Wrong credentials are told, and the password is not.
func TestNATSCredentials(t *testing.T) {
	t.Parallel()
	cluster := startNATS(t, 1)
	cluster.stop(0)
	cluster.options[0].Username, cluster.options[0].Password = "edge", "s3cret"
	if err := cluster.start(0); err != nil {
		t.Fatal(err)
	}
	with := func(user string) string { return strings.Replace(cluster.url(), "//", "//"+user+"@", 1) }
	bad := newNATS(t, nats.Options{URL: with("edge:wr0ng")})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := bad.Send(ctx, events(0, 1)); err == nil || !strings.Contains(err.Error(), "Authorization") || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("got %v", err)
	}
	sendUntil(t, newNATS(t, nats.Options{URL: with("edge:s3cret")}), events(0, 1), 0)
}
