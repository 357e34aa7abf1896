package main

import (
	"slices"
	"time"
)

// cellKey is what a figure is of.
type cellKey struct {
	rival   string
	coding  string
	size    int // KB
	traffic traffic
}

// cell holds the slices of one kind together.
type cell struct {
	requests int
	cpu      []float64 // of each slice, µs a request
	elapsed  time.Duration
	times    latencies
	peak     int64 // bytes, in the first slice: later on a server keeps what others took
	errs     []string
}

func (c *cell) add(o outcome, cpu time.Duration, peak int64) {
	c.requests += o.Requests
	c.cpu = append(c.cpu, micros(cpu)/max(1, float64(o.Requests)))
	c.elapsed += o.Elapsed
	c.times.merge(o.Times)
	if c.peak == 0 {
		c.peak = peak
	}
}

// Figures of a cell; 0 if there are none.

// cpuMicros returns the median of the slices: what other guests of the machine do for a
// moment weighs on one of them, and then on all its requests.
func (c *cell) cpuMicros() float64 {
	all := slices.Sorted(slices.Values(c.cpu))
	if len(all) == 0 {
		return 0
	}
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

func (c *cell) perSecond() float64 {
	if c.requests == 0 {
		return 0
	}
	return float64(c.requests) / c.elapsed.Seconds()
}
func (c *cell) mebibytes() float64 { return float64(c.peak) / (1 << 20) }

// measure adds what work cost the processes.
func (c *cell) measure(processes family, work func() (outcome, error)) error {
	if err := processes.forgetPeak(); err != nil {
		return err
	}
	before, err := processes.cpu()
	if err != nil {
		return err
	}
	result, err := work()
	if err != nil {
		return err
	}
	after, err := processes.cpu()
	if err != nil {
		return err
	}
	peak, err := processes.peak()
	c.add(result, after-before, peak)
	return err
}
