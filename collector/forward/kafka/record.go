package kafka

import (
	"fmt"

	"ctlive/collector"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	idHeader   = "ctlive-id"
	kindHeader = "ctlive-kind"
)

func (s *Sink) events(events []collector.Record) ([]*kgo.Record, error) {
	records := make([]*kgo.Record, 0, len(events))
	for _, e := range events {
		value, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("encode event %q: %w", e.ID, err)
		}
		key := e.Page
		if key == "" {
			key = e.ID
		}
		// Its time is when it is sent: with the visitor's, the broker's retention might delete it
		// on arrival.
		records = append(records, &kgo.Record{
			Topic: s.topic, Key: []byte(key), Value: value,
			Headers: []kgo.RecordHeader{{Key: idHeader, Value: []byte(e.ID)}},
		})
	}
	return records, nil
}

func (s *Sink) erasures(notes []collector.Erasure) ([]*kgo.Record, error) {
	records := make([]*kgo.Record, 0, len(notes))
	for _, n := range notes {
		value, err := json.Marshal(n)
		if err != nil {
			return nil, fmt.Errorf("encode erasure: %w", err)
		}
		records = append(records, &kgo.Record{
			Topic: s.topic, Value: value,
			Headers: []kgo.RecordHeader{{Key: kindHeader, Value: []byte("erasure")}},
		})
	}
	return records, nil
}
