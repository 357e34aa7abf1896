package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	tests := map[string]struct {
		stat string
		want time.Duration
		bad  bool
	}{
		"plain":           {"4711 (ctlive) S 1 4711 4711 0 -1 4194560 9 0 0 0 123 45 0 0 20 0 8 0 99", 1680 * time.Millisecond, false},
		"name with signs": {"4711 (a) S (b 1) S 1 4711 4711 0 -1 4194560 9 0 0 0 7 8 0 0 20", 150 * time.Millisecond, false},
		"cut":             {"4711 (ctlive) S 1 4711", 0, true},
		"no numbers":      {"4711 (ctlive) S 1 4711 4711 0 -1 4194560 9 0 0 0 x y 0 0 20", 0, true},
		"empty":           {"", 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := parseStat(test.stat); got != test.want || (err != nil) != test.bad {
				t.Errorf("got %v, %v; want %v", got, err, test.want)
			}
		})
	}
}

func TestParsePeak(t *testing.T) {
	if got, err := parsePeak("Name:\tctlive\nVmPeak:\t 1230000 kB\nVmHWM:\t   43008 kB\nVmRSS:\t   40000 kB\n"); err != nil || got != 42<<20 {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := parsePeak("Name:\tkthreadd\n"); err == nil {
		t.Error("no error without VmHWM")
	}
}

func TestReadyAt(t *testing.T) {
	log := `{"level":"INFO","msg":"serving","http":"127.0.0.1:1"}` + "\nnot JSON\n" +
		`{"level":"INFO","msg":"ready","http":"127.0.0.1:4321","admin":"127.0.0.1:2"}` + "\n"
	if got := readyAt([]byte(log)); got != (addresses{"127.0.0.1:4321", "127.0.0.1:2"}) {
		t.Errorf("got %v", got)
	}
	for cut := range strings.Index(log, `"admin"`) {
		if got := readyAt([]byte(log[:cut])); got != (addresses{}) {
			t.Fatalf("cut at %d: %v", cut, got)
		}
	}
}

// A process that says nothing of the kind and ends is an error with what it said.
func TestNotReady(t *testing.T) {
	c, err := start(t.Context(), t.TempDir()+"/log", "sh", "-c", "echo no such key >&2")
	if err != nil {
		t.Fatal(err)
	}
	defer c.kill()
	if _, err := c.ready(); err == nil || !strings.Contains(err.Error(), "no such key") {
		t.Errorf("got %v", err)
	}
}
