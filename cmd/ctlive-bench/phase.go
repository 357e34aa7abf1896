package main

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"
)

// phase is a stretch of time with one kind of load, and what it cost.
type phase struct {
	Name         string   `json:"name"`
	Seconds      float64  `json:"seconds"`
	Events       int      `json:"events,omitempty"` // acknowledged
	Flagged      int      `json:"events_flagged,omitempty"`
	Refused      int      `json:"requests_refused,omitempty"`
	Answers      *summary `json:"answers,omitempty"`
	Pages        *summary `json:"pages,omitempty"`
	ProxyCPU     float64  `json:"ctlive_cpu_seconds"`
	GeneratorCPU float64  `json:"generator_cpu_seconds"` // with pages, that of the origin too
}

// perSecond returns the acknowledged events a second.
func (p *phase) perSecond() float64 { return float64(p.Events) / p.Seconds }

// measure runs work and notes how long it took, and what CPU time of the proxy and of this process.
func (p *phase) measure(proxy *child, work func() error) error {
	before, err := proxy.cpu()
	if err != nil {
		return err
	}
	own, begin := ownCPU(), time.Now()
	if err := work(); err != nil {
		return err
	}
	p.Seconds = time.Since(begin).Seconds()
	p.GeneratorCPU = (ownCPU() - own).Seconds()
	after, err := proxy.cpu()
	p.ProxyCPU = (after - before).Seconds()
	return err
}

// ownCPU returns the CPU time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// pages fetches pages for d.
func (p *phase) pages(ctx context.Context, addr string, d time.Duration) error {
	times, err := readPages(ctx, addr, d)
	p.Pages = times.summary()
	return err
}

// events posts events for d.
func (p *phase) events(ctx context.Context, l *load, d time.Duration) error {
	got, err := l.run(ctx, d)
	if err != nil {
		return err
	}
	p.Events, p.Flagged, p.Refused = got.acknowledged, got.flagged, got.refused
	p.Answers = got.answers.summary()
	return nil
}

// both does these at the same time; when one fails, the other one ends.
func both(ctx context.Context, a, b func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var errs [2]error
	var running sync.WaitGroup
	for i, work := range []func(context.Context) error{a, b} {
		running.Go(func() {
			if errs[i] = work(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	running.Wait()
	return errors.Join(errs[:]...)
}
