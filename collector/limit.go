package collector

import (
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// limitKeys bounds how many clients are remembered, in each of two generations: some 20 MB.
	limitKeys = 64 << 10

	// officeSize is how many busy clients may share an address: all that it sends is limited to so
	// many times what one may.
	officeSize = 40
)

// limits bound what one client may send, and what all clients at one address may. A client is an
// address and, if it shows a page token, the session in it: the visitors of an office share an
// address and often even the browser. Whoever has no token cannot have a limit of his own by
// inventing sessions, nor can what goes to the quarantine.
type limits struct {
	client, address *limit
}

func newLimits(perSecond float64, burst int) limits {
	return limits{client: newLimit(perSecond, burst), address: newLimit(officeSize*perSecond, officeSize*burst)}
}

// request takes a request out of what addr may send, before anything of it is read. It returns 0,
// or, having taken nothing, how long to wait.
func (l *limits) request(addr netip.Addr, now time.Time) time.Duration {
	return l.address.take(clientKey{addr: subscriber(addr)}, now, 1)
}

// events takes the n events of a request that was let in. session is "" without a page token.
func (l *limits) events(addr netip.Addr, session string, now time.Time, n int) time.Duration {
	key := clientKey{addr: subscriber(addr)}
	if wait := l.address.take(key, now, max(n-1, 0)); wait > 0 {
		return wait
	}
	if session != "" {
		key.session = maphash.String(sessions, session)
	}
	return l.client.take(key, now, max(n, 1))
}

var sessions = maphash.MakeSeed()

// clientKey tells clients apart.
type clientKey struct {
	addr    netip.Addr
	session uint64 // 0: the whole address
}

// limit is a token bucket for every client. When young is full it becomes old and the former old
// is forgotten, with it the clients that stayed away for longest; whoever is forgotten starts
// again with a full bucket.
type limit struct {
	rate  rate.Limit
	burst int

	mu         sync.Mutex
	young, old map[clientKey]*rate.Limiter
}

func newLimit(perSecond float64, burst int) *limit {
	return &limit{rate: rate.Limit(perSecond), burst: burst, young: map[clientKey]*rate.Limiter{}}
}

// take takes n events out of key's bucket, and never more than the bucket holds less one: a
// larger batch could otherwise never pass. It returns 0, or, having taken nothing, how long to
// wait.
func (l *limit) take(key clientKey, now time.Time, n int) time.Duration {
	if math.IsInf(float64(l.rate), 1) {
		return 0
	}
	n = min(n, max(l.burst-1, 1))
	b := l.bucket(key)
	if b.AllowN(now, n) {
		return 0
	}
	missing := float64(n) - b.TokensAt(now)
	wait := missing / float64(l.rate) * float64(time.Second)
	return time.Duration(min(max(wait, 1), math.MaxInt64/2))
}

func (l *limit) bucket(key clientKey) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.young[key]
	if b != nil {
		return b
	}
	if b = l.old[key]; b == nil {
		b = rate.NewLimiter(l.rate, l.burst)
	}
	if len(l.young) == limitKeys {
		l.young, l.old = make(map[clientKey]*rate.Limiter), l.young
	}
	l.young[key] = b
	return b
}

// subscriber returns the part of addr that one subscriber cannot change at will: an IPv6 host has
// a whole /64 to itself.
func subscriber(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr
	}
	return netip.PrefixFrom(addr, 64).Masked().Addr()
}
