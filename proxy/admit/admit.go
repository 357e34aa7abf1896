// Package admit decides which requests come in, and who sent them.
//
// [Policy.Check] stands in front of everything else and is the same for HTTP/1.1,
// HTTP/2 and HTTP/3. It assumes no more than what net/http and quic-go's http3
// promise of a request, and leaves the request in a form that a reverse proxy can
// pass on. [Policy.Identify] finds the visitor behind the proxies that are
// trusted, and [Policy.Forward] tells the origin, in fields that no visitor can
// set, remove or double.
//
// Paths and queries are never decoded: what they mean is the origin's affair.
package admit

import (
	"net/http"
	"net/netip"
)

// A Policy is the same for all requests. The zero value trusts nobody.
type Policy struct {
	Trusted []netip.Prefix // peers whose forwarded fields are believed
}

// A Fault is what is wrong with a request, as far as the caller has seen it on
// the wire. The zero value says that nothing is.
type Fault struct {
	Status int
	Reason string // a metric label, in snake_case
}

// A Refusal is the answer to a request that does not come in.
type Refusal struct {
	Status int
	Reason string // a metric label, in snake_case
	Close  bool   // the connection must not be used again
	Allow  string // for the field Allow, where RFC 9110 15.5.6 demands it
}

// allowed is what a client hears that used one of the methods we refuse.
const allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

// checks are in the order of a request's own parts.
var checks = [...]func(*http.Request) Fault{
	checkMethod, checkTarget, checkHost, checkLength, checkFields, checkUpgrade, checkExpect, checkLoop,
}

// Check returns why r is refused, or nil. fault is what was found on the wire;
// secure says that r came over TLS. A request that comes in has lost what is for
// us alone: Expect, trailers, an upgrade to anything but a WebSocket, and the body
// where there is none.
func (p *Policy) Check(r *http.Request, fault Fault, secure bool) *Refusal {
	for _, check := range &checks {
		if fault.Status != 0 {
			return refuse(r, fault)
		}
		fault = check(r)
	}
	if fault.Status == 0 && secure && r.TLS == nil { // HTTP/2 servers set it by :scheme
		fault = Fault{http.StatusBadRequest, "scheme"}
	}
	if fault.Status != 0 {
		return refuse(r, fault)
	}
	keepWebSocket(r)
	settleBody(r)
	delete(r.Header, "Expect") // we answer it, when the body is read
	return nil
}

// refuse ends the connection of HTTP/1, where the next request may be a part of
// this one.
func refuse(r *http.Request, f Fault) *Refusal {
	refusal := &Refusal{Status: f.Status, Reason: f.Reason, Close: r.ProtoMajor < 2 || r.Method == "PRI"}
	if f.Status == http.StatusMethodNotAllowed {
		refusal.Allow = allowed
	}
	return refusal
}
