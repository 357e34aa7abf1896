package nats

import (
	"context"
	"strings"
	"testing"
	"time"

	"ctlive/collector"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go/jetstream"
)

func newSink(t *testing.T, o Options) *Sink {
	t.Helper()
	if o.URL == "" {
		o.URL = "nats://127.0.0.1:1"
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		want string // in the error
	}{
		{"no URL", Options{}, "url 1 is not of the form"},
		{"second URL", Options{URL: "nats://a:4222,s3cret"}, "url 2 is not of the form"},
		{"password with a slash", Options{URL: "nats://user:s3/cret@a:4222"}, "url 1 is not"},
		{"other scheme", Options{URL: "http://user:s3cret@a"}, "url 1 is not"},
		{"stream", Options{URL: "nats://a", Stream: "a.b"}, `stream "a.b"`},
		{"subject", Options{URL: "nats://a", Subject: "a..b"}, "empty token"},
		{"replicas", Options{URL: "nats://a", Replicas: 6}, "replicas 6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v; want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

// An error of the network says nothing of the password, either.
func TestErrorHidesPassword(t *testing.T) {
	s := newSink(t, Options{URL: "nats://user:s3cret@127.0.0.1:1,tls://user:s3cret@127.0.0.1:1"})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := s.Send(ctx, []collector.Record{{ID: "e1"}})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

func TestEventMessage(t *testing.T) {
	s := newSink(t, Options{})
	messages, err := s.events([]collector.Record{
		{ID: "e 1\n", Site: "www.example.com", Type: "ChatStarted", Page: "p1", Flags: []string{}, Object: jsontext.Value(`{"chatID":"c1"}`)},
		{ID: "e2", Site: "www.example.com", Type: "x.>", Flags: []string{}, Object: jsontext.Value(`{}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := messages[0].msg
	if m.Subject != "ctlive.events.www_example_com.ChatStarted" || messages[0].page != "p1" {
		t.Errorf("subject %q, page %q", m.Subject, messages[0].page)
	}
	if id, stream := m.Header.Get(jetstream.MsgIDHeader), m.Header.Get(jetstream.ExpectedStreamHeader); id != "www_example_com.e%201%0A" || stream != "CTLIVE" {
		t.Errorf("id %q, stream %q", id, stream)
	}
	if !strings.HasPrefix(string(m.Data), `{"id":"e 1\n","site":"www.example.com","type":"ChatStarted"`) {
		t.Errorf("body %s", m.Data)
	}
	if m := messages[1]; m.msg.Subject != "ctlive.events.www_example_com.x_%3E" || m.page != "e2" {
		t.Errorf("subject %q, page %q", m.msg.Subject, m.page)
	}
}

func TestErasureMessage(t *testing.T) {
	s := newSink(t, Options{})
	messages, err := s.erasures([]collector.Erasure{{Row: 1, Kind: "user", ID: "u1", At: 1}, {Row: 2, Kind: "chat", ID: strings.Repeat("c", 16<<10), At: 1}})
	if err != nil {
		t.Fatal(err)
	}
	m := messages[0].msg
	if m.Subject != "ctlive.events._.Erased" || m.Header.Get(kindHeader) != "erasure" || string(m.Data) != `{"kind":"user","id":"u1","at":"1970-01-01T00:00:00.001Z"}` {
		t.Errorf("subject %q, header %v, body %s", m.Subject, m.Header, m.Data)
	}
	first, second := m.Header.Get(jetstream.MsgIDHeader), messages[1].msg.Header.Get(jetstream.MsgIDHeader)
	if first == second || len(second) > 100 {
		t.Errorf("ids %q and %q", first, second)
	}
}

func TestTooLarge(t *testing.T) {
	s := newSink(t, Options{})
	messages, err := s.events([]collector.Record{{ID: "e1", Title: strings.Repeat("x", 1000)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkSizes(messages, 1000); err == nil || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("got %v", err)
	}
	if err := checkSizes(messages, 2000); err != nil {
		t.Error(err)
	}
}

// Whatever the pages, every message is in one round, no round has a page twice, and a page's
// messages stand in their order.
func TestRounds(t *testing.T) {
	for _, pages := range []string{"", "a", "aaaa", "abcd", "abab", "aabbc", "abacabad"} {
		var messages []message
		for _, p := range pages {
			messages = append(messages, message{page: string(p)})
		}
		var got []string
		for n, round := range rounds(messages) {
			line := ""
			for _, m := range round {
				if strings.Contains(line, m.page) || strings.Count(pages, m.page) <= n {
					t.Errorf("%s: page %s again in round %d", pages, m.page, n)
				}
				line += m.page
			}
			got = append(got, line)
		}
		if len(strings.Join(got, "")) != len(pages) {
			t.Errorf("%s: rounds %v", pages, got)
		}
	}
}

func TestCheckStream(t *testing.T) {
	s := newSink(t, Options{Replicas: 3})
	for _, tt := range []struct {
		name   string
		change func(*jetstream.StreamConfig)
		want   string // in the error; "": none
	}{
		{"as made here", func(c *jetstream.StreamConfig) {}, ""},
		{"more replicas, wider subject", func(c *jetstream.StreamConfig) { c.Replicas, c.Subjects = 5, []string{"x", "ctlive.>"} }, ""},
		{"work queue", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, ""},
		{"short window", func(c *jetstream.StreamConfig) { c.Duplicates = time.Minute }, ""},
		{"fewer replicas", func(c *jetstream.StreamConfig) { c.Replicas = 1 }, "nats stream edit CTLIVE --replicas 3"},
		{"other subject", func(c *jetstream.StreamConfig) { c.Subjects = []string{"ctlive.events.*.Loaded"} }, "nats stream edit CTLIVE --subjects"},
		{"no subject", func(c *jetstream.StreamConfig) { c.Subjects = nil }, "--subjects"},
		{"memory", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, "--storage file"},
		{"no acknowledgement", func(c *jetstream.StreamConfig) { c.NoAck = true }, "--ack"},
		{"sealed", func(c *jetstream.StreamConfig) { c.Sealed = true }, "sealed"},
		{"interest", func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy }, "--retention limits"},
		{"asynchronous", func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, "--persist-mode"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.config()
			tt.change(&c)
			err := s.check(&c)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v; want %q", err, tt.want)
			}
		})
	}
}
