package proxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
)

// A drain ends what would last for ever when the server ends: tunnels and event
// streams. Whoever uses them connects again, to the server that follows.
type drain struct {
	mu      sync.Mutex
	ended   bool
	settled bool
	lasting map[lasting]struct{}
	idle    chan struct{} // closed when settled: ended, and none is left
}

// lasting is something that would not end by itself. End begins its end, and is
// called once at most.
type lasting interface{ end() }

func newDrain() *drain {
	return &drain{lasting: map[lasting]struct{}{}, idle: make(chan struct{})}
}

// add enters l, or ends it at once when the end has begun.
func (d *drain) add(l lasting) {
	d.mu.Lock()
	d.lasting[l] = struct{}{}
	ended := d.ended
	d.mu.Unlock()
	if ended {
		l.end()
	}
}

// remove is called when l has come to its end, and may be called again.
func (d *drain) remove(l lasting) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, there := d.lasting[l]; !there {
		return
	}
	delete(d.lasting, l)
	d.settleLocked()
}

// settleLocked says that all has ended, once.
func (d *drain) settleLocked() {
	if d.ended && !d.settled && len(d.lasting) == 0 {
		d.settled = true
		close(d.idle)
	}
}

// end ends everything and waits for it until ctx ends.
func (d *drain) end(ctx context.Context) {
	for _, l := range d.begin() {
		l.end()
	}
	select {
	case <-d.idle:
	case <-ctx.Done():
	}
}

func (d *drain) begin() []lasting {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return nil
	}
	d.ended = true
	d.settleLocked()
	all := make([]lasting, 0, len(d.lasting))
	for l := range d.lasting {
		all = append(all, l)
	}
	return all
}

// eventStream is the body of server-sent events. Its early end is a clean one:
// the browser connects again and says which event it saw last (HTML 9.2).
type eventStream struct {
	io.ReadCloser
	drain *drain
	over  chan struct{} // closed by end
}

// endWithDrain makes res end with d if it is a stream of events.
func endWithDrain(res *http.Response, d *drain) {
	if !isEventStream(res.Header) {
		return
	}
	s := &eventStream{res.Body, d, make(chan struct{})}
	res.Body = s
	d.add(s)
}

func isEventStream(h http.Header) bool {
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "text/event-stream")
}

func (s *eventStream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil {
		select {
		case <-s.over: // the error is of our own making
			err = io.EOF
		default:
		}
	}
	return n, err
}

func (s *eventStream) Close() error {
	s.drain.remove(s)
	return s.ReadCloser.Close()
}

// end interrupts the Read under way.
func (s *eventStream) end() {
	close(s.over)
	s.ReadCloser.Close()
}
