// Package webhook passes events on to a URL, in signed batches.
//
// A batch is a POST of JSON with up to 500 events or 1 MiB, whatever comes first, and has one of
// these forms:
//
//	{"v":1,"id":"BATCH","events":[EVENT,…]}
//	{"v":1,"erased":[{"kind":"user","id":"U","at":"2026-11-23T12:00:00.000Z"},…]}
//
// An event is a line of `ctlive events --format ndjson`. BATCH is made of the events' ids: a batch
// that comes again unchanged has the same. An erasure asks to delete, of the kind "user", the events
// with that user_id and those of all chats in which it occurs, of the kind "chat" the events with
// that chat_id, and what mentions the id in its object.
//
// Only an answer of 2xx, complete, says that a batch was taken. Anything else, a redirection
// included, has it sent again, perhaps cut into other batches: the receiver knows events that come
// again by their site and id. It should answer after it has stored them, within half a minute.
//
// # Signature
//
// The field Ctlive-Signature is t=SECONDS,v1=HEX: the Unix time of this attempt, and the
// HMAC-SHA256, with the shared secret, of SECONDS, a full stop and the body. The receiver computes
// it over the bytes as they came, compares in constant time, and refuses a time that is minutes off.
// The example shows it.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"ctlive/collector"
)

const (
	patience   = 30 * time.Second // for the whole of a request
	maxHeader  = 64 << 10         // bytes of an answer's header
	maxAnswer  = 64 << 10         // and of its body: we read it to know that it is complete
	idleExpiry = 90 * time.Second // of a connection
)

// Options says where events go. Both fields must be set.
type Options struct {
	URL    string // http or https; nothing but its host is told in errors
	Secret string
}

// Sink sends to one URL. It is used by one goroutine at a time.
type Sink struct {
	url    string
	host   string
	secret []byte
	client *http.Client
	now    func() time.Time
}

// New returns a sink that has not connected to anything yet.
func New(o Options) (*Sink, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("webhook: the URL must be http:// or https:// and a host")
	}
	if o.Secret == "" {
		return nil, errors.New("webhook: a secret is missing: the receiver could not tell our batches from anybody's")
	}
	return &Sink{url: o.URL, host: u.Host, secret: []byte(o.Secret), client: newClient(), now: time.Now}, nil
}

func newClient() *http.Client {
	return &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: patience / 3}).DialContext,
			TLSHandshakeTimeout:    patience / 3,
			MaxResponseHeaderBytes: maxHeader,
			MaxConnsPerHost:        1,
			IdleConnTimeout:        idleExpiry,
			ForceAttemptHTTP2:      true,
		},
	}
}

// Send sends events in their order, as many batches as they need, each after the one before was
// taken. It ends at the first that was not.
func (s *Sink) Send(ctx context.Context, events []collector.Record) error {
	for body, err := range batches(events) {
		if err == nil {
			err = s.post(ctx, body)
		}
		if err != nil {
			return fmt.Errorf("webhook: events to %s: %w", s.host, err)
		}
	}
	return nil
}

// Erase passes erasures on.
func (s *Sink) Erase(ctx context.Context, notes []collector.Erasure) error {
	for body, err := range erasures(notes) {
		if err == nil {
			err = s.post(ctx, body)
		}
		if err != nil {
			return fmt.Errorf("webhook: erasures to %s: %w", s.host, err)
		}
	}
	return nil
}

// Close ends the connections.
func (s *Sink) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// post returns nil once the receiver has said, in a complete answer, that it took body.
func (s *Sink) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL makes no request") // the error would tell all of it
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "ctlive")
	req.Header.Set(SignatureField, signature(s.secret, s.now(), body))
	res, err := s.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)); err != nil && n < maxAnswer {
		return fmt.Errorf("answer cut off: %w", withoutURL(err))
	}
	return s.verdict(res)
}

// withoutURL returns err without the address, which may hold a token.
func withoutURL(err error) error {
	if at, ok := errors.AsType[*url.Error](err); ok {
		return at.Err
	}
	return err
}
