package balance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
)

// maxInformational is how many 1xx responses may precede an answer. net/http
// leaves that limit to whoever listens to them, as httputil.ReverseProxy does
// without having one.
const maxInformational = 8

// An attempt is a request on its way to one origin. It is the context of what
// net/http sends, so that our trace can stand in the place of the request's and
// call it: httptrace would compose the two, and lose the error of ours.
type attempt struct {
	context.Context
	out    *outgoing
	origin *origin
	number int
	socket bool // a WebSocket is asked for
	url    url.URL
	trace  httptrace.ClientTrace
	outer  *httptrace.ClientTrace // the request's own

	conn          *conn // the last it was given; nil: none
	reused        bool
	written, read int64 // what conn had counted by then
	informational atomic.Int32

	body body
}

type attemptKey struct{}

// untraced gives contexts that have no trace a place for ours.
var untraced httptrace.ClientTrace

func (p *Pool) begin(out *outgoing, tried []*origin) *attempt {
	a := &out.first
	if len(tried) > 0 {
		a = new(attempt) // of the first, net/http may still hold the context
	}
	a.Context, a.out, a.origin, a.number = out.request.Context(), out, p.choose(tried), len(tried)+1
	if a.outer = httptrace.ContextClientTrace(a.Context); a.outer == nil {
		a.outer = &untraced
		a.Context = httptrace.WithClientTrace(a.Context, &untraced)
	}
	a.socket = strings.EqualFold(out.request.Header.Get("Upgrade"), "websocket")
	a.trace = *a.outer
	a.trace.GotConn = a.gotConn
	if a.outer.Got1xxResponse != nil {
		a.trace.Got1xxResponse = a.got1xxResponse
	}
	a.body.attempt, a.body.pool = a, p
	return a
}

// Value returns our trace where the request's context has one.
func (a *attempt) Value(key any) any {
	if _, ok := key.(attemptKey); ok {
		return a
	}
	v := a.Context.Value(key)
	if _, ok := v.(*httptrace.ClientTrace); ok {
		return &a.trace
	}
	return v
}

// request returns what to send.
func (a *attempt) request() *http.Request {
	r := a.out.request.WithContext(a)
	a.url = *r.URL
	a.url.Scheme, a.url.Host = a.origin.url.Scheme, a.origin.url.Host
	r.URL = &a.url
	a.out.equip(r)
	return r
}

func (a *attempt) gotConn(info httptrace.GotConnInfo) {
	a.conn, a.reused = counted(info.Conn), info.Reused
	a.conn.lend()
	a.written, a.read = a.conn.written.Load(), a.conn.read.Load()
	if a.outer.GotConn != nil {
		a.outer.GotConn(info)
	}
}

func (a *attempt) got1xxResponse(code int, header textproto.MIMEHeader) error {
	if a.informational.Add(1) > maxInformational {
		return ErrInformational
	}
	return a.outer.Got1xxResponse(code, header)
}

// fail counts an attempt as over that has no answer.
func (a *attempt) fail() {
	a.origin.active.Add(-1)
	if a.Err() != nil {
		a.waste()
	}
}

// waste accounts for a visitor who has walked away, and the connection with him.
func (a *attempt) waste() {
	if a.conn != nil && !a.conn.shared {
		a.origin.gate.credit.spend()
	}
}

// answer makes res report when it is over.
func (a *attempt) answer(res *http.Response) {
	if a.origin.down.Load() {
		a.origin.connected()
	}
	a.body.take(res)
}

// explain returns the error for the proxy. A visitor's own fault is not the
// origin's.
func (a *attempt) explain(err error) error {
	if cause := a.out.fault(); cause != nil {
		return fmt.Errorf("%w: %w", ErrRequestBody, cause)
	}
	if a.informational.Load() > maxInformational {
		err = ErrInformational // HTTP/2 says no more than that a stream failed
	}
	return &Error{Upstream: a.origin.name, Attempts: a.number, Err: err}
}

// worthRepeating reports whether another attempt may follow a, which has failed
// with err, and can do better.
//
// A request may be repeated when nothing of it was written, or when it is
// idempotent and the connection, which had been idle, ended before an answer
// began (RFC 9110 9.2.2, RFC 9112 9.3.1).
func (p *Pool) worthRepeating(a *attempt, err error, tried []*origin) bool {
	if a.Err() != nil {
		return false // the visitor has gone
	}
	if errors.Is(err, ErrNoConnection) {
		// To wait for another timeout makes sense only where better is to be expected.
		return p.other(tried, isTimeout(err))
	}
	if a.conn == nil || isTimeout(err) || !a.conn.ended.Load() {
		return false // the request is at fault, or the origin is there but slow
	}
	if a.conn.written.Load() == a.written {
		return true
	}
	return a.reused && a.conn.read.Load() == a.read && a.out.idempotent()
}
