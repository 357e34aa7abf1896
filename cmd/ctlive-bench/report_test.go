package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	r := &eventsReport{
		Connections: 256, Batch: 2, Token: true,
		Sync: &summary{200, 0.5, 2, 3},
		Phases: []*phase{
			{Name: "pages", Seconds: 10, Pages: &summary{1000, 1, 2, 3}, ProxyCPU: 1},
			{Name: "events", Seconds: 10, Events: 200_000, Answers: &summary{100_000, 4, 5, 6}, ProxyCPU: 8, GeneratorCPU: 2},
		},
		Store: 600, Log: 200, Peak: 50 << 20,
		Ledger: &ledger{Acknowledged: 2, Stored: 2},
	}
	var out bytes.Buffer
	if err := r.write(&out, "markdown"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"|  | pages | events |",
		"| acknowledged events/s |  | 20000 |",
		"| acknowledgement, p50 / p99 / max, ms |  | 4.00 / 5.00 / 6.0 |",
		"| CPU of ctlive, µs/event |  | 40.0 |",
		"| page at 100/s, p50 / p99 / max, ms | 1.00 / 2.00 / 3.0 |  |",
		"| CPU of ctlive, cores | 0.10 | 0.80 |",
		"- memory of ctlive at its peak: 50 MiB",
		"- the store: 300 bytes an event, of which 100 in the write-ahead log",
	} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("no line %q in\n%s", line, out.String())
		}
	}
	out.Reset()
	if err := r.write(&out, "json"); err != nil || !json.Valid(out.Bytes()) {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestParseBench(t *testing.T) {
	got := parseBench("goos: linux\nBenchmarkDiscard-2   \t  100000\t     11000 ns/op\t        12.5 cpu-µs/event\nBenchmarkDurable \t 5 \t 9 ns/op\t 25 cpu-µs/event\nPASS\nok  \tctlive/collector\t3.1s\n")
	h := handlers{Discard: got["Discard"], Durable: got["Durable"]}
	if h.Discard["ns/op"] != 11000 || h.ratio() != 2 || len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestCheck(t *testing.T) {
	good := loadOptions{duration: time.Second, connections: 1, batch: 1, format: "json"}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	err := (&loadOptions{duration: time.Hour, connections: maxConnections + 1, format: "xml"}).check()
	for _, flag := range []string{"--for", "--connections", "--batch", "--format"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("nothing about %s in %v", flag, err)
		}
	}
}
