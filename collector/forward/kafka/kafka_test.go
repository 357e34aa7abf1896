package kafka

import (
	"strings"
	"testing"

	"ctlive/collector"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func newSink(t *testing.T) *Sink {
	t.Helper()
	s, err := New(Options{Brokers: []string{"127.0.0.1:1"}})
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
		{"no broker", Options{}, "no broker"},
		{"no port", Options{Brokers: []string{"a:9092", "b"}}, `broker "b"`},
		{"no host", Options{Brokers: []string{":9092"}}, `broker ":9092"`},
		{"bad port", Options{Brokers: []string{"a:kafka"}}, "kafka: "},
		{"topic", Options{Brokers: []string{"a:1"}, Topic: "a b"}, `topic "a b"`},
		{"long topic", Options{Brokers: []string{"a:1"}, Topic: strings.Repeat("x", 250)}, "1 to 249"},
		{"all of it", Options{Topic: ".."}, "no broker\ntopic \"..\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v; want %q", err, tt.want)
			}
		})
	}
}

func TestEventRecord(t *testing.T) {
	records, err := newSink(t).events([]collector.Record{
		{ID: "e1", Site: "shop", Type: "ChatStarted", Page: "p1", Flags: []string{}, Object: jsontext.Value(`{"chatID":"c1"}`)},
		{ID: "e2", Site: "shop", Type: "Loaded", Flags: []string{}, Object: jsontext.Value(`{}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := records[0]
	if r.Topic != "ctlive-events" || string(r.Key) != "p1" || !r.Timestamp.IsZero() {
		t.Errorf("topic %q, key %q, time %v", r.Topic, r.Key, r.Timestamp)
	}
	if len(r.Headers) != 1 || r.Headers[0].Key != "ctlive-id" || string(r.Headers[0].Value) != "e1" {
		t.Errorf("headers %v", r.Headers)
	}
	if !strings.HasPrefix(string(r.Value), `{"id":"e1","site":"shop","type":"ChatStarted"`) {
		t.Errorf("value %s", r.Value)
	}
	if string(records[1].Key) != "e2" {
		t.Errorf("key %q of an event of no page", records[1].Key)
	}
}

func TestErasureRecord(t *testing.T) {
	records, err := newSink(t).erasures([]collector.Erasure{{Row: 1, Kind: "chat", ID: "c1", At: 1}})
	if err != nil {
		t.Fatal(err)
	}
	r := records[0]
	if r.Key != nil || r.Headers[0].Key != "ctlive-kind" || string(r.Headers[0].Value) != "erasure" ||
		string(r.Value) != `{"kind":"chat","id":"c1","at":"1970-01-01T00:00:00.001Z"}` {
		t.Errorf("key %q, headers %v, value %s", r.Key, r.Headers, r.Value)
	}
}

// Runs keep all records in their order, and none is larger than a request but a record alone.
func TestTogether(t *testing.T) {
	for _, sizes := range [][]int{{}, {1}, {1, 2, 3}, {maxBytes - overhead}, {maxBytes, 1, maxBytes}, {500_000, 399_000, 2000, 899_000}, make([]int, 2*maxRecords+1)} {
		var records []*kgo.Record
		for _, n := range sizes {
			records = append(records, &kgo.Record{Value: make([]byte, n)})
		}
		at := 0
		for _, run := range together(records) {
			size := 0
			for _, r := range run {
				if r != records[at] {
					t.Fatalf("record %d is not in its place", at)
				}
				at++
				size += overhead + len(r.Value)
			}
			if len(run) == 0 || len(run) > maxRecords || size > maxBytes && len(run) > 1 {
				t.Errorf("a run of %d records has %d bytes", len(run), size)
			}
		}
		if at != len(records) {
			t.Errorf("%d of %d records", at, len(records))
		}
	}
}

func TestExplain(t *testing.T) {
	s := newSink(t)
	for err, want := range map[error]string{
		kerr.UnknownTopicOrPartition:    "kafka-topics.sh --create --topic ctlive-events",
		kerr.MessageTooLarge:            "max.message.bytes",
		kerr.ClusterAuthorizationFailed: "IdempotentWrite",
		kerr.OutOfOrderSequenceNumber:   "OUT_OF_ORDER",
	} {
		if got := s.explain(err).Error(); !strings.Contains(got, want) {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}
