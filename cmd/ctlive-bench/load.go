package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
)

// load posts batches of events over many connections, each with one batch under way: the next one goes
// out when the last is answered. It is made to cost little, because what it measures has only the
// rest of the machine.
type load struct {
	senders []*sender
}

// intake is what came of a run.
type intake struct {
	acknowledged int // events answered as stored or, of visitors that object, as declined
	flagged      int // of them, those with a flag
	refused      int // requests answered with 429 or 503
	answers      latencies
}

func (i *intake) merge(other *intake) {
	i.acknowledged += other.acknowledged
	i.flagged += other.flagged
	i.refused += other.refused
	i.answers.merge(&other.answers)
}

// dialLoad connects to the proxy at v.addr, n times, each with an address and a session of its own:
// how many connections an address may have is limited.
func dialLoad(ctx context.Context, v visitor, n, batch int) (*load, error) {
	l := &load{}
	for i := range n {
		from := net.IPv4(127, 1, byte(i>>8), byte(i))
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext(ctx, "tcp", v.addr)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		v.session = uuid.New()
		l.senders = append(l.senders, &sender{number: i, conn: conn, posts: newPosts(v, batch), objects: v.objects, buf: make([]byte, 4<<10)})
	}
	return l, nil
}

func (l *load) close() {
	for _, s := range l.senders {
		s.conn.Close()
	}
}

// run sends for d, waits for the last answers, and returns what came of it. All connections can be
// used again unless there is an error.
func (l *load) run(ctx context.Context, d time.Duration) (*intake, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	release := context.AfterFunc(ctx, l.close) // whoever reads or writes then fails
	defer release()

	until := time.Now().Add(d)
	var running sync.WaitGroup
	for _, s := range l.senders {
		running.Go(func() {
			if err := s.run(until); err != nil {
				cancel(fmt.Errorf("connection %d: %w", s.number, err))
			}
		})
	}
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	total := &intake{}
	for _, s := range l.senders {
		total.merge(&s.intake)
	}
	return total, nil
}

// sender is one connection and the visitor behind it.
type sender struct {
	number  int
	conn    net.Conn
	posts   []*post
	objects bool
	next    int // of posts
	page    uuid.UUID
	buf     []byte

	sent    int          // events, in all runs
	refused map[int]bool // of them, those that were not acknowledged; nil: none
	intake  intake       // of this run
}

const (
	answerTime = 30 * time.Second // for all answers to come in after a run
	refusedFor = 100 * time.Millisecond
)

func (s *sender) run(until time.Time) error {
	s.intake = intake{}
	if err := s.conn.SetDeadline(until.Add(answerTime)); err != nil {
		return err
	}
	for now := time.Now(); now.Before(until); {
		p := s.stamp(now)
		if _, err := s.conn.Write(p.raw); err != nil {
			return err
		}
		a, err := s.read()
		if err != nil {
			return err
		}
		end := time.Now()
		if err := s.note(a, len(p.ids), end.Sub(now)); err != nil {
			return err
		}
		if now = end; a.status != http.StatusOK {
			time.Sleep(refusedFor)
			now = time.Now()
		}
	}
	return nil
}

// stamp returns the next request.
func (s *sender) stamp(now time.Time) *post {
	ms, first := now.UnixMilli(), newSerial(s.number, s.sent)
	if s.next == 0 {
		s.page = first.id(ms) // its first event has the same: they are never compared
	}
	p := s.posts[s.next]
	s.next = (s.next + 1) % len(s.posts)
	p.stamp(s.page, ms, first)
	return p
}

// read reads one response. What it returns is valid until the next call.
func (s *sender) read() (answer, error) {
	for filled := 0; ; {
		n, err := s.conn.Read(s.buf[filled:])
		filled += n
		a, length, bad := parseAnswer(s.buf[:filled])
		switch {
		case bad != nil:
			return a, bad
		case length > 0 && length < filled:
			return a, errors.New("more than one response to a request")
		case length > 0:
			return a, nil
		case err != nil:
			return a, err
		case filled == len(s.buf):
			s.buf = append(s.buf, make([]byte, filled)...)
		}
	}
}

// note counts an answer to n events. Anything but all of them stored, or declined, or a refusal that
// asks to send again later, is an error.
func (s *sender) note(a answer, n int, took time.Duration) error {
	first := s.sent
	s.sent += n
	switch {
	case a.status == http.StatusOK && (a.stored == n && !s.objects || a.declined == n && s.objects):
		s.intake.acknowledged += n
		s.intake.flagged += n - a.unflagged
		s.intake.answers.add(took)
		return nil
	case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable:
		s.intake.refused++
		if s.refused == nil {
			s.refused = map[int]bool{}
		}
		for i := range n {
			s.refused[first+i] = true
		}
		return nil
	}
	return fmt.Errorf("%d for %d events: %.300q", a.status, n, a.body)
}
