package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// dashboardOptions are the flags of the subcommand dashboard.
type dashboardOptions struct {
	loadOptions
	data   string
	rounds int
}

func dashboardCommand() *cobra.Command {
	var o dashboardOptions
	c := &cobra.Command{
		Use:   "dashboard --data DIR",
		Short: "Measure the operator's page on a year of events, and intake while it is in use",
		Long: "Starts the built program on a data folder that ctlive-bench year has written today, waits until its figures\n" +
			"are up to date, and measures what the operator's page asks for: the first view after a start, nothing of the\n" +
			"figures being in memory, and each change of range and site. Then event intake at saturation, in turns alone\n" +
			"and with somebody at the page, who follows the live events and changes the range twice a second, and a scrape\n" +
			"of /metrics ten times a second. The events that it sends stay in the folder.",
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return o.check() },
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), time.Hour)
			defer cancel()
			report, err := o.run(ctx, c.ErrOrStderr())
			if err != nil {
				return err
			}
			return report.write(c.OutOrStdout(), o.format)
		},
	}
	f := c.Flags()
	f.StringVar(&o.data, "data", "", "data folder `DIR`")
	o.add(c, "turn")
	f.IntVar(&o.rounds, "rounds", 3, "`NUMBER` of turns, alone and with the page")
	c.MarkFlagRequired("data")
	return c
}

func (o *dashboardOptions) check() error {
	return errors.Join(within("rounds", o.rounds >= 1 && o.rounds <= 20, "from 1 to 20"), o.loadOptions.check())
}

// dashboardReport is what the subcommand dashboard has measured.
type dashboardReport struct {
	Machine     machine  `json:"machine"`
	Connections int      `json:"connections"`
	Batch       int      `json:"batch"`
	Store       int64    `json:"store_bytes"`
	Figures     int64    `json:"report_bytes"`
	First       float64  `json:"first_view_ms"`
	FirstYear   float64  `json:"first_view_of_the_year_ms"`
	Changes     *summary `json:"changes"`
	Slowest     string   `json:"slowest_change"`
	Alone       *turns   `json:"alone"`
	Together    *turns   `json:"with_dashboard"`
	Kept        float64  `json:"intake_kept"` // of the rate alone
}

