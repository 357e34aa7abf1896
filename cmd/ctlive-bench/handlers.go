package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// handlers are the benchmarks of the collector's handler without network: what it costs to parse,
// check and answer, and what to store as well.
type handlers struct {
	Discard map[string]float64 `json:"discard"` // by unit
	Durable map[string]float64 `json:"durable"`
}

const cpuUnit = "cpu-µs/event"

// ratio returns how many times the CPU of discarding an event storing it takes.
func (h *handlers) ratio() float64 { return h.Durable[cpuUnit] / h.Discard[cpuUnit] }

// benchHandlers runs them, from the module that this was started in.
func benchHandlers(ctx context.Context) (*handlers, error) {
	c := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark(Discard|Durable)$", "-benchtime", "3s", "ctlive/collector")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := c.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test -bench: %w\n%s", err, out)
	}
	all := parseBench(string(out))
	h := &handlers{Discard: all["Discard"], Durable: all["Durable"]}
	if h.Discard[cpuUnit] == 0 || h.Durable[cpuUnit] == 0 {
		return nil, fmt.Errorf("go test -bench: no %s of both benchmarks in\n%s", cpuUnit, out)
	}
	return h, nil
}

// parseBench returns the values in the output of go test -bench, by benchmark and unit.
func parseBench(out string) map[string]map[string]float64 {
	all := map[string]map[string]float64{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(fields[0], "Benchmark"), "-") // "-2": GOMAXPROCS
		all[name] = map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				all[name][fields[i+1]] = value
			}
		}
	}
	return all
}
