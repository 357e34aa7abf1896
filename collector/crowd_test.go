package collector

import (
	"bytes"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestCrowd(t *testing.T) {
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for name, test := range map[string]struct {
		share float64 // of the events that one address sends
		batch int
		want  bool
	}{
		"everyone is one":   {1, 1, true},
		"most are":          {0.6, 1, true},
		"most are, batches": {0.6, 50, true},
		"some are":          {0.4, 1, false},
		"no two are":        {0, 1, false},
		"some are, batches": {0.4, 50, false},
		"a batch a window":  {1, crowdWindow, true},
	} {
		var c crowd
		random := rand.New(rand.NewPCG(1, 2))
		told := 0
		for i := 0; i < 5*crowdWindow; i += test.batch {
			from := addr(i + 1)
			if random.Float64() < test.share {
				from = addr(0)
			}
			if c.add(from, test.batch) {
				told++
			}
		}
		if want := map[bool]int{true: 1}[test.want]; told != want {
			t.Errorf("%s: told %d times, want %d", name, told, want)
		}
	}
}

// TestE5ProxyInFront: the operator is told, once, without the address, unless trusted_proxies is
// set.
func TestE5ProxyInFront(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		var log bytes.Buffer
		h, _ := newEndpoint(t, Options{
			Rate: math.Inf(1), Trusted: trusted, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			ClientAddr: func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.77") },
		})
		body := batchOf(strings.Split(strings.Repeat(`{"type":1};`, maxEvents-1)+`{"type":1}`, ";")...)
		for range 3 * crowdWindow / maxEvents {
			sendText(t, h, body)
		}
		told := strings.Count(log.String(), "trusted_proxies")
		if want := map[bool]int{false: 1}[trusted]; told != want || strings.Contains(log.String(), "192.0.2.77") {
			t.Errorf("trusted %t: %s", trusted, log.String())
		}
	}
}
