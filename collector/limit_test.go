package collector

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"
)

func TestLimit(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	l := newLimit(10, 5)
	steps := []struct {
		name  string
		addr  netip.Addr
		after time.Duration
		n     int
		want  time.Duration
	}{
		{"first", a, 0, 4, 0},
		{"too many", a, 0, 3, 200 * time.Millisecond},
		{"refused ones cost nothing", a, 0, 1, 0},
		{"another client", b, 0, 4, 0},
		{"refilled", a, time.Second, 4, 0},
		{"more than the bucket holds, full", a, 2 * time.Second, 1000, 0},
		{"more than the bucket holds, spent", a, 2 * time.Second, 1000, 300 * time.Millisecond},
		{"nothing", a, 2 * time.Second, 0, 0},
		{"nothing gives nothing back", a, 2 * time.Second, 2, 100 * time.Millisecond},
	}
	for _, s := range steps {
		if got := l.take(clientKey{addr: s.addr}, testTime.Add(s.after), s.n); got != s.want {
			t.Errorf("%s: wait %v, want %v", s.name, got, s.want)
		}
	}
}

func TestLimitKeys(t *testing.T) {
	for name, test := range map[string]struct {
		a, b string
		same bool
	}{
		"IPv4 hosts":        {"192.0.2.1", "192.0.2.2", false},
		"IPv4 in IPv6":      {"192.0.2.1", "::ffff:192.0.2.1", true},
		"one IPv6 /64":      {"2001:db8::1", "2001:db8::ffff:1", true},
		"two IPv6 networks": {"2001:db8::1", "2001:db8:0:1::1", false},
	} {
		if got := subscriber(netip.MustParseAddr(test.a)) == subscriber(netip.MustParseAddr(test.b)); got != test.same {
			t.Errorf("%s: same %t", name, got)
		}
	}
}

func TestLimitIsBounded(t *testing.T) {
	l := newLimit(1, 10)
	regular := netip.MustParseAddr("192.0.2.1")
	spent := 0
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range 3 * limitKeys {
		l.take(clientKey{addr: addr}, testTime, 1)
		addr = addr.Next()
		if i%(limitKeys/2) == 0 && l.take(clientKey{addr: regular}, testTime, 1) == 0 {
			spent++
		}
	}
	if n := len(l.young) + len(l.old); n > 2*limitKeys {
		t.Errorf("%d clients remembered", n)
	}
	if l.take(clientKey{addr: regular}, testTime, 11-spent) == 0 {
		t.Error("a client that keeps coming was forgotten")
	}
}

func TestNoLimit(t *testing.T) {
	l := newLimit(math.Inf(1), 1)
	for range 100 {
		if wait := l.take(clientKey{}, testTime, 1000); wait != 0 {
			t.Fatalf("wait %v", wait)
		}
	}
}

// TestE6Office: 300 visitors behind one address and with one browser lose nothing at 4 events a
// second each, but together they have a limit as well, and without page tokens they have that of
// one.
func TestE6Office(t *testing.T) {
	l := newLimits(defaultRate, defaultBurst)
	office := netip.MustParseAddr("192.0.2.1")
	for second := range 60 {
		now := testTime.Add(time.Duration(second) * time.Second)
		for visitor := range 300 {
			session := fmt.Sprint("s", visitor)
			if wait := l.request(office, now); wait > 0 {
				t.Fatalf("second %d, visitor %d: wait %v", second, visitor, wait)
			}
			if wait := l.events(office, session, now, 4); wait > 0 {
				t.Fatalf("second %d, visitor %d: wait %v", second, visitor, wait)
			}
		}
	}
	now, taken := testTime.Add(time.Hour), 0
	for i := range 100_000 {
		if l.request(office, now) == 0 && l.events(office, fmt.Sprint("made up", i), now, 1) == 0 {
			taken++
		}
	}
	if want := officeSize * defaultBurst; taken != want {
		t.Errorf("%d events of one moment, want %d", taken, want)
	}
	now, taken = now.Add(time.Hour), 0
	for range 1000 {
		if l.request(office, now) == 0 && l.events(office, "", now, 1) == 0 {
			taken++
		}
	}
	if taken != defaultBurst {
		t.Errorf("%d events without a token, want %d", taken, defaultBurst)
	}
}

// TestRetryAfterIsExact: who waits as long as he is told gets in, and a moment earlier does not.
func TestRetryAfterIsExact(t *testing.T) {
	for n := 1; n <= defaultBurst-1; n += 7 {
		l := newLimits(defaultRate, defaultBurst)
		addr := netip.MustParseAddr("192.0.2.1")
		for l.events(addr, "", testTime, 1) == 0 {
		}
		wait := l.events(addr, "", testTime, n)
		if wait <= 0 {
			t.Fatalf("%d: no wait", n)
		}
		if l.events(addr, "", testTime.Add(wait-time.Millisecond), n) == 0 {
			t.Errorf("%d: a millisecond less than %v will do", n, wait)
		}
		if again := l.events(addr, "", testTime.Add(wait+time.Microsecond), n); again > 0 {
			t.Errorf("%d: after %v it is %v more", n, wait, again)
		}
	}
}
