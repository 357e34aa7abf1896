// Package collector takes the events that pages send and keeps them.
//
// A [Collector] answers POST requests with a batch of events (event.go has the wire format). It
// says 200 when SQLite's COMMIT has returned with synchronous=FULL, and never before: what was
// acknowledged survives a killed process and a power cut. What is no event is quarantined with its
// raw bytes, as durably, before it is refused. An event whose id the site has sent before is a
// duplicate, so a sender that got no answer sends again.
//
// A [Store] is the database. It can be read while another process writes it, through [Store.Events]
// and its siblings; [API] serves the same over HTTP.
package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	defaultMaxBody = 64 << 10
	defaultRate    = 50 // events per second and client
	defaultBurst   = 200
)

// Options configure a [Collector]. The zero value is ready to use.
type Options struct {
	// ClientAddr returns the visitor's address, resolved through trusted proxies. It keys the rate
	// limit and, reduced as IP says, is stored. Nil: the peer's address.
	ClientAddr func(*http.Request) netip.Addr

	IP      IPMode  // how much of the address is stored; "": TruncateIP
	MaxBody int64   // bytes of a body, compressed or not; 0: 64 KiB
	Rate    float64 // events per second and client; 0: 50; +Inf: no limit
	Burst   int     // events that a client may send at once; 0: 200

	// Observe is told the verdict on each event: "stored", "duplicate", "rejected". A body that was
	// refused as a whole counts as one, its verdict the reason. typ is one of the vendor's types,
	// "unknown" or, where none was read, "". Nil: nobody listens.
	Observe func(site, typ, verdict string)

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default()
}

// Site is one of the sites behind the proxy.
type Site struct {
	Name  string   // stored with each event
	Hosts []string // whose pages may send events besides those of the host that was asked
}

// Collector takes events for all sites into one store.
type Collector struct {
	store *Store
	opt   Options
	limit *limit
}

// New returns a collector that writes to store, which it does not close.
func New(store *Store, opt Options) *Collector {
	if opt.ClientAddr == nil {
		opt.ClientAddr = peerAddr
	}
	if opt.MaxBody == 0 {
		opt.MaxBody = defaultMaxBody
	}
	if opt.Rate == 0 {
		opt.Rate = defaultRate
	}
	if opt.Burst == 0 {
		opt.Burst = defaultBurst
	}
	if opt.Observe == nil {
		opt.Observe = func(site, typ, verdict string) {}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	return &Collector{store: store, opt: opt, limit: newLimit(opt.Rate, opt.Burst)}
}

// Verdict is what became of one event.
type Verdict string

const (
	Stored    Verdict = "stored"
	Duplicate Verdict = "duplicate" // the site has sent this id before
	Rejected  Verdict = "rejected"  // no event: quarantined, for the reason given
)

// Result answers for one event, in the order of the batch.
type Result struct {
	ID      string   `json:"id"` // made here if the event had none; "" if it could not be read
	Verdict Verdict  `json:"verdict"`
	Reason  string   `json:"reason"`
	Flags   []string `json:"flags"`
}

// Handler returns the events endpoint of one site. It serves whatever path it is asked for.
func (c *Collector) Handler(site Site) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		results, err := c.collect(w, r, site)
		if err != nil {
			c.answerRefusal(w, r, site, asRefusal(err))
			return
		}
		writeJSON(w, http.StatusOK, struct {
			Results []Result `json:"results"`
		}{results})
	})
}

// collect returns the verdicts on r's events once they are durable.
func (c *Collector) collect(w http.ResponseWriter, r *http.Request, site Site) ([]Result, error) {
	if r.Method != http.MethodPost {
		return nil, refuse(http.StatusMethodNotAllowed, "method", "events are sent with POST")
	}
	if !fromSite(r, site) {
		return nil, refuse(http.StatusForbidden, "cross_site", "only pages of the site itself may send events")
	}
	now, addr := c.opt.Now(), c.opt.ClientAddr(r)
	if wait := c.limit.take(addr, now, 1); wait > 0 {
		return nil, tooMany(wait)
	}
	in := input{site: site.Name, client: c.opt.IP.store(addr), received: millis(now)}

	buf := bodies.Get().(*bytes.Buffer)
	defer recycle(buf)
	b, err := c.read(w, r, in.received, buf)
	if refused, ok := errors.AsType[*refusal](err); ok && refused.quarantined() {
		return nil, c.quarantine(r, in, refused, buf.Bytes())
	}
	if err != nil {
		return nil, err
	}
	if wait := c.limit.take(addr, now, max(len(b.results)-1, 0)); wait > 0 {
		return nil, tooMany(wait)
	}
	return c.add(r.Context(), in, b)
}

// read returns r's batch; on an error buf holds as much of the body as was read.
func (c *Collector) read(w http.ResponseWriter, r *http.Request, received Millis, buf *bytes.Buffer) (batch, error) {
	if err := readBody(w, r, c.opt.MaxBody, buf); err != nil {
		return batch{}, err
	}
	text, err := decodeBody(r.Header, buf.Bytes(), c.opt.MaxBody)
	if err != nil {
		return batch{}, err
	}
	return parseBatch(text, received)
}

// add stores b and returns its results, completed.
func (c *Collector) add(ctx context.Context, in input, b batch) ([]Result, error) {
	j := &job{input: in, view: &b.view, events: b.events, rejects: b.rejects}
	j.view.client = in.client
	if j.empty() {
		return b.results, nil
	}
	if err := c.store.do(ctx, j); err != nil {
		return nil, err
	}
	for _, e := range b.events {
		verdict := Duplicate
		if e.fresh {
			verdict = Stored
		}
		b.results[e.index] = Result{ID: e.id, Verdict: verdict, Flags: e.flags.Names()}
		c.opt.Observe(in.site, e.metricType(), string(verdict))
	}
	for range b.rejects {
		c.opt.Observe(in.site, "", string(Rejected))
	}
	return b.results, nil
}

// quarantine keeps a refused body and returns the refusal, or why it could not be kept.
func (c *Collector) quarantine(r *http.Request, in input, refused *refusal, raw []byte) error {
	kept := newReject(refused, raw, max(r.ContentLength, int64(len(raw))))
	kept.ContentType = storedHeader(r, "Content-Type")
	kept.ContentEncoding = storedHeader(r, "Content-Encoding")
	ctx := context.WithoutCancel(r.Context()) // net/http cancels it when a body cannot be read
	if err := c.store.do(ctx, &job{input: in, rejects: []Reject{kept}}); err != nil {
		return err
	}
	return refused
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Errorf("encode an answer: %w", err)) // only our own types come here
	}
	answerHeader(w, "application/json")
	w.WriteHeader(status)
	w.Write(body)
}

// answerHeader sets what all our answers share.
func answerHeader(w http.ResponseWriter, contentType string) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}
