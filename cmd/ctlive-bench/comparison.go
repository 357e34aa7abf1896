package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ctlive/cmd/ctlive-bench/rival"
)

// traffic is a kind of load.
type traffic struct {
	TLS         bool
	Connections int
	Rate        int // as in job
}

func (t traffic) String() string {
	name := "HTTP/1.1"
	if t.TLS {
		name = "HTTP/2 over TLS"
	}
	if t.Rate > 0 {
		return fmt.Sprintf("%s, %d requests/s", name, t.Rate)
	}
	return fmt.Sprintf("%s, %d connections, saturated", name, t.Connections)
}

// comparison is what the subcommand compare has measured.
type comparison struct {
	machine  comparisonMachine
	versions []string
	cases    []rival.Case
	sizes    []int
	traffics []traffic
	cells    map[cellKey]*cell
	slow     map[string]*cell // by case; only the peak
	took     time.Duration
	setting  string
}

// comparisonMachine is where the figures come from.
type comparisonMachine struct {
	date, cpu, kernel, load string
	cpus                    int
}

func newComparisonMachine() (m comparisonMachine, err error) {
	m = comparisonMachine{date: time.Now().Format(time.DateOnly), cpus: runtime.NumCPU()}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return m, err
	}
	m.kernel = unix.ByteSliceToString(name.Release[:])
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	_, model, _ := strings.Cut(string(info), "model name\t: ") // not on every platform
	m.cpu, _, _ = strings.Cut(model, "\n")
	loads, err := os.ReadFile("/proc/loadavg")
	m.load, _, _ = strings.Cut(string(loads), " ")
	return m, err
}

func (c *comparison) at(one rival.Case, size int, t traffic) *cell {
	key := cellKey{one.String(), one.Coding, size, t}
	if c.cells[key] == nil {
		c.cells[key] = &cell{}
	}
	return c.cells[key]
}

// own returns ctlive's case that does the same as one.
func (c *comparison) own(one rival.Case) (rival.Case, bool) {
	for _, own := range c.cases {
		if own.Server == rival.Name && own.Coding == one.Coding && own.Injects == one.Injects {
			return own, true
		}
	}
	return rival.Case{}, false
}

// problems lists what could not be measured.
func (c *comparison) problems() (all []string) {
	for _, one := range c.cases {
		for _, t := range c.traffics {
			for _, size := range c.sizes {
				for _, err := range c.at(one, size, t).errs {
					all = append(all, fmt.Sprintf("%v, %s, %d KB, %v: %s", &one, one.Coding, size, t, err))
				}
			}
		}
		if slow := c.slow[caseName(one)]; slow != nil {
			for _, err := range slow.errs {
				all = append(all, fmt.Sprintf("%s, slow readers: %s", caseName(one), err))
			}
		}
	}
	return all
}

func caseName(c rival.Case) string {
	if c.Coding == "identity" {
		return c.String()
	}
	return fmt.Sprintf("%v (%s)", &c, c.Coding)
}

// write writes the figures as Markdown. Those in parentheses are ratios to ctlive, where it does the
// same: the same coding, injected or not.
func (c *comparison) write(w io.Writer) error {
	m := c.machine
	fmt.Fprintf(w, "%s; %s, %d CPUs shared by generator, origin and server, Linux %s, load average before %s; %s.\n%s; measured in %v.\n",
		m.date, m.cpu, m.cpus, m.kernel, m.load, strings.Join(c.versions, ", "), c.setting, c.took.Round(time.Second))
	for _, t := range c.traffics {
		fmt.Fprintf(w, "\n%v:\n\n", t)
		if err := c.trafficTable(t).write(w); err != nil {
			return err
		}
	}
	if len(c.slow) > 0 {
		fmt.Fprintf(w, "\nPeak memory with %d readers of the %d KB page at %d KB/s each, HTTP/1.1:\n\n", slowReaders, slowSize, slowPace/1000)
		if err := c.slowTable().write(w); err != nil {
			return err
		}
	}
	for _, problem := range c.problems() {
		fmt.Fprintln(w, "\nNot measured:", problem)
	}
	return nil
}

// trafficTable has a row for each case; three columns for each size, and one for the largest.
func (c *comparison) trafficTable(t traffic) *table {
	out := &table{}
	for _, figure := range []string{"CPU µs/request", "requests/s", "p50 / p99 ms"} {
		for _, size := range c.sizes {
			out.columns = append(out.columns, fmt.Sprintf("%s, %d KB", figure, size))
		}
	}
	largest := c.sizes[len(c.sizes)-1]
	out.columns = append(out.columns, fmt.Sprintf("peak MiB, %d KB", largest))
	for _, one := range c.cases {
		out.row(caseName(one), func(column int) string {
			if column == len(out.columns)-1 {
				return c.figure(one, 3, largest, t)
			}
			size := c.sizes[column%len(c.sizes)]
			return c.figure(one, column/len(c.sizes), size, t)
		})
	}
	return out
}

// figure returns the nth figure of a cell.
func (c *comparison) figure(one rival.Case, n, size int, t traffic) string {
	got, own := c.at(one, size, t), &cell{}
	if same, found := c.own(one); found {
		own = c.at(same, size, t)
	}
	if got.requests == 0 {
		return "–"
	}
	switch n {
	case 0:
		return withRatio(got.cpuMicros(), own.cpuMicros())
	case 1:
		return withRatio(got.perSecond(), own.perSecond())
	case 2:
		return fmt.Sprintf("%.1f / %.1f", millis(got.times.quantile(0.5)), millis(got.times.quantile(0.99)))
	}
	return withRatio(got.mebibytes(), own.mebibytes())
}

func (c *comparison) slowTable() *table {
	out := &table{columns: []string{"peak MiB"}}
	for _, one := range c.cases {
		out.row(caseName(one), func(int) string {
			got, own := c.slow[caseName(one)], &cell{}
			if same, found := c.own(one); found && c.slow[caseName(same)] != nil {
				own = c.slow[caseName(same)]
			}
			if got == nil || got.peak == 0 {
				return "–"
			}
			return withRatio(got.mebibytes(), own.mebibytes())
		})
	}
	return out
}

// withRatio writes a figure and what it is of ctlive's.
func withRatio(figure, own float64) string {
	if own == 0 {
		return fmt.Sprintf("%.0f", figure)
	}
	if ratio := figure / own; ratio < 9.95 {
		return fmt.Sprintf("%.0f (%.2g)", figure, ratio)
	}
	return fmt.Sprintf("%.0f (%.0f)", figure, figure/own)
}
