package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	warmUp   = time.Second
	pageSize = 50 << 10
)

// eventsOptions are the flags of the subcommand events.
type eventsOptions struct {
	loadOptions
	data      string
	handlers  bool
	accessLog bool
}

func eventsCommand() *cobra.Command {
	var o eventsOptions
	c := &cobra.Command{
		Use:   "events",
		Short: "Measure durable event intake, and what it does to pages meanwhile",
		Long: "Measures, through the built program and over loopback: the fsync latency of the disk, the latency of\n" +
			"injected pages (50 KB, gzip, 100 a second), event intake at saturation, of visitors that object (parsed,\n" +
			"answered and not stored) and of others, and pages and events at the same time.\n" +
			"Then the proxy is ended with kill -9, and the store must hold exactly the acknowledged events, once.",
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return o.check() },
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), 4*o.duration+10*time.Minute)
			defer cancel()
			report, err := o.run(ctx, c.ErrOrStderr())
			if err != nil {
				return err
			}
			return errors.Join(report.write(c.OutOrStdout(), o.format), report.Ledger.verdict())
		},
	}
	f := c.Flags()
	o.add(c, "of the four phases")
	f.StringVar(&o.data, "data", "", "keep the store in a new folder below `DIR`, on the disk to measure; it is removed afterwards (default: where temporary files go)")
	f.BoolVar(&o.handlers, "handlers", false, "compare the collector's handler with and without the store, too (go test -bench)")
	f.BoolVar(&o.accessLog, "access-log", true, "have ctlive write its access log, as it does by default; it goes to a file beside the store")
	return c
}

// eventsReport is what the subcommand events has measured.
type eventsReport struct {
	Machine     machine   `json:"machine"`
	Connections int       `json:"connections"`
	Batch       int       `json:"batch"`
	AccessLog   bool      `json:"access_log"`
	Token       bool      `json:"token"` // the events carry one
	Sync        *summary  `json:"fsync"`
	Phases      []*phase  `json:"phases"`
	Peak        int64     `json:"memory_peak_bytes"`
	Store       int64     `json:"store_bytes"`
	Log         int64     `json:"store_log_bytes"` // of them, in the write-ahead log
	Ledger      *ledger   `json:"ledger"`
	Handlers    *handlers `json:"handlers,omitempty"`
}

