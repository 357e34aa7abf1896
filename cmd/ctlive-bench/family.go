package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// family is a process and all that descend from it, by their ids: a server with its workers.
type family []int

// familyOf returns the family of a process as it is now.
func familyOf(pid int) (family, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if parent, err := parseParent(string(stat)); err == nil {
			children[parent] = append(children[parent], child)
		}
	}
	all := family{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// parseParent returns ppid in a line of /proc/PID/stat.
func parseParent(stat string) (int, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, fmt.Errorf("unknown form of /proc/PID/stat: %.100q", stat)
	}
	return strconv.Atoi(fields[1])
}

// cpu returns the CPU time that its processes have taken, in all their threads, in user and system
// mode. It is what utime and stime in /proc/PID/stat add up to, but those are in hundredths of a
// second, as much as a short slice takes.
func (f family) cpu() (time.Duration, error) {
	var total time.Duration
	for _, pid := range f {
		var t unix.Timespec
		// MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of Linux, which is clock_getcpuclockid(3).
		if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
			return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
		}
		total += time.Duration(t.Nano())
	}
	return total, nil
}

// peak returns the sum of the most memory that each process has had resident, in bytes. What they
// share counts in each.
func (f family) peak() (total int64, err error) {
	for _, pid := range f {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		one, err := parsePeak(string(status))
		if err != nil {
			return 0, err
		}
		total += one
	}
	return total, nil
}

// forgetPeak makes what is resident now the peak (proc_pid_clear_refs(5)).
func (f family) forgetPeak() error {
	for _, pid := range f {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
			return err
		}
	}
	return nil
}

// parsePeak returns VmHWM out of /proc/PID/status (proc_pid_status(5)), in bytes.
func parsePeak(status string) (int64, error) {
	_, rest, _ := strings.Cut(status, "\nVmHWM:")
	text, _, found := strings.Cut(rest, "kB")
	if !found {
		return 0, errors.New("no VmHWM in /proc/PID/status")
	}
	kilobytes, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return kilobytes << 10, err
}
