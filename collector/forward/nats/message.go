package nats

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"ctlive/collector"
	"ctlive/collector/forward"

	"github.com/go-json-experiment/json"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const kindHeader = "Ctlive-Kind"

// message is a message, and the page whose order it keeps.
type message struct {
	page string
	msg  *client.Msg
}

func (s *Sink) events(events []collector.Record) ([]message, error) {
	messages := make([]message, 0, len(events))
	for _, e := range events {
		body, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("encode event %q: %w", e.ID, err)
		}
		site, page := token(e.Site), e.Page
		if page == "" {
			page = e.ID // of no page: it has no place to keep
		}
		// Within a site an id is unique. Token, because a header's value loses blanks at its ends.
		messages = append(messages, message{page, s.message(s.subject.of(site, token(e.Type)), site+"."+token(e.ID), body)})
	}
	return messages, nil
}

func (s *Sink) erasures(notes []collector.Erasure) ([]message, error) {
	messages := make([]message, 0, len(notes))
	for _, n := range notes {
		body, err := json.Marshal(n)
		if err != nil {
			return nil, fmt.Errorf("encode erasure: %w", err)
		}
		sum := sha256.Sum256(body) // an id of a chat may be longer than a header
		m := s.message(s.subject.of(erasedSite, erasedType), erasedSite+"."+hex.EncodeToString(sum[:]), body)
		m.Header.Set(kindHeader, "erasure")
		messages = append(messages, message{m.Header.Get(jetstream.MsgIDHeader), m})
	}
	return messages, nil
}

func (s *Sink) message(subject, id string, body []byte) *client.Msg {
	m := client.NewMsg(subject)
	m.Data = body
	m.Header.Set(jetstream.MsgIDHeader, id)
	m.Header.Set(jetstream.ExpectedStreamHeader, s.stream)
	return m
}

// checkSizes reports a message that the server would cut the connection for. Nothing is sent then:
// behind it nothing could be acknowledged.
func checkSizes(messages []message, limit int64) error {
	for _, m := range messages {
		if size := int64(m.msg.Size()); size > limit {
			return forward.Refuse(fmt.Errorf("event %s has %d bytes and the server takes %d: raise its max_payload", m.msg.Header.Get(jetstream.MsgIDHeader), size, limit))
		}
	}
	return nil
}
