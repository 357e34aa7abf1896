// Package collector takes the events that pages send and keeps them.
//
// A [Collector] answers POST requests with a batch of events (event.go has the wire format). It
// says 200 when SQLite's COMMIT has returned with synchronous=FULL, and never before: what was
// acknowledged survives a killed process and a power cut. What is no event is quarantined with its
// raw bytes, as durably, before it is refused. An event whose id the site has sent before is a
// duplicate, so a sender that got no answer sends again.
//
// Events are marked, not dropped: without a good page token ([Tokens]), from a bot, from a page that
// was not shown, with a clock that was wrong. What is refused and kept nowhere is counted.
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
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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

	// Trusted says that ClientAddr looks through proxies in front of us. Where it does not, and most
	// events come from one address, Logger is told, once.
	Trusted bool

	IP      IPMode     // how much of the address is stored; "": TruncateIP
	UserIDs UserIDMode // what is stored of user ids; "": KeepUserIDs
	Keys    *Keys      // the keys of PseudonymUserIDs; nil: keys that end with the process
	Tokens  *Tokens    // checks page tokens; nil: none are asked for

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

	// GPC says that Global Privacy Control and Do Not Track are respected: of a request that carries
	// one of them nothing is stored, and its events are answered as rejected, for the reason gpc.
	GPC bool

	// Consent says that nothing is stored before the visitor has agreed. A batch that does not say
	// "consent":true is answered as rejected, for the reason consent, and what is no batch is counted
	// but not kept.
	Consent bool
}

// Collector takes events for all sites into one store.
type Collector struct {
	store *Store
	opt   Options
	limit limits
	crowd crowd
	heard complaints
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
	if opt.Keys == nil {
		opt.Keys = newMemoryKeys(opt.Now)
	}
	return &Collector{store: store, opt: opt, limit: newLimits(opt.Rate, opt.Burst)}
}

// Verdict is what became of one event.
type Verdict string

const (
	Stored    Verdict = "stored"
	Duplicate Verdict = "duplicate" // the site has sent this id before
	Rejected  Verdict = "rejected"  // for the reason given: no event, and quarantined, or unwanted (gpc, consent)
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
		now, addr := c.opt.Now(), c.opt.ClientAddr(r)
		in := input{site: site.Name, client: c.opt.IP.store(addr), received: millis(now)}
		results, err := c.collect(w, r, site, in, addr)
		if err != nil {
			c.answerRefusal(w, in, asRefusal(err))
			return
		}
		writeResults(w, results)
	})
}