// run measures everything. It returns a report although the store was found wrong, which its ledger
// says. What it does is told to progress.
func (o *eventsOptions) run(ctx context.Context, progress io.Writer) (*eventsReport, error) {
	dir, err := os.MkdirTemp(o.data, "ctlive-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	tell := func(text string) { fmt.Fprintln(progress, text) }

	binary, err := findProgram(ctx, o.binary, dir, tell)
	if err != nil {
		return nil, err
	}
	r := &eventsReport{Connections: o.connections, Batch: o.batch, AccessLog: o.accessLog}
	if r.Machine, err = newMachine(ctx, binary, filepath.Dir(dir)); err != nil {
		return nil, err
	}
	tell("syncing small writes")
	times, err := syncTimes(dir)
	if err != nil {
		return nil, err
	}
	r.Sync = times.summary()

	origin, stop, err := startOrigin(newPage(pageSize))
	if err != nil {
		return nil, err
	}
	defer stop()
	config, err := writeConfig(dir, dataDir("."), origin, o.accessLog)
	if err != nil {
		return nil, err
	}
	proxy, err := start(ctx, filepath.Join(dir, "log"), binary, "run", "--config", config)
	if err != nil {
		return nil, err
	}
	defer proxy.kill()
	l, err := o.phases(ctx, r, proxy, tell)
	if err != nil {
		return nil, err
	}
	if r.Peak, err = proxy.peak(); err != nil {
		return nil, err
	}

	tell("comparing the store with what was acknowledged")
	proxy.kill() // what is only in its memory is lost
	if r.Ledger, err = audit(ctx, binary, dataDir(dir), l); err != nil {
		return nil, err
	}
	if r.Store, r.Log, err = storeSize(dataDir(dir)); err != nil {
		return nil, err
	}
	if o.handlers {
		tell("benchmarking the handlers")
		r.Handlers, err = benchHandlers(ctx)
	}
	return r, err
}

// phases loads the proxy in four ways. It returns the load, closed, which knows what it has sent.
func (o *eventsOptions) phases(ctx context.Context, r *eventsReport, proxy *child, tell func(string)) (*load, error) {
	at, err := proxy.ready()
	if err != nil {
		return nil, err
	}
	addr := at.HTTP
	token, err := pageToken(ctx, addr)
	if err != nil {
		return nil, err
	}
	r.Token = token != ""
	l, err := dialLoad(ctx, visitor{addr: addr, token: token}, o.connections, o.batch)
	if err != nil {
		return nil, err
	}
	defer l.close()
	objecting, err := dialLoad(ctx, visitor{addr: addr, token: token, objects: true}, o.connections, o.batch)
	if err != nil {
		return nil, err
	}
	defer objecting.close()
	for _, l := range []*load{l, objecting} { // a connection without a request is not kept for as long as the pages take
		if _, err := l.run(ctx, warmUp); err != nil {
			return nil, err
		}
	}
	alone, declined, events, together := &phase{Name: "pages"}, &phase{Name: "events, not stored"}, &phase{Name: "events"}, &phase{Name: "both"}
	r.Phases = []*phase{alone, declined, events, together}
	works := []func() error{
		func() error { return alone.pages(ctx, addr, o.duration) },
		func() error { return declined.events(ctx, objecting, o.duration) },
		func() error { return events.events(ctx, l, o.duration) },
		func() error {
			return both(ctx,
				func(ctx context.Context) error { return together.pages(ctx, addr, o.duration) },
				func(ctx context.Context) error { return together.events(ctx, l, o.duration) })
		},
	}
	for i, p := range r.Phases {
		tell("measuring " + p.Name + " for " + o.duration.String())
		if err := p.measure(proxy, works[i]); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func dataDir(dir string) string { return filepath.Join(dir, "data") }

// writeConfig writes ctlive's configuration into dir and returns its path: free ports, and no limit
// that the load would meet.
func writeConfig(dir, data, origin string, accessLog bool) (string, error) {
	path := filepath.Join(dir, "ctlive.yaml")
	text := fmt.Sprintf(`listen: {http: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
data: %q
collector: {rate: {per_client: 1000000/s, burst: 1000000}}
log: {format: json, access: %t}
sites:
  - hosts: ["*"]
    to: [%s]
`, data, accessLog, origin)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// newMachine describes where the figures come from.
func newMachine(ctx context.Context, binary, data string) (machine, error) {
	version, err := exec.CommandContext(ctx, binary, "version").Output()
	if err != nil {
		return machine{}, fmt.Errorf("%s version: %w", binary, err)
	}
	loads, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return machine{}, err
	}
	load, _, _ := strings.Cut(string(loads), " ")
	return machine{
		Date:    time.Now().Format(time.DateOnly),
		Load:    load,
		Program: strings.TrimSpace(string(version)),
		CPUs:    runtime.NumCPU(),
		Disk:    data,
	}, nil
}

// write writes r in one of the formats.
func (r *eventsReport) write(w io.Writer, format string) error {
	if format == "json" {
		return writeJSON(w, r)
	}
	m := r.Machine
	fmt.Fprintf(w, "%s, %s; %d CPUs shared by generator, origin and ctlive, load average before %s; %d connections, batches of %d, with page token: %t, access log: %t\n\n",
		m.Date, m.Program, m.CPUs, m.Load, r.Connections, r.Batch, r.Token, r.AccessLog)
	if err := r.table().write(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n- fsync of a small write in %s, p50 / p99 / max: %s ms\n", m.Disk, r.Sync.figures())
	fmt.Fprintf(w, "- memory of ctlive at its peak: %.0f MiB\n", float64(r.Peak)/(1<<20))
	fmt.Fprintf(w, "- the store: %.0f bytes an event, of which %.0f in the write-ahead log\n",
		float64(r.Store)/float64(r.Ledger.Stored), float64(r.Log)/float64(r.Ledger.Stored))
	b := r.Ledger
	fmt.Fprintf(w, "- after kill -9: %d events acknowledged since the start, %d distinct ones stored; %d missing, %d twice, %d never sent, %d stored without acknowledgement\n",
		b.Acknowledged, b.Stored, b.Missing, b.Twice, b.Strangers, b.Unasked)
	if h := r.Handlers; h != nil {
		fmt.Fprintf(w, "- the handler without network: %.1f µs of CPU to store an event, %.1f to discard it: %.2f times as much\n",
			h.Durable[cpuUnit], h.Discard[cpuUnit], h.ratio())
	}
	return nil
}

// table returns the figures of the phases.
func (r *eventsReport) table() *table {
	t := &table{}
	for _, p := range r.Phases {
		t.columns = append(t.columns, p.Name)
	}
	perEvent := func(name string, figure func(*phase) string) {
		t.row(name, func(i int) string {
			if r.Phases[i].Events == 0 {
				return ""
			}
			return figure(r.Phases[i])
		})
	}
	perEvent("acknowledged events/s", func(p *phase) string { return fmt.Sprintf("%.0f", p.perSecond()) })
	perEvent("acknowledgement, p50 / p99 / max, ms", func(p *phase) string { return p.Answers.figures() })
	perEvent("CPU of ctlive, µs/event", func(p *phase) string { return fmt.Sprintf("%.1f", 1e6*p.ProxyCPU/float64(p.Events)) })
	perEvent("CPU of the generator, µs/event", func(p *phase) string { return fmt.Sprintf("%.1f", 1e6*p.GeneratorCPU/float64(p.Events)) })
	perEvent("flagged events", func(p *phase) string { return fmt.Sprint(p.Flagged) })
	perEvent("requests refused (429, 503)", func(p *phase) string { return fmt.Sprint(p.Refused) })
	t.row("page at 100/s, p50 / p99 / max, ms", func(i int) string { return r.Phases[i].Pages.figures() })
	t.row("CPU of ctlive, cores", func(i int) string { return fmt.Sprintf("%.2f", r.Phases[i].ProxyCPU/r.Phases[i].Seconds) })
	t.row("CPU of the generator, cores", func(i int) string { return fmt.Sprintf("%.2f", r.Phases[i].GeneratorCPU/r.Phases[i].Seconds) })
	return t
}
