package balance

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"ctlive/proxy/balance/exchange"
	"ctlive/proxy/socket"
)

const (
	// connectTimeout is for one connection, TLS handshake included. More than
	// one lost SYN (1 s) and its successor (3 s) take, less than a visitor waits.
	connectTimeout = 5 * time.Second

	// idleTimeout is shorter than what origins keep idle connections for, or a
	// request meets one that is just being closed. Node's 5 s are too short to
	// stay below; such a request is tried again.
	idleTimeout = 55 * time.Second

	// idleConns is how many idle connections an origin is allowed: a burst
	// beyond it dials anew each time.
	idleConns = 256

	// maxResponseHeader is more than any browser accepts, in bytes.
	maxResponseHeader = 256 << 10

	// answerTimeout is from the whole request written to the final response's
	// header. Long polling answers within a minute, because common proxies give
	// up after 60 s. Without an end, an origin that hangs, or sends 1xx for
	// ever, would gather connections for as long as visitors wait.
	answerTimeout = 120 * time.Second

	// maxFailures is how many connections in a row may fail before the origin
	// is taken out. One can be chance: a full backlog, a restart.
	maxFailures = 2
)

// An origin is one upstream, with its connections and what we know of it.
type origin struct {
	name      string // scheme, host and port
	url       url.URL
	tls       *tls.Config // nil: http
	transport transport
	gate      gate
	options   *Options

	active atomic.Int64
	turn   uint64 // when it was chosen last; guarded by Pool.mu

	down atomic.Bool // out || sick
	fell chan string // holds the address when the origin has gone out

	mu       sync.Mutex // held while Up is called, which keeps the order
	failures int        // connections in a row that could not be made
	out      bool       // by those
	sick     bool       // by active checks
}

func newOrigin(u *url.URL, options *Options) *origin {
	o := &origin{
		name:    u.Scheme + "://" + u.Host,
		url:     url.URL{Scheme: u.Scheme, Host: u.Host},
		gate:    newGate(),
		options: options,
		fell:    make(chan string, 1),
	}
	if u.Scheme == "https" {
		o.tls = options.TLS.Clone()
		if o.tls == nil {
			o.tls = &tls.Config{}
		}
		o.tls.ServerName = u.Hostname()
	}
	o.transport = o.newTransport()
	if o.tls == nil && socket.CanLook {
		o.transport = o.newExchange(o.transport)
	}
	return o
}

// A transport keeps an origin's connections.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

// newExchange returns what speaks with an origin over plain HTTP. What that does
// not speak it leaves to other.
func (o *origin) newExchange(other http.RoundTripper) transport {
	return &exchange.Transport{
		Addr:                   address(&o.url),
		DialContext:            o.dialPlain,
		MaxIdleConns:           idleConns,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  answerTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		Other:                  other,
	}
}

// address returns the host and port of u, which is http.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// newTransport returns one for a single origin. It has no MaxConnsPerHost: a
// request would wait for its turn as long as its visitor does. The gate refuses
// at once instead, and counts WebSockets, which net/http does not.
func (o *origin) newTransport() transport {
	return &http.Transport{
		Proxy:                  nil, // the environment must not choose another way to the origin
		DialContext:            o.dial,
		DialTLSContext:         o.dial,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // the visitor's Accept-Encoding counts, not ours
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  answerTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
}

// up reports whether the origin is believed to answer.
func (o *origin) up() bool { return !o.down.Load() }

// connected notes that a connection could be made, or an answer came.
func (o *origin) connected() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failures = 0
	if o.out {
		o.out = false
		o.changeLocked("it can be connected to")
	}
}

// refused notes that a connection to addr could not be made.
func (o *origin) refused(addr string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failures++; o.failures < maxFailures || o.out {
		return
	}
	o.out = true
	o.changeLocked(err.Error())
	select {
	case o.fell <- addr:
	default:
	}
}

// isOut reports whether connections cannot be made.
func (o *origin) isOut() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out
}

// diagnose notes the verdict of the active checks.
func (o *origin) diagnose(sick bool, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sick != sick {
		o.sick = sick
		o.changeLocked(why)
	}
}

// changeLocked tells the world, if out and sick together make a difference to it.
func (o *origin) changeLocked(why string) {
	down := o.out || o.sick
	if o.down.Swap(down) == down {
		return
	}
	level, state := slog.LevelInfo, "up"
	if down {
		level, state = slog.LevelWarn, "down"
	}
	o.options.Logger.Log(nil, level, "origin is "+state, "upstream", o.name, "why", why)
	o.announceLocked()
}

func (o *origin) announce() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.announceLocked()
}

func (o *origin) announceLocked() {
	if o.options.Up != nil {
		o.options.Up(o.name, o.up())
	}
}
