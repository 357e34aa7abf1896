package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"time"
)

// jobTime bounds a job: a connection ends after it at the latest.
const jobTime = 90 * time.Second

// job is a stretch of requests for one page, over connections that are made before it begins.
type job struct {
	target
	Connections int           `json:"connections"`
	For         time.Duration `json:"for"`  // in which requests begin; each is then answered in full
	Rate        int           `json:"rate"` // requests a second, whenever answers come; 0: the next one when one is answered
	Warm        string        `json:"warm"` // path to ask for before, on each connection; empty: none
	Pace        int           `json:"pace"` // bytes a second that each connection reads; 0: whatever comes
}

// outcome is what came of a job.
type outcome struct {
	Requests int           `json:"requests"`
	Elapsed  time.Duration `json:"elapsed"` // until the last answer
	Times    *latencies    `json:"times"`
	Error    string        `json:"error"`
}

// work returns what the job does over its connections.
func (j job) work() func(context.Context, browsers) outcome {
	if j.Pace > 0 {
		return j.crawl
	}
	return j.run
}

// connect makes the connections.
func (j job) connect(ctx context.Context) (browsers, error) {
	all := make(browsers, j.Connections)
	err := all.each(func(i int) error {
		b, err := j.dial(ctx, i, j.receiveBuffer())
		if err != nil {
			return err
		}
		all[i] = b
		if j.Warm == "" {
			return nil
		}
		return j.get(b, j.Warm, io.Discard)
	})
	if err != nil {
		all.close()
	}
	return all, err
}

// receiveBuffer is what the kernel may hold of what a slow reader has not read, in bytes.
func (j job) receiveBuffer() int {
	if j.Pace > 0 {
		return 16 << 10
	}
	return 0
}

// get asks for a page. Anything but a page in the job's coding is an error.
func (j job) get(b browser, path string, body io.Writer) error {
	head, err := b.get(path, body)
	if err != nil {
		return err
	}
	return head.check(j.Coding)
}

// isClosed reports whether err says that the server has closed a connection, which it may do between
// two requests at any time. A browser then makes another one.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, errGoAway)
}

// again asks for the page over a new connection in the place of number i.
func (j job) again(ctx context.Context, all browsers, i int) error {
	all[i].Close()
	b, err := j.dial(ctx, i, j.receiveBuffer())
	if err != nil {
		return err
	}
	all[i] = b
	return j.get(b, j.Path, io.Discard)
}

// run does the job.
func (j job) run(ctx context.Context, all browsers) outcome {
	var taken atomic.Int64
	times := make([]latencies, len(all))
	begin := time.Now()
	err := all.each(func(i int) error {
		for {
			due := time.Now()
			if j.Rate > 0 {
				due = begin.Add(time.Duration(taken.Add(1)-1) * time.Second / time.Duration(j.Rate))
			}
			if due.Sub(begin) >= j.For {
				return nil
			}
			time.Sleep(time.Until(due))
			err := j.get(all[i], j.Path, io.Discard)
			if isClosed(err) {
				err = j.again(ctx, all, i)
			}
			if err != nil {
				return err
			}
			times[i].add(time.Since(due))
		}
	})
	result := outcome{Elapsed: time.Since(begin), Times: &latencies{}}
	for i := range times {
		result.Times.merge(&times[i])
	}
	result.Requests = int(result.Times.n)
	if err != nil {
		result.Error = err.Error()
	}
	return result
}

// crawl reads pages slowly until the time is over, in the middle of one.
func (j job) crawl(_ context.Context, all browsers) outcome {
	var taken atomic.Int64
	begin := time.Now()
	over := time.AfterFunc(j.For, all.close)
	defer over.Stop()
	err := all.each(func(i int) error {
		for {
			err := j.get(all[i], j.Path, &paced{j.Pace, &taken})
			if time.Since(begin) >= j.For {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	result := outcome{Elapsed: time.Since(begin), Times: &latencies{}}
	switch expected := float64(j.Pace*j.Connections) * j.For.Seconds(); {
	case err != nil:
		result.Error = err.Error()
	case float64(taken.Load()) < expected/4:
		result.Error = fmt.Sprintf("only %d bytes read slowly", taken.Load())
	}
	return result
}

// paced discards what is written to it at a number of bytes a second, and counts it.
type paced struct {
	pace  int
	taken *atomic.Int64
}

func (p *paced) Write(b []byte) (int, error) {
	p.taken.Add(int64(len(b)))
	time.Sleep(time.Duration(len(b)) * time.Second / time.Duration(p.pace))
	return len(b), nil
}
