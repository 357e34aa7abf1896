package accept

import (
	"math"
	"time"
)

// Limits bound what connections may cost. Zero fields have the defaults below;
// a negative count is no limit.
type Limits struct {
	// Connections is how many may be open at once. 10,000, which cost about
	// 300 MB if all of them are idle over TLS, or, if that is less, what
	// the process's limit of open files leaves: each connection may need
	// another one to an origin.
	Connections int

	// PerClient is how many an address, or for IPv6 a /64, may have. 256: a
	// browser opens 6 to a site over HTTP/1.1 and 1 over HTTP/2, so an office
	// behind one address has enough, while a single host cannot take a
	// noticeable part of Connections.
	PerClient int

	ProxyHeader time.Duration // to receive a PROXY header. 5 s: a proxy sends it at once
	Handshake   time.Duration // for TLS, with the time to find or obtain a certificate. 10 s
	Header      time.Duration // for a request's head, from its first byte. 10 s: 16 KiB even at 14 kbit/s
	Idle        time.Duration // between requests. 120 s, longer than the 60 s that load balancers keep their own
	HalfClosed  time.Duration // for a request whose client has closed its sending side, or has gone: these look the same. 30 s

	// Unwatched is how long a request may last before we look whether its client
	// is still there. 100 ms: most are over by then, and the look has its price. It
	// may come as late again, and two seconds later where no other request ends
	// meanwhile.
	Unwatched time.Duration
}

const (
	defaultConnections = 10_000
	defaultOpenFiles   = 1024 // where the system does not tell

	// spareFiles are left for listeners, the store and logs.
	spareFiles = 128
)

func (l Limits) withDefaults() Limits {
	setCount(&l.Connections, max(1, min(defaultConnections, (openFiles()-spareFiles)/2)))
	setCount(&l.PerClient, 256)
	setTime(&l.ProxyHeader, 5*time.Second)
	setTime(&l.Handshake, 10*time.Second)
	setTime(&l.Header, 10*time.Second)
	setTime(&l.Idle, 120*time.Second)
	setTime(&l.HalfClosed, 30*time.Second)
	setTime(&l.Unwatched, 100*time.Millisecond)
	return l
}

func setCount(n *int, d int) {
	switch {
	case *n == 0:
		*n = d
	case *n < 0:
		*n = math.MaxInt
	}
}

func setTime(t *time.Duration, d time.Duration) {
	if *t == 0 {
		*t = d
	}
}
