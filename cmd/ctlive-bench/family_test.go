package main

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A family counts what its members do, and nobody else.
func TestFamily(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	all, err := familyOf(os.Getpid())
	if err != nil || all[0] != os.Getpid() || !slices.Contains(all, child.Process.Pid) {
		t.Fatalf("got %v, %v; want %d and %d", all, err, os.Getpid(), child.Process.Pid)
	}
	own, idle := family{os.Getpid()}, family{child.Process.Pid}
	before, err := own.cpu()
	if err != nil {
		t.Fatal(err)
	}
	begin := ownCPU()
	for ownCPU()-begin < 50*time.Millisecond {
	}
	after, err := own.cpu()
	if took := after - before; err != nil || took < 49*time.Millisecond {
		t.Errorf("%v of CPU for 50ms, %v", took, err)
	}
	if took, err := idle.cpu(); err != nil || took > 40*time.Millisecond {
		t.Errorf("%v of CPU asleep, %v", took, err)
	}
	if _, err := (family{1<<22 + 1}).cpu(); err == nil {
		t.Error("no error for a process that cannot be") // PID_MAX_LIMIT of Linux
	}
}

func TestForgetPeak(t *testing.T) {
	own := family{os.Getpid()}
	b, err := unix.Mmap(-1, 0, 64<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE) // gone at once when it goes
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = 1
	}
	peak, err := own.peak()
	if err != nil || peak < int64(len(b)) {
		t.Fatalf("peak %d, %v", peak, err)
	}
	if err := unix.Munmap(b); err != nil {
		t.Fatal(err)
	}
	if err := own.forgetPeak(); err != nil {
		t.Fatal(err)
	}
	if again, err := own.peak(); err != nil || again > peak-32<<20 {
		t.Errorf("peak %d after %d, %v", again, peak, err)
	}
}

func TestParseParent(t *testing.T) {
	tests := map[string]struct {
		stat string
		want int
	}{
		"plain":           {"4711 (nginx) S 17 4711 4711 0 -1", 17},
		"name with signs": {"4711 (a) S (b 1) S 18 4711", 18},
		"cut":             {"4711 (nginx)", 0},
		"empty":           {"", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := parseParent(test.stat); got != test.want || (err == nil) != (test.want > 0) {
				t.Errorf("got %d, %v; want %d", got, err, test.want)
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
