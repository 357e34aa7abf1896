package collector

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limitKeys bounds how many clients are remembered, in each of two generations: some 20 MB.
const limitKeys = 64 << 10

// limit is a token bucket for every client. When young is full it becomes old and the former old
// is forgotten, with it the clients that stayed away for longest; whoever is forgotten starts
// again with a full bucket.
type limit struct {
	rate  rate.Limit
	burst int

	mu         sync.Mutex
	young, old map[netip.Addr]*rate.Limiter
}

func newLimit(perSecond float64, burst int) *limit {
	return &limit{rate: rate.Limit(perSecond), burst: burst, young: map[netip.Addr]*rate.Limiter{}}
}

// take takes n events out of addr's bucket, and never more than the bucket holds less one: a
// larger batch could otherwise never pass. It returns 0, or, having taken nothing, how long to
// wait.
func (l *limit) take(addr netip.Addr, now time.Time, n int) time.Duration {
	n = min(n, max(l.burst-1, 1))
	b := l.bucket(subscriber(addr))
	if b.AllowN(now, n) {
		return 0
	}
	missing := float64(n) - b.TokensAt(now)
	wait := missing / float64(l.rate) * float64(time.Second)
	return time.Duration(min(max(wait, 1), math.MaxInt64/2))
}

func (l *limit) bucket(key netip.Addr) *rate.Limiter {
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
		l.young, l.old = make(map[netip.Addr]*rate.Limiter), l.young
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
