package main

import (
	"strings"
	"testing"
)

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
