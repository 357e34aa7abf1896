package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// operator is somebody with the operator's page open. What the page asks for is in
// assets/dashboard/static/js: api.js, state.js and main.js.
type operator struct {
	admin  string // address
	client http.Client
}

func newOperator(admin string) *operator {
	return &operator{admin, http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}}}
}

func (o *operator) close() { o.client.CloseIdleConnections() }

// view is what the page shows.
type view struct{ since, site, zone, flagged string }

// firstView is what the page opens with.
var firstView = view{since: "24h", zone: "Europe/Rome"}

// views are all presets, each for all sites and for one, without doubtful events and with them.
func views() (all []view) {
	for _, since := range []string{"1h", "24h", "7d", "30d", "365d"} {
		for _, site := range []string{"", "shop0.test"} {
			for _, zone := range []string{"Europe/Rome", "Asia/Kolkata"} {
				for _, flagged := range []string{"", "1"} {
					all = append(all, view{since, site, zone, flagged})
				}
			}
		}
	}
	return all
}

func (v view) path() string {
	values := url.Values{"since": {v.since}, "tz": {v.zone}, "compare": {"1"}}
	if v.site != "" {
		values.Set("site", v.site)
	}
	if v.flagged != "" {
		values.Set("flagged", v.flagged)
	}
	return "/api/report?" + values.Encode()
}

func (o *operator) open(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.admin+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := o.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		res.Body.Close()
		return nil, fmt.Errorf("%s: %s: %s", path, res.Status, body)
	}
	return res.Body, nil
}

// fetch reads a whole answer and returns how long that took.
func (o *operator) fetch(ctx context.Context, path string) (body []byte, took time.Duration, err error) {
	begin := time.Now()
	in, err := o.open(ctx, path)
	if err != nil {
		return nil, 0, err
	}
	defer in.Close()
	body, err = io.ReadAll(in)
	return body, time.Since(begin), err
}

// upToDate waits until the figures count all that is stored, and tells progress how many are missing.
func (o *operator) upToDate(ctx context.Context, progress func(behind int64)) error {
	var told time.Time
	for {
		body, _, err := o.fetch(ctx, firstView.path())
		if err != nil {
			return err
		}
		var figures struct{ Behind int64 }
		if err := json.Unmarshal(body, &figures); err != nil {
			return fmt.Errorf("figures: %w", err)
		}
		if figures.Behind == 0 {
			return nil
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			progress(figures.Behind)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

const (
	changeEvery = 500 * time.Millisecond
	scrapeEvery = 100 * time.Millisecond
)

// look has the page open for d: it follows the live events, and shows another range or site twice a
// second. A change ends a reading that is still under way. It returns the times of those that came.
func (o *operator) look(ctx context.Context, d time.Duration) (*latencies, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	times := &latencies{}
	live := make(chan error, 1)
	go func() { live <- o.follow(ctx) }()
	all := views()
	for i := 0; ctx.Err() == nil; i++ {
		next := time.Now().Add(changeEvery)
		change, done := context.WithDeadline(ctx, next)
		_, took, err := o.fetch(change, all[i*7%len(all)].path()) // 7: neighbours are unlike each other
		switch {
		case err == nil:
			times.add(took)
		case change.Err() == nil:
			done()
			return nil, errors.Join(err, stopped(cancel, live))
		}
		sleepUntil(ctx, next)
		done()
	}
	return times, stopped(cancel, live)
}

func stopped(cancel func(), live <-chan error) error {
	cancel()
	return <-live
}

// follow reads the live events until ctx ends.
func (o *operator) follow(ctx context.Context) error {
	in, err := o.open(ctx, "/api/live?last=200&latest=200")
	if err == nil {
		defer in.Close()
		_, err = io.Copy(io.Discard, in)
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("live events: %w", errors.Join(err, io.ErrUnexpectedEOF))
}

// scrape reads the metrics ten times a second for d, and returns how long each took.
func (o *operator) scrape(ctx context.Context, d time.Duration) (*latencies, error) {
	times := &latencies{}
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		next := time.Now().Add(scrapeEvery)
		_, took, err := o.fetch(ctx, "/metrics")
		if err != nil {
			return nil, err
		}
		times.add(took)
		sleepUntil(ctx, next)
	}
	return times, ctx.Err()
}

func sleepUntil(ctx context.Context, t time.Time) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Until(t)):
	}
}
