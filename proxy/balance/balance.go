// Package balance passes the requests of one site to its origins.
//
// A [Pool] is an [http.RoundTripper]. It chooses an origin among those that are
// up, keeps the connections to it, and tries again where that cannot make a
// request happen twice. Pools share nothing: one site's trouble stays with it.
//
// An origin is taken out when two connections to it in a row could not be made,
// and comes back with the first that can. Active checks, where a path for them
// is given, take it out on their own account. With every origin out, requests
// are tried all the same: a chance is better than a certain 502.
package balance

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Policies for Options.Policy.
const (
	LeastConn  = "least_conn"  // fewest requests in flight; among equals, the one that waited longest
	RoundRobin = "round_robin" // one after the other
)

// Options say what to balance over. A Pool does not change them.
type Options struct {
	Upstreams []*url.URL // http or https, host and port, at least one; the path is not looked at
	Policy    string     // LeastConn or RoundRobin; "": LeastConn

	HealthPath string        // path, and query, that active checks ask for; "": no active checks
	HealthHost string        // their Host header; "": the upstream's own
	Every      time.Duration // between two checks of an origin; 0: 5 s

	TLS *tls.Config // for https upstreams; nil: the system's roots. Server name and protocols are ours to set

	Logger *slog.Logger
	// Up is told the state of each upstream when the pool starts and whenever
	// it changes, in order. It must not call the pool. Nil is fine.
	Up func(upstream string, up bool)
}

// A Pool passes requests to the origins of one site. It may be used by many
// goroutines at once.
type Pool struct {
	options Options
	origins []*origin
	watches sync.WaitGroup
	stop    context.CancelFunc
	closed  atomic.Bool

	mu   sync.Mutex
	turn uint64 // choices made
}

// New returns a pool that has not been started: it takes requests, but an
// origin that goes down does not come back by itself.
func New(o Options) *Pool {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Every <= 0 {
		o.Every = 5 * time.Second
	}
	p := &Pool{options: o, stop: func() {}}
	for _, u := range o.Upstreams {
		p.origins = append(p.origins, newOrigin(u, &p.options))
	}
	return p
}

// Start begins to watch the origins, until ctx ends or Close. It is called at
// most once, and not after Close.
func (p *Pool) Start(ctx context.Context) {
	ctx, p.stop = context.WithCancel(ctx)
	for _, o := range p.origins {
		o.announce()
		p.watches.Go(func() { o.revive(ctx) })
		if p.options.HealthPath != "" {
			p.watches.Go(func() { o.examine(ctx) })
		}
	}
}

// Close ends what Start began, and waits for it. Requests in flight go on, and
// the connections they use are closed after them.
func (p *Pool) Close() {
	p.closed.Store(true)
	p.stop()
	p.watches.Wait()
	for _, o := range p.origins {
		o.transport.CloseIdleConnections()
	}
}

// Status is one upstream at a moment.
type Status struct {
	URL    string // scheme, host and port
	Up     bool
	Active int // requests and WebSockets in flight
}

// Status returns the state of every upstream, in the order of the options.
func (p *Pool) Status() []Status {
	all := make([]Status, len(p.origins))
	for i, o := range p.origins {
		all[i] = Status{URL: o.name, Up: o.up(), Active: int(o.active.Load())}
	}
	return all
}

// maxAttempts is how often a request is tried, connections that turn out to be
// stale and that net/http replaces by itself not counted.
const maxAttempts = 3

// RoundTrip passes r to an origin and returns its answer. r is not changed, but
// for its body, which is read and closed; res.Request.URL names the origin. A
// failure is an *Error, or an ErrRequestBody that wraps what reading r's body gave.
func (p *Pool) RoundTrip(r *http.Request) (*http.Response, error) {
	out, err := prepare(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequestBody, err)
	}
	var tried [maxAttempts]*origin
	for n := 0; ; n++ {
		a := p.begin(out, tried[:n])
		res, err := a.origin.transport.RoundTrip(a.request())
		if err == nil {
			out.settle()
			a.answer(res)
			return res, nil
		}
		a.fail()
		tried[n] = a.origin
		if n+1 == maxAttempts || !p.worthRepeating(a, err, tried[:n+1]) || !out.reclaim() {
			out.close()
			return nil, a.explain(err)
		}
	}
}