// collect returns the verdicts on r's events once they are durable.
func (c *Collector) collect(w http.ResponseWriter, r *http.Request, site Site, in input, addr netip.Addr) ([]Result, error) {
	if r.Method != http.MethodPost {
		return nil, refuse(http.StatusMethodNotAllowed, "method", "events are sent with POST")
	}
	if !fromSite(r, site) {
		return nil, refuse(http.StatusForbidden, "cross_site", "only pages of the site itself may send events")
	}
	now := in.received.Time()
	if wait := c.limit.request(addr, now); wait > 0 {
		return nil, tooMany(wait, 1)
	}
	unwanted := site.GPC && objects(r.Header)

	buf := bodies.Get().(*bytes.Buffer)
	defer recycle(buf)
	b, err := c.read(w, r, in.received, buf)
	if refused, ok := errors.AsType[*refusal](err); ok && refused.quarantined() && !unwanted && !site.Consent {
		if wait := c.limit.events(addr, "", now, 1); wait > 0 {
			return nil, tooMany(wait, 1)
		}
		return nil, c.quarantine(r, in, refused, buf.Bytes())
	}
	if err != nil {
		return nil, err
	}
	flags := c.requestFlags(r, b.prerender)
	session := b.view.session
	if !c.trusts(site.Name, b.token) {
		flags, session = flags|Untrusted, ""
	}
	if len(b.rejects) > 0 {
		session = ""
	}
	if wait := c.limit.events(addr, session, now, len(b.results)); wait > 0 {
		return nil, tooMany(wait, len(b.results))
	}
	c.notice(addr, len(b.results))
	switch {
	case unwanted:
		return c.decline(in, b, "gpc"), nil
	case site.Consent && !b.consent:
		return c.decline(in, b, "consent"), nil
	}
	if flags&Untrusted == 0 {
		c.complain(site.Name, &b)
	}
	c.prepare(in, &b, flags)
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

// requestFlags returns the flags of all events of r; hidden is the page's own word that it was not
// shown.
func (c *Collector) requestFlags(r *http.Request, hidden bool) (flags Flags) {
	if isBot(r.Header.Get("User-Agent")) {
		flags |= Bot
	}
	if hidden || strings.Contains(r.Header.Get("Sec-Purpose"), "prerender") {
		flags |= Prerender
	}
	return flags
}

// trusts reports whether token is a page token of the site, or none is asked for.
func (c *Collector) trusts(site, token string) bool {
	return c.opt.Tokens == nil || c.opt.Tokens.Valid(site, token)
}

// notice tells the operator, once, if nearly everyone seems to be the same visitor.
func (c *Collector) notice(addr netip.Addr, events int) {
	if c.opt.Trusted || !addr.IsValid() || !c.crowd.add(subscriber(addr), events) {
		return
	}
	c.opt.Logger.Warn("most events come from one address: if that is a load balancer or a CDN, name it in trusted_proxies, because its visitors share one rate limit",
		"client", c.opt.IP.store(addr))
}

// complain tells the operator what the page of a batch with a page token says is wrong with it.
func (c *Collector) complain(site string, b *batch) {
	if b.stranger != "" && c.heard.first(complaint{site, b.stranger}) {
		c.opt.Logger.Warn("the listener has refused messages: if they are CTLive's, name their origin in listener.origins",
			"site", site, "origin", b.stranger)
	}
	// A pseudonym is of no use if the page's errors name the visitor.
	if b.failure != "" && c.opt.UserIDs != PseudonymUserIDs && c.heard.first(complaint{site, b.failure}) {
		c.opt.Logger.Warn("a handler in the page has failed", "site", site, "error", b.failure)
	}
}

// prepare makes b what is stored: with the flags, with times that can be believed, and with no more
// about people than may be kept.
func (c *Collector) prepare(in input, b *batch, flags Flags) {
	for i := range b.events {
		b.events[i].flags |= flags
	}
	for i := range b.rejects {
		b.rejects[i].flags = flags
	}
	b.correctTimes(in.received)
	if c.opt.UserIDs != PseudonymUserIDs {
		return
	}
	now := millis(c.opt.Now())
	for i := range b.events {
		m := c.opt.Keys.mask(in.site, b.events[i].at, now)
		m.event(&b.events[i])
	}
	for i := range b.rejects {
		m := c.opt.Keys.mask(in.site, now, now)
		m.reject(&b.rejects[i])
	}
}

// decline answers for events whose visitor does not want them to be kept, and counts them.
func (c *Collector) decline(in input, b batch, reason string) []Result {
	for _, e := range b.events {
		b.results[e.index] = Result{ID: e.id, Verdict: Rejected, Reason: reason, Flags: []string{}}
	}
	for i := range b.results {
		b.results[i].Reason = reason
		c.opt.Observe(in.site, "", string(Rejected))
	}
	c.store.lose(in, reason, len(b.results))
	return b.results
}

// add stores b and returns its results, completed.
func (c *Collector) add(ctx context.Context, in input, b batch) ([]Result, error) {
	j := &job{input: in, view: &b.view, events: b.events, rejects: b.rejects}
	j.view.client = in.client
	if j.empty() {
		return b.results, nil
	}
	if err := c.store.do(ctx, j); err != nil {
		return nil, unstored(len(b.results))
	}
	c.complete(in, &b)
	return b.results, nil
}

// complete fills in the results of b's events, which are stored, and tells Observe.
func (c *Collector) complete(in input, b *batch) {
	for i := range b.events {
		e := &b.events[i]
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
}

// quarantine keeps a refused body and returns the refusal, or why it could not be kept.
func (c *Collector) quarantine(r *http.Request, in input, refused *refusal, raw []byte) error {
	kept := newReject(refused, raw, max(r.ContentLength, int64(len(raw))))
	kept.ContentType = storedHeader(r, "Content-Type")
	kept.ContentEncoding = storedHeader(r, "Content-Encoding")
	b := batch{rejects: []Reject{kept}}
	c.prepare(in, &b, c.requestFlags(r, false))
	ctx := context.WithoutCancel(r.Context()) // net/http cancels it when a body cannot be read
	if err := c.store.do(ctx, &job{input: in, rejects: b.rejects}); err != nil {
		return err
	}
	refused.kept = true
	return refused
}

// writeResults answers for the events of a batch.
func writeResults(w http.ResponseWriter, results []Result) {
	body := append(make([]byte, 0, 32+128*len(results)), `{"results":[`...)
	for i := range results {
		if i > 0 {
			body = append(body, ',')
		}
		body = results[i].append(body)
	}
	body = append(body, `]}`...)
	answerHeader(w, "application/json")
	w.WriteHeader(http.StatusOK)
	w.Write(body)
}

// append appends r's JSON form to b.
func (r *Result) append(b []byte) []byte {
	b = append(b, `{"id":`...)
	b, _ = jsontext.AppendQuote(b, r.ID) // an error is invalid UTF-8, which parseBatch has refused
	b = append(b, `,"verdict":"`...)
	b = append(b, r.Verdict...)
	b = append(b, `","reason":"`...)
	b = append(b, r.Reason...)
	b = append(b, `","flags":[`...)
	for i, flag := range r.Flags {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), flag...), '"')
	}
	return append(b, `]}`...)
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
