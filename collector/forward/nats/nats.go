// Package nats forwards stored events to a stream of NATS JetStream.
//
// A stream that is missing is made: file storage, the wanted replicas, no limits, and a window of
// [Window] in which the engine recognises a message that it has already. An existing stream is
// checked and never altered; what does not fit is an error that names the fix.
//
// Each event is one message: its JSON as a line of "ctlive events --format ndjson" has it, on the
// subject of its site and type, with the header Nats-Msg-Id made of site and event id. Send returns
// nil once the stream's leader has acknowledged every event, which it does when a quorum of the
// replicas has taken it. A message of a page leaves only when the one before it is acknowledged, so
// a page's events stand in the stream in their order, whatever fails in between. Those of different
// pages are under way together and may change places.
//
// What is promised, then: an event stays in the local store until a quorum has taken it. A message
// may come twice if an acknowledgement is lost and the engine cannot be reached again within the
// window; consumers tell by the event's id. JetStream hands what it takes to the operating system at
// once but syncs its disk every two minutes by default: servers that lose power together, before
// that, may lose what they have acknowledged. A client cannot read that setting (sync_interval in the
// block jetstream of the server's configuration), so nothing here checks it; "sync_interval: always"
// is there for power cuts and costs throughput. Likewise, one replica means that what its disk loses
// is lost.
//
// An erasure is a message of its own, on the subject of site "_" and type "Erased", with the header
// "Ctlive-Kind: erasure". Events that it concerns stand before it.
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"ctlive/collector"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Window is for how long a stream made here recognises a message it has. Each message of the window
// costs its servers some 200 bytes of memory.
const Window = time.Hour

// Options are a stream and where it is. Stream and Subject have the contract's defaults.
type Options struct {
	URL      string // of several servers, with commas; may hold user:password, tls:// encrypts
	Stream   string // "": CTLIVE
	Subject  string // {site} and {type} are filled in; "": ctlive.events.{site}.{type}
	Replicas int    // 0: one if the stream is made here, as many as it has if it exists
	Logger   *slog.Logger
}

// Sink sends to one stream. Its methods may be called from several goroutines, one works at a time.
type Sink struct {
	servers  []string // may hold credentials: not for messages
	stream   string
	subject  subject
	replicas int
	log      *slog.Logger

	mu   sync.Mutex
	conn *client.Conn // nil: none yet, or closed
	js   jetstream.JetStream
	fits bool // the stream was checked since the last error
}

// New returns a Sink that connects when it has something to send.
func New(o Options) (*Sink, error) {
	s := &Sink{stream: o.Stream, replicas: o.Replicas, log: o.Logger}
	if s.stream == "" {
		s.stream = "CTLIVE"
	}
	if o.Subject == "" {
		o.Subject = "ctlive.events.{site}.{type}"
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var urlErr, subjectErr error
	s.servers, urlErr = splitURL(o.URL)
	s.subject, subjectErr = parseSubject(o.Subject)
	if err := errors.Join(urlErr, checkName(s.stream), subjectErr, checkReplicas(o.Replicas)); err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	return s, nil
}

// splitURL returns the servers' URLs. Errors do not quote them, for they may hold a password.
func splitURL(list string) (servers []string, err error) {
	for i, text := range strings.Split(list, ",") {
		text = strings.TrimSpace(text)
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return nil, fmt.Errorf("url %d is not of the form nats://host:4222 or tls://host:4222", i+1)
		}
		servers = append(servers, text)
	}
	return servers, nil
}

func checkName(stream string) error {
	if strings.ContainsFunc(stream, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`.*>/\`, r) }) {
		return fmt.Errorf("stream %q: a name has no blanks and none of . * > / \\", stream)
	}
	return nil
}

func checkReplicas(n int) error {
	if n < 0 || n > 5 {
		return fmt.Errorf("replicas %d: JetStream has 1 to 5", n)
	}
	return nil
}

// Send stores events in the stream, those of a page in their order. After an error any of them may
// be in the stream; sent again, they are recognised within [Window].
func (s *Sink) Send(ctx context.Context, events []collector.Record) error {
	return s.send(ctx, func() ([]message, error) { return s.events(events) })
}

// Erase stores erasures in the stream.
func (s *Sink) Erase(ctx context.Context, notes []collector.Erasure) error {
	return s.send(ctx, func() ([]message, error) { return s.erasures(notes) })
}

func (s *Sink) send(ctx context.Context, encode func() ([]message, error)) error {
	messages, err := encode()
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		err = s.deliver(ctx, messages)
	}
	if err != nil {
		return fmt.Errorf("nats stream %s: %w", s.stream, err)
	}
	return nil
}

// deliver checks the stream first if the last attempt ended in an error, which may have been for
// its absence.
func (s *Sink) deliver(ctx context.Context, messages []message) error {
	err := s.connect(ctx)
	if err == nil && !s.fits {
		err = s.ensureStream(ctx)
	}
	if err == nil {
		err = checkSizes(messages, s.conn.MaxPayload())
	}
	if err == nil {
		err = s.publish(ctx, messages)
	}
	s.fits = err == nil
	return err
}

// Close gives up the connection. Send opens it again.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
	return nil
}