func (o *dashboardOptions) run(ctx context.Context, progress io.Writer) (*dashboardReport, error) {
	if _, err := os.Stat(filepath.Join(o.data, "ctlive.db")); err != nil {
		return nil, fmt.Errorf("ctlive-bench year makes a data folder: %w", err)
	}
	dir, err := os.MkdirTemp("", "ctlive-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	tell := func(text string) { fmt.Fprintln(progress, text) }
	binary, err := findProgram(ctx, o.binary, dir, tell)
	if err != nil {
		return nil, err
	}
	r := &dashboardReport{Connections: o.connections, Batch: o.batch}
	if r.Machine, err = newMachine(ctx, binary, o.data); err != nil {
		return nil, err
	}
	config, stop, err := o.surroundings(dir)
	if err != nil {
		return nil, err
	}
	defer stop()
	p := &program{binary: binary, config: config, log: filepath.Join(dir, "log"), data: o.data}
	defer p.stop()
	if err := o.measureViews(ctx, r, p, tell); err != nil {
		return nil, err
	}
	return r, o.measureIntake(ctx, r, p, tell)
}

// surroundings starts an origin and writes a configuration with it into dir.
func (o *dashboardOptions) surroundings(dir string) (config string, stop func() error, err error) {
	data, err := filepath.Abs(o.data)
	if err != nil {
		return "", nil, err
	}
	origin, stop, err := startOrigin(newPage(pageSize))
	if err != nil {
		return "", nil, err
	}
	config, err = writeConfig(dir, data, origin, true)
	if err != nil {
		stop()
	}
	return config, stop, err
}

// program is the proxy on a data folder: it starts and stops.
type program struct {
	binary, config, log, data string
	*child
	at addresses
}

// restart starts the proxy anew, with nothing of the figures in the kernel's memory.
func (p *program) restart(ctx context.Context) (err error) {
	p.stop()
	for _, name := range databases {
		if err := forgetFile(filepath.Join(p.data, name)); err != nil {
			return err
		}
	}
	if p.child, err = start(ctx, p.log, p.binary, "run", "--config", p.config); err != nil {
		return err
	}
	p.at, err = p.ready()
	return err
}

func (p *program) stop() {
	if p.child != nil {
		p.child.stop()
		p.child = nil
	}
}

// lookOver is longer than a store looks its file over after a start, which takes a core and the disk.
const lookOver = 7 * time.Second

// measureViews measures what the page asks for while nothing else goes on.
func (o *dashboardOptions) measureViews(ctx context.Context, r *dashboardReport, p *program, tell func(string)) error {
	if err := p.restart(ctx); err != nil {
		return err
	}
	counting := newOperator(p.at.Admin)
	defer counting.close()
	tell("waiting for the figures")
	begin := time.Now()
	err := counting.upToDate(ctx, func(behind int64) { tell(fmt.Sprintf("%d events still to be counted", behind)) })
	if err != nil {
		return err
	}
	tell("up to date after " + time.Since(begin).Round(time.Second).String())
	for _, first := range []struct {
		view
		result *float64
	}{{view{since: "365d", zone: "Europe/Rome"}, &r.FirstYear}, {firstView, &r.First}} {
		if err := p.restart(ctx); err != nil {
			return err
		}
		op := newOperator(p.at.Admin)
		defer op.close()
		_, took, err := op.fetch(ctx, first.path())
		if err != nil {
			return err
		}
		*first.result = millis(took)
	}
	r.Figures, r.Store = 0, 0
	for name, size := range map[string]*int64{"report.db": &r.Figures, "ctlive.db": &r.Store} {
		info, err := os.Stat(filepath.Join(o.data, name))
		if err != nil {
			return err
		}
		*size = info.Size()
	}
	tell("letting the store look its file over")
	sleepUntil(ctx, time.Now().Add(lookOver))
	return o.measureChanges(ctx, r, p.at.Admin)
}

func (o *dashboardOptions) measureChanges(ctx context.Context, r *dashboardReport, admin string) error {
	op := newOperator(admin)
	defer op.close()
	times := &latencies{}
	for _, v := range views() {
		_, took, err := op.fetch(ctx, v.path())
		if err != nil {
			return err
		}
		if took > times.longest {
			r.Slowest = v.path()
		}
		times.add(took)
	}
	r.Changes = times.summary()
	return nil
}

// turns is event intake in one of two settings, in several turns.
type turns struct {
	Seconds float64  `json:"seconds"`
	Events  int      `json:"events"` // acknowledged
	Refused int      `json:"requests_refused"`
	CPU     float64  `json:"ctlive_cpu_seconds"`
	Answers *summary `json:"answers"`
	Scrapes *summary `json:"scrapes"`
	Views   *summary `json:"views,omitempty"`

	answers, scrapes, views latencies
}

func (t *turns) perSecond() float64 { return float64(t.Events) / t.Seconds }

func (t *turns) finish(views bool) {
	t.Answers, t.Scrapes = t.answers.summary(), t.scrapes.summary()
	if views {
		t.Views = t.views.summary()
	}
}

func (o *dashboardOptions) measureIntake(ctx context.Context, r *dashboardReport, p *program, tell func(string)) error {
	token, err := pageToken(ctx, p.at.HTTP)
	if err != nil {
		return err
	}
	l, err := dialLoad(ctx, visitor{addr: p.at.HTTP, token: token}, o.connections, o.batch)
	if err != nil {
		return err
	}
	defer l.close()
	op := newOperator(p.at.Admin)
	defer op.close()
	if _, err := l.run(ctx, warmUp); err != nil {
		return err
	}
	r.Alone, r.Together = &turns{}, &turns{}
	for i := range o.rounds {
		tell(fmt.Sprintf("measuring intake, turn %d of %d", i+1, o.rounds))
		if err := r.Alone.turn(ctx, p.child, l, op, o.duration, false); err != nil {
			return err
		}
		if err := r.Together.turn(ctx, p.child, l, op, o.duration, true); err != nil {
			return err
		}
	}
	r.Alone.finish(false)
	r.Together.finish(true)
	r.Kept = r.Together.perSecond() / r.Alone.perSecond()
	return nil
}

// turn posts events for d and scrapes the metrics; with look, somebody looks at the page.
func (t *turns) turn(ctx context.Context, proxy *child, l *load, op *operator, d time.Duration, look bool) error {
	p := &phase{}
	err := p.measure(proxy, func() error {
		return both(ctx, func(ctx context.Context) error {
			got, err := l.run(ctx, d)
			if err == nil {
				t.Events += got.acknowledged
				t.Refused += got.refused
				t.answers.merge(&got.answers)
			}
			return err
		}, func(ctx context.Context) error {
			return both(ctx, func(ctx context.Context) error { return add(&t.scrapes, op.scrape, ctx, d) },
				func(ctx context.Context) error {
					if !look {
						return nil
					}
					return add(&t.views, op.look, ctx, d)
				})
		})
	})
	t.Seconds += p.Seconds
	t.CPU += p.ProxyCPU
	return err
}

// add adds the times that measure returns to those in to.
func add(to *latencies, measure func(context.Context, time.Duration) (*latencies, error), ctx context.Context, d time.Duration) error {
	times, err := measure(ctx, d)
	if err == nil {
		to.merge(times)
	}
	return err
}

// write writes r in one of the formats.
func (r *dashboardReport) write(w io.Writer, format string) error {
	if format == "json" {
		return writeJSON(w, r)
	}
	m := r.Machine
	fmt.Fprintf(w, "%s, %s; %d CPUs shared by generator, operator, origin and ctlive, load average before %s; %d connections, batches of %d\n\n",
		m.Date, m.Program, m.CPUs, m.Load, r.Connections, r.Batch)
	fmt.Fprintf(w, "- the store %.0f MB, report.db %.0f MB\n", float64(r.Store)/1e6, float64(r.Figures)/1e6)
	fmt.Fprintf(w, "- first view after a start: %.0f ms; if it is the whole year: %.0f ms\n", r.First, r.FirstYear)
	fmt.Fprintf(w, "- %d changes of range, site, zone and doubt, p50 / p99 / max: %s ms; slowest: %s\n", r.Changes.Count, r.Changes.figures(), r.Slowest)
	fmt.Fprintf(w, "- intake with the page in use keeps %.0f %% of its rate\n\n", 100*r.Kept)
	phases := []*turns{r.Alone, r.Together}
	t := &table{columns: []string{"intake alone", "with the page in use"}}
	t.row("acknowledged events/s", func(i int) string { return fmt.Sprintf("%.0f", phases[i].perSecond()) })
	t.row("acknowledgement, p50 / p99 / max, ms", func(i int) string { return phases[i].Answers.figures() })
	t.row("requests refused (429, 503)", func(i int) string { return fmt.Sprint(phases[i].Refused) })
	t.row("scrape of /metrics, p50 / p99 / max, ms", func(i int) string { return phases[i].Scrapes.figures() })
	t.row("change of range, p50 / p99 / max, ms", func(i int) string { return phases[i].Views.figures() })
	t.row("CPU of ctlive, cores", func(i int) string { return fmt.Sprintf("%.2f", phases[i].CPU/phases[i].Seconds) })
	return t.write(w)
}
