// Package exchange speaks HTTP/1.1 with an origin over plain connections.
//
// A [Transport] does what [http.Transport] does there, for a proxy that asks one
// origin over and over: the goroutine of a request writes it and reads the
// answer itself. Only two things take another goroutine: making a connection,
// and sending a body that does not go out with the header, since the answer may
// come before its end.
//
// It is strict where a proxy must be. What could be read in two ways, such as
// an answer with two different lengths, is an error and costs the connection
// (RFC 9112 11). A connection is looked at before it is used again, and one that
// holds anything, or has ended, is not: nobody has asked for that.
//
// What it does not speak it leaves to another http.RoundTripper: https, CONNECT,
// requests with trailers, and hosts that are not plain ASCII.
package exchange

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"time"
)

const (
	// defaultMaxHeader is for a Transport that does not say, in bytes.
	defaultMaxHeader = 64 << 10

	// maxLines is how many lines a header section may have, or one of trailers.
	maxLines = 1000

	// maxInformational is how many 1xx responses may precede an answer where
	// nobody who listens to them refuses more.
	maxInformational = 64
)

var (
	errMalformed     = errors.New("malformed response")
	errTooLong       = errors.New("header section is too long")
	errInformational = errors.New("too many informational responses")
	errSwitch        = errors.New("origin switches protocols without being asked")
	errEarlySwitch   = errors.New("origin switches protocols before it has the request's body")
)

// A Transport asks one origin. Its fields must not change once it is in use.
type Transport struct {
	Addr string // of the origin: host and port

	// DialContext makes a connection, for whoever waits when it is there. The
	// context ends when the request it began for does not wait any more: where a
	// connection is as good as made, that is no reason to give it up. It has no
	// deadline. Only a connection
	// that is a syscall.Conn can be used more than once.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	MaxIdleConns    int           // that are kept
	IdleConnTimeout time.Duration // for which one is kept; 0: for ever

	// ResponseHeaderTimeout is from the request written to the header of the
	// final answer. 0: no limit.
	ResponseHeaderTimeout  time.Duration
	MaxResponseHeaderBytes int // 0: 64 KiB

	Other http.RoundTripper // for what Transport does not speak

	mu      sync.Mutex
	idle    []*conn   // the one used last at the end
	waiters list.List // of *waiter, the longest waiting first
	sweeper *time.Timer
	sweeps  bool // sweeper is set
	closing bool // CloseIdleConnections was called, and no request has come since

	passings passings
}

// RoundTrip implements http.RoundTripper. ProtoMajor of the request is the visitor's
// version of HTTP. Of a trace in the request's context it calls GotConn and
// Got1xxResponse. A request is tried once: whether it may be
// tried again is for the caller to know.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !speaks(r) {
		return t.Other.RoundTrip(r)
	}
	head := buffers.Get().(*buffer)
	defer buffers.Put(head)
	text, whole, err := appendRequest(head[:0], r)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	c, err := t.take(r.Context())
	if err != nil {
		closeBody(r)
		return nil, err
	}
	a := &answer{body: body{conn: c, ctx: r.Context()}}
	a.Request = r
	if err := a.ask(text, whole); err != nil {
		return nil, a.fail(err)
	}
	return &a.Response, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}

// An answer is a response under way.
type answer struct {
	http.Response
	body   body
	coding [1]string // TransferEncoding points here
}

// ask sends the request, which begins with text and ends with it if whole is
// set, and reads the header of the answer.
func (a *answer) ask(text []byte, whole bool) error {
	c, trace := a.body.conn, httptrace.ContextClientTrace(a.body.ctx)
	c.attend(a.Request)
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: c.Conn, Reused: c.used, WasIdle: c.used})
	}
	if _, err := c.Write(text); err != nil {
		closeBody(a.Request)
		return fmt.Errorf("write request: %w", err)
	}
	switch {
	case whole:
		closeBody(a.Request)
		c.await()
	default:
		a.body.sending = send(a.Request, c)
	}
	if err := a.hear(trace); err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	return nil
}

// hear reads up to the header of the final answer.
func (a *answer) hear(trace *httptrace.ClientTrace) error {
	c := a.body.conn
	for n := 0; ; n++ {
		if err := a.readHead(c); err != nil {
			return err
		}
		switch {
		case a.StatusCode == http.StatusSwitchingProtocols && a.Request.Header.Get("Upgrade") == "":
			return errSwitch
		case a.StatusCode == http.StatusSwitchingProtocols && !a.body.sending.finished():
			return errEarlySwitch
		case a.StatusCode >= 200 || a.StatusCode == http.StatusSwitchingProtocols:
			if err := a.body.sending.answered(c); err != nil {
				return err
			}
			return a.frame()
		case n >= maxInformational:
			return errInformational
		case trace != nil && trace.Got1xxResponse != nil:
			if err := trace.Got1xxResponse(a.StatusCode, textproto.MIMEHeader(a.Header)); err != nil {
				return err
			}
		}
	}
}

// fail ends the exchange and returns why it failed.
func (a *answer) fail(err error) error {
	b := &a.body
	cause := b.sending.fault() // before we end the sending ourselves
	b.conn.leave()
	b.conn.Close()
	b.conn.drop()
	if cause != nil {
		return cause
	}
	return b.explain(err)
}

// explain returns the visitor's reason where that is what ended a read.
func (b *body) explain(err error) error {
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	return err
}

// unexpected makes an end of the stream where none may be.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
