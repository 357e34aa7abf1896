// Package relay passes a request on to an origin, and the origin's answer back to
// the visitor.
//
// It keeps to what RFC 9110 7 asks of a gateway, as [httputil.ReverseProxy] does,
// at less cost: no timer and no goroutine of its own, and what has come in one
// piece goes out in one piece. What an answer holds goes out before a wait for
// more of it. A change of protocols, which is for good and for few, it leaves to
// that other one.
package relay

import (
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"slices"
	"sync"
)

// ErrSwitch is an origin that changes protocols without being asked.
var ErrSwitch = errors.New("origin switches protocols without being asked")

// Options say what a Relay does. All of them are needed.
type Options struct {
	// Transport asks the origin.
	Transport http.RoundTripper

	// Request makes out, a copy of in, the request to the origin. It sets the header,
	// which has none of the fields that end here and may be what becomes of in's, and
	// may change the URL.
	Request func(out, in *http.Request)

	// Response may change the answer, which has no field left that ends here.
	Response func(*http.Response)

	// Fail answers for an origin that did not.
	Fail func(w http.ResponseWriter, r *http.Request, err error)
}

// A Relay passes the requests of one site. It is an http.Handler.
type Relay struct {
	Options
	switching httputil.ReverseProxy
}

// New returns a Relay.
func New(o Options) *Relay {
	p := &Relay{Options: o}
	p.switching = httputil.ReverseProxy{
		Transport:     o.Transport,
		Rewrite:       p.rewrite,
		FlushInterval: -1,
		BufferPool:    pool{},
		ErrorHandler:  o.Fail,
		ErrorLog:      log.New(io.Discard, "", 0), // what matters comes through Fail
		ModifyResponse: func(res *http.Response) error {
			o.Response(res)
			return nil
		},
	}
	return p
}

// ServeHTTP implements http.Handler. It panics with http.ErrAbortHandler where
// the answer breaks off.
func (p *Relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && r.Header["Upgrade"] != nil {
		p.switching.ServeHTTP(w, r)
		return
	}
	x := &passage{w: w}
	x.trace.Got1xxResponse = x.inform
	out := r.WithContext(httptrace.WithClientTrace(r.Context(), &x.trace))
	x.url = *r.URL
	out.URL, out.Close = &x.url, false
	if out.Body = nil; r.ContentLength != 0 && r.Body != nil {
		lent := &lent{body: r.Body}
		defer lent.Close()
		out.Body = lent
	}
	p.Request(out, r)
	hideAgent(out.Header)
	res, err := p.Transport.RoundTrip(out)
	x.answered()
	switch {
	case err != nil:
		p.Fail(w, out, err)
	case res.StatusCode == http.StatusSwitchingProtocols:
		res.Body.Close()
		p.Fail(w, out, ErrSwitch)
	default:
		removeHops(res.Header)
		p.Response(res)
		answer(w, res)
	}
}

// rewrite is Request for a change of protocols, which two more fields ask for.
func (p *Relay) rewrite(r *httputil.ProxyRequest) {
	connection, upgrade := r.Out.Header["Connection"], r.Out.Header["Upgrade"]
	p.Request(r.Out, r.In)
	if upgrade != nil {
		r.Out.Header["Connection"], r.Out.Header["Upgrade"] = connection, upgrade
	}
}

// noAgent is net/http's sign for no User-Agent.
var noAgent = []string{""}

// hideAgent keeps the transport from calling itself the visitor's browser.
func hideAgent(h http.Header) {
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = noAgent
	}
}

// A passage is a request on its way. Its interim responses go to the visitor
// while there is no final one.
type passage struct {
	trace httptrace.ClientTrace
	url   url.URL // that the origin is asked for

	mu sync.Mutex
	w  http.ResponseWriter // nil: it is for the final response
}

// inform passes an interim response on.
func (x *passage) inform(status int, fields textproto.MIMEHeader) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.w == nil {
		return nil
	}
	h := x.w.Header()
	final := maps.Clone(h)
	clear(h)
	maps.Copy(h, http.Header(fields))
	removeHops(h)
	x.w.WriteHeader(status)
	clear(h)
	maps.Copy(h, final)
	return nil
}

// answered ends the time of interim responses.
func (x *passage) answered() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.w = nil
}

// lent is a visitor's body in the hands of the transport, which may close it at
// any time and read it for longer than the handler runs. Neither must reach the
// server's own.
type lent struct {
	mu     sync.Mutex
	body   io.Reader
	closed bool
}

func (l *lent) Read(p []byte) (int, error) {
	l.mu.Lock()
	body, closed := l.body, l.closed
	l.mu.Unlock()
	if closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return body.Read(p)
}

func (l *lent) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

// add adds the fields of src to h, which shares their values afterwards.
func add(h, src http.Header) {
	for name, values := range src {
		if before, ok := h[name]; ok {
			values = append(slices.Clip(before), values...)
		}
		h[name] = values
	}
}
