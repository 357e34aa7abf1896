package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// TestLargeBodies: a page and a download of 500 MB go through in bounded memory.
func TestLargeBodies(t *testing.T) {
	const size, limit = 500 << 20, 32 << 20
	line := []byte("<p>" + strings.Repeat("lorem ipsum dolor ", 58) + "\n") // about 1 KiB
	block := bytes.Repeat(line, 64)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", map[bool]string{true: "text/html", false: "application/zip"}[r.URL.Path == "/page"])
		io.WriteString(w, "<!doctype html><html><head><title>long</title>")
		if r.URL.Path == "/short" {
			return
		}
		for sent := 0; sent < size; sent += len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	defer origin.Close()
	for _, path := range []string{"/page", "/download"} {
		p := startProxy(t, origin.URL, "")
		io.Copy(io.Discard, get(t, p.url+"/short").Body)
		before := peakMemory(t, p.cmd.Process.Pid)
		res := get(t, p.url+path)
		head := make([]byte, 400)
		io.ReadFull(res.Body, head)
		n, err := io.Copy(io.Discard, res.Body)
		if err != nil || n < size {
			t.Fatalf("%s: %d bytes, %v", path, n, err)
		}
		if injected := bytes.Contains(head, []byte("data-ctlive")); injected != (path == "/page") {
			t.Errorf("%s: injected is %t", path, injected)
		}
		grown := peakMemory(t, p.cmd.Process.Pid) - before
		t.Logf("%s: %.1f MiB more at the peak", path, float64(grown)/(1<<20))
		if grown > limit {
			t.Errorf("%s took %d bytes of additional memory", path, grown)
		}
		p.kill()
	}
}

// peakMemory returns the peak resident set of a process, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("SKIP: memory is read from /proc: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
