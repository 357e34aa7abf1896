package balance

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	firstPause = time.Second // after an origin has gone out, until the next try
	longPause  = 30 * time.Second

	// maxSick is how many checks in a row must fail for the origin to be down.
	maxSick = 2

	// maxCheckTime is how long one may take, unless checks follow faster.
	maxCheckTime = 5 * time.Second

	// maxCheckBody is what is read of an answer, so that the connection can be
	// used again, in bytes.
	maxCheckBody = 64 << 10

	checkAgent = "ctlive health"
)

// revive tries to connect whenever the origin has gone out, so that no visitor
// has to. It returns when ctx ends.
func (o *origin) revive(ctx context.Context) {
	for {
		select {
		case addr := <-o.fell:
			o.retry(ctx, func() {
				if c, err := o.dial(ctx, "tcp", addr); err == nil {
					c.Close()
				}
			})
		case <-ctx.Done():
			return
		}
	}
}

// retry calls try, ever more rarely, until the origin is not out any more,
// through it or through visitors, or ctx ends.
func (o *origin) retry(ctx context.Context, try func()) {
	for pause := firstPause; o.isOut() && sleep(ctx, jitter(pause)); pause = min(2*pause, longPause) {
		try()
	}
}

// examine asks for the health path again and again, until ctx ends.
func (o *origin) examine(ctx context.Context) {
	failures := 0
	for awake := true; awake; awake = sleep(ctx, jitter(o.options.Every)) {
		switch err := o.check(ctx); {
		case ctx.Err() != nil:
		case err == nil:
			failures = 0
			o.diagnose(false, "the check succeeds")
		default:
			if failures++; failures >= maxSick {
				o.diagnose(true, err.Error())
			}
		}
	}
}

// check returns nil for a 2xx or 3xx answer in time.
func (o *origin) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(o.options.Every, maxCheckTime))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, o.name+o.options.HealthPath, nil)
	if err != nil {
		return err
	}
	r.Host = o.options.HealthHost
	r.Header.Set("User-Agent", checkAgent)
	res, err := o.transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 399 {
		return fmt.Errorf("the check gives status %d", res.StatusCode)
	}
	_, err = io.CopyN(io.Discard, res.Body, maxCheckBody)
	if err == io.EOF {
		return nil
	}
	return err
}

// jitter returns d, up to a tenth more or less: many proxies must not ask at once.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*float64(d)/5)
}

// sleep reports whether it could sleep for d before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
