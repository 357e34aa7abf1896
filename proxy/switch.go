package proxy

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"

	"ctlive/inject"
	"ctlive/proxy/pace"
)

// A Switch passes requests to the Proxy of the configuration in force. A reload
// puts another one in its place between two requests: those under way end with
// the Proxy they began with, and no connection is closed.
type Switch struct {
	current atomic.Pointer[Proxy]
	watch   *pace.Watch
	lasting *drain
}

// NewSwitch returns a Switch that has p in force.
func NewSwitch(p *Proxy) *Switch {
	s := &Switch{watch: pace.New(pace.Limits{}), lasting: newDrain()}
	s.Set(p)
	return s
}

// Set puts p in force and sets it going, in place of the one before.
func (s *Switch) Set(p *Proxy) {
	p.drain = s.lasting
	if old := s.current.Swap(p); old != nil {
		old.Close()
		p.Metrics.forgetUpstreams()
	}
	p.Start(context.Background())
}

// Close ends what runs beside the requests, of which none may be under way.
func (s *Switch) Close() {
	s.current.Load().Close()
	s.watch.Close()
}

// Plain is the handler of the listener without TLS.
func (s *Switch) Plain() http.Handler { return s.handler(false) }

// Secure is the handler of the listeners with TLS.
func (s *Switch) Secure() http.Handler { return s.handler(true) }

func (s *Switch) handler(secure bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w, r, done := s.watch.Wrap(w, r)
		defer done()
		s.current.Load().serve(w, r, secure)
	})
}

// Explain says of a page what [Proxy.Explain] of the Proxy in force says.
func (s *Switch) Explain(ctx context.Context, page *url.URL) ([]inject.Finding, error) {
	return s.current.Load().Explain(ctx, page)
}

// Upstreams returns the origins of the Proxy in force.
func (s *Switch) Upstreams() []Upstream { return s.current.Load().Upstreams() }

// drain ends what lasts, and waits for its end until ctx ends.
func (s *Switch) drain(ctx context.Context) { s.lasting.end(ctx) }
