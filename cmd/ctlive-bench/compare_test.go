package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctlive/cmd/ctlive-bench/rival"
)

// The processes that a comparison starts from its own program are, in a test, the test's.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && (os.Args[1] == "origin" || os.Args[1] == "generate") {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestCompare(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "ctlive")
	if err := build(t.Context(), binary); err != nil {
		t.Fatal(err)
	}
	t.Run("in small", func(t *testing.T) { compareInSmall(t, binary) })
	t.Run("interrupted", func(t *testing.T) { interruptCompare(t, binary) })
}

// Each server that is there injects, and has a figure everywhere.
func compareInSmall(t *testing.T, binary string) {
	small := []traffic{{false, 4, 0}, {false, 4, 50}, {true, 4, 0}}
	o := &compareOptions{slice: 100 * time.Millisecond, rounds: 2, within: time.Nanosecond, workers: 2, sizes: []int{50}, traffics: small, binary: binary, rivals: installedHere(t)}
	report, err := o.run(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range report.problems() {
		t.Error(problem)
	}
	for _, one := range report.cases {
		for _, load := range small {
			if c := report.at(one, 50, load); c.requests == 0 || c.cpuMicros() <= 0 || c.peak < 1<<20 || c.times.n != uint64(c.requests) {
				t.Errorf("%v, %v: %d requests, %v µs of CPU each, %d bytes", &one, load, c.requests, c.cpu, c.peak)
			}
		}
	}
	var text strings.Builder
	if err := report.write(&text); err != nil || strings.Contains(text.String(), "–") || !strings.Contains(text.String(), "but 1 with TLS: true, for lack of time") {
		t.Errorf("%v in\n%s", err, &text)
	}
}

// An interrupted comparison leaves no process and no file behind, and waits for no slice.
func interruptCompare(t *testing.T, binary string) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, at := range []string{"slow readers", "round 1"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			o := &compareOptions{slice: 2 * time.Minute, slow: time.Second, rounds: 1, workers: 1, sizes: []int{500},
				only: "ctlive, inject .gzip|nginx, sub_filter, gzip 1", traffics: []traffic{{false, 2, 0}}, binary: binary, rivals: installedHere(t)}
			begin := time.Now()
			_, err := o.run(ctx, cancelAt{cancel, at})
			if !errors.Is(err, context.Canceled) || time.Since(begin) > time.Minute {
				t.Errorf("ended with %v after %v", err, time.Since(begin))
			}
			if left, _ := filepath.Glob(os.Getenv("TMPDIR") + "/*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if all, err := familyOf(os.Getpid()); err != nil || len(all) > 1 {
				t.Errorf("processes %v, %v", all, err)
			}
		})
	}
}

// installedHere returns the servers that are installed; Caddy takes too long to build.
func installedHere(t *testing.T) func(context.Context, string) ([]*rival.Server, error) {
	return func(ctx context.Context, _ string) (all []*rival.Server, err error) {
		for name, find := range map[string]func(context.Context) (*rival.Server, error){"nginx": rival.Nginx, "Apache": rival.Apache, "HAProxy": rival.HAProxy} {
			if server, err := find(ctx); err != nil {
				t.Logf("SKIP %s: %v", name, err)
			} else {
				all = append(all, server)
			}
		}
		return all, nil
	}
}

// cancelAt cancels soon after a text is written to it.
type cancelAt struct {
	cancel func()
	text   string
}

func (c cancelAt) Write(b []byte) (int, error) {
	if strings.Contains(string(b), c.text) {
		time.AfterFunc(300*time.Millisecond, c.cancel)
	}
	return len(b), nil
}

func TestWithRatio(t *testing.T) {
	tests := map[string]struct {
		figure, own float64
		want        string
	}{
		"same":    {120, 120, "120 (1)"},
		"less":    {38, 120, "38 (0.32)"},
		"several": {388, 120, "388 (3.2)"},
		"many":    {4899, 218, "4899 (22)"},
		"ten":     {1000, 100, "1000 (10)"},
		"none":    {38, 0, "38"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := withRatio(test.figure, test.own); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// One slice that is disturbed does not show.
func TestMedianCPU(t *testing.T) {
	for want, slices := range map[float64][]time.Duration{0: nil, 7: {7}, 8: {7, 9}, 9: {7, 90, 9}, 10: {1, 11, 9, 90}} {
		var c cell
		for _, cpu := range slices {
			c.add(outcome{Requests: 1000, Times: new(latencies)}, 1000*cpu*time.Microsecond, 1)
		}
		if got := c.cpuMicros(); got != want {
			t.Errorf("%v: %v µs, want %v", slices, got, want)
		}
	}
}
