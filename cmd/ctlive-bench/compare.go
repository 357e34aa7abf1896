package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ctlive/cmd/ctlive-bench/rival"
)

const (
	maxSlice  = 10 * time.Second
	maxRounds = 20
	fixedRate = 300 // requests a second

	slowReaders = 64
	slowSize    = 500    // KB
	slowPace    = 50_000 // bytes a second
)

// compareOptions are the flags of the subcommand compare, and what tests shorten.
type compareOptions struct {
	slice    time.Duration
	slow     time.Duration
	rounds   int
	workers  int
	only     string
	binary   string
	install  bool
	sizes    []int
	traffics []traffic
	rivals   func(ctx context.Context, dir string) ([]*rival.Server, error)
}

func compareCommand() *cobra.Command {
	o := compareOptions{sizes: documentSizes, traffics: allTraffics()}
	c := &cobra.Command{
		Use:   "compare",
		Short: "Compare ctlive with nginx, Apache, HAProxy and Caddy",
		Long: "Installs the servers that are missing (apt-get, as root; Caddy is built from its Go module), starts each on\n" +
			"loopback in front of the same origin, checks that it injects, and measures it: CPU time of all its\n" +
			"processes per request, requests a second, latency and peak memory, with pages of 5, 50 and 500 KB, over\n" +
			"HTTP/1.1 and over TLS with HTTP/2, saturated and at a fixed rate; and memory with slow readers.\n" +
			"Short slices of all servers take turns. Ratios are to ctlive.",
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return o.check() },
		RunE: func(c *cobra.Command, _ []string) error {
			o.rivals = o.installed
			report, err := o.run(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := report.write(c.OutOrStdout()); err != nil {
				return err
			}
			if n := len(report.problems()); n > 0 {
				return fmt.Errorf("%d slices failed", n)
			}
			return nil
		},
	}
	f := c.Flags()
	f.DurationVar(&o.slice, "slice", 500*time.Millisecond, "`DURATION` of a slice at saturation; one at a fixed rate takes twice as long")
	f.DurationVar(&o.slow, "slow", 4*time.Second, "`DURATION` of slow reading for each case; 0s: none")
	f.IntVar(&o.rounds, "rounds", 2, "`NUMBER` of slices of each kind")
	f.IntVar(&o.workers, "workers", 2, "`NUMBER` of worker processes or threads of each server, GOMAXPROCS of those in Go")
	f.StringVar(&o.only, "only", "", "only cases that match `REGEXP`, such as 'ctlive|nginx'")
	f.StringVar(&o.binary, "binary", "", "ctlive at `PATH`, instead of building it")
	f.BoolVar(&o.install, "install", true, "install servers that are missing")
	return c
}

// allTraffics returns the kinds of load. Those that take more memory come later, as what a server has
// once taken it may keep.
func allTraffics() (all []traffic) {
	for _, secure := range []bool{false, true} {
		all = append(all, traffic{secure, 32, fixedRate}, traffic{secure, 32, 0}, traffic{secure, 256, 0})
	}
	return all
}

// check reports flags that make no sense.
func (o *compareOptions) check() error {
	var errs []error
	within := func(flag string, ok bool, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("--%s: %s", flag, want))
		}
	}
	within("slice", o.slice >= 50*time.Millisecond && o.slice <= maxSlice, "from 50ms to "+maxSlice.String())
	within("slow", o.slow >= 0 && o.slow <= maxSlice, "from 0s to "+maxSlice.String())
	within("rounds", o.rounds >= 1 && o.rounds <= maxRounds, fmt.Sprint("from 1 to ", maxRounds))
	within("workers", o.workers >= 1 && o.workers <= 64, "from 1 to 64")
	_, err := regexp.Compile(o.only)
	within("only", err == nil, fmt.Sprint(err))
	return errors.Join(errs...)
}

// installed returns all servers that can be had; the error of the others is told to stderr.
func (o *compareOptions) installed(ctx context.Context, dir string) (all []*rival.Server, err error) {
	if o.install {
		if err := rival.Install(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "not installed:", err)
		}
	}
	for _, find := range []func() (*rival.Server, error){
		func() (*rival.Server, error) { return rival.Nginx(ctx) },
		func() (*rival.Server, error) { return rival.Apache(ctx) },
		func() (*rival.Server, error) { return rival.HAProxy(ctx) },
		func() (*rival.Server, error) { return rival.Caddy(ctx, dir) },
	} {
		server, err := find()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "left out:", err)
			continue
		}
		all = append(all, server)
	}
	return all, nil
}

// run measures everything. What it does is told to progress.
func (o *compareOptions) run(ctx context.Context, progress io.Writer) (*comparison, error) {
	begin := time.Now()
	dir, err := os.MkdirTemp("", "ctlive-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	bench := &bench{o: o, dir: dir, tell: func(text string) {
		fmt.Fprintf(progress, "%4.0f s: %s\n", time.Since(begin).Seconds(), text)
	}}
	if err := bench.prepare(ctx); err != nil {
		return nil, err
	}
	defer bench.close()
	if err := bench.readSlowly(ctx); err != nil {
		return nil, err
	}
	for _, secure := range []bool{false, true} {
		if err := bench.measureAll(ctx, secure); err != nil {
			return nil, err
		}
	}
	bench.result.took = time.Since(begin)
	return bench.result, nil
}

// bench is a comparison under way.
type bench struct {
	o         *compareOptions
	dir       string
	tell      func(string)
	setup     rival.Setup // without what is a server's own
	pages     map[string][]byte
	origin    *child
	generator *generator
	result    *comparison
}

func (b *bench) close() {
	if b.generator != nil {
		b.generator.kill()
	}
	if b.origin != nil {
		b.origin.kill()
	}
}

// prepare builds and finds the programs, and starts origin and generator.
func (b *bench) prepare(ctx context.Context) (err error) {
	b.result = &comparison{sizes: b.o.sizes, traffics: b.o.traffics, cells: map[cellKey]*cell{}, slow: map[string]*cell{}}
	b.result.setting = fmt.Sprintf("%d workers or GOMAXPROCS each, %d slices of %v at saturation and of %v at a fixed rate",
		b.o.workers, b.o.rounds, b.o.slice, 2*b.o.slice)
	if b.result.machine, err = newComparisonMachine(); err != nil {
		return err
	}
	binary := b.o.binary
	if binary == "" {
		b.tell("building ctlive")
		binary = filepath.Join(b.dir, "ctlive")
		if err := build(ctx, binary); err != nil {
			return err
		}
	}
	own, err := rival.Ctlive(ctx, binary)
	if err != nil {
		return err
	}
	b.tell("installing and building the others")
	others, err := b.o.rivals(ctx, b.dir)
	if err != nil {
		return err
	}
	if err := b.choose(append([]*rival.Server{own}, others...)); err != nil {
		return err
	}
	return b.startOwn(ctx)
}

// choose takes the cases that --only names.
func (b *bench) choose(servers []*rival.Server) error {
	only, err := regexp.Compile(b.o.only)
	if err != nil {
		return err
	}
	for _, server := range servers {
		before := len(b.result.cases)
		for _, one := range server.Cases {
			if only.MatchString(caseName(one)) {
				b.result.cases = append(b.result.cases, one)
			}
		}
		if len(b.result.cases) > before {
			b.result.versions = append(b.result.versions, server.Version)
		}
	}
	if len(b.result.cases) == 0 {
		return fmt.Errorf("no case matches %q", b.o.only)
	}
	return nil
}

// startOwn starts the processes that are part of this program.
func (b *bench) startOwn(ctx context.Context) (err error) {
	b.pages = map[string][]byte{}
	for _, size := range b.o.sizes {
		b.pages[documentPath(size)] = newDocument(size * 1000)
	}
	b.setup = rival.Setup{Host: benchHost, Workers: b.o.workers}
	if b.setup.Cert, b.setup.Key, err = writeCertificate(b.dir); err != nil {
		return err
	}
	cmd, _, out, err := ownCommand(ctx, "origin")
	if err != nil {
		return err
	}
	if b.origin, err = launch(cmd, filepath.Join(b.dir, "origin.log")); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.close()
		return fmt.Errorf("origin: %w", err)
	}
	b.setup.Origin = strings.TrimSpace(line)
	if b.generator, err = startGenerator(ctx, filepath.Join(b.dir, "generator.log")); err != nil {
		b.close()
	}
	return err
}

// start starts a server in a folder of its own, and checks it.
func (b *bench) start(ctx context.Context, i int, secure bool) (*server, error) {
	setup := b.setup
	setup.TLS = secure
	setup.Dir = filepath.Join(b.dir, fmt.Sprintf("%d-%t", i, secure))
	if err := os.RemoveAll(setup.Dir); err != nil {
		return nil, err
	}
	s, err := startServer(b.result.cases[i], setup)
	if err != nil {
		return nil, err
	}
	if err := s.verify(ctx, b.pages); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// readSlowly measures the memory that slow readers cost, of one new server at a time.
func (b *bench) readSlowly(ctx context.Context) error {
	if b.o.slow == 0 {
		return nil
	}
	for i, one := range b.result.cases {
		b.tell("slow readers: " + caseName(one))
		got := &cell{}
		b.result.slow[caseName(one)] = got
		s, err := b.start(ctx, i, false)
		if err != nil {
			return err
		}
		j := job{target: s.target, Connections: slowReaders, For: b.o.slow, Pace: slowPace}
		j.Path = documentPath(slowSize)
		err = b.measure(s, j, got)
		s.end()
		if err != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
	return nil
}

// measureAll measures all cases with one protocol. Slices of the same kind follow each other, so that
// what the machine does besides hits all servers alike.
func (b *bench) measureAll(ctx context.Context, secure bool) error {
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.end()
		}
	}()
	for i := range b.result.cases {
		s, err := b.start(ctx, i, secure)
		if err != nil {
			return err
		}
		servers = append(servers, s)
	}
	for round := range b.o.rounds {
		for _, t := range b.o.traffics {
			if t.TLS != secure {
				continue
			}
			for _, size := range b.o.sizes {
				b.tell(fmt.Sprintf("round %d of %d: %v, %d KB", round+1, b.o.rounds, t, size))
				for i, s := range servers {
					if err := b.measure(s, b.slice(s, t, size), b.result.at(b.result.cases[i], size, t)); err != nil {
						return errors.Join(ctx.Err(), err)
					}
				}
			}
		}
	}
	return nil
}

// slice returns the job of a slice.
func (b *bench) slice(s *server, t traffic, size int) job {
	j := job{target: s.target, Connections: t.Connections, Rate: t.Rate, For: b.o.slice, Warm: documentPath(b.o.sizes[0])}
	j.Path = documentPath(size)
	if t.Rate > 0 {
		j.For *= 2
	}
	return j
}

// measure does a job and adds what it cost to c. A job that failed is noted there; an error is one
// that ends the comparison.
func (b *bench) measure(s *server, j job, c *cell) error {
	processes, err := s.family()
	if err != nil {
		return err
	}
	err = b.generator.prepare(j)
	if err == nil {
		err = c.measure(processes, b.generator.run)
	}
	if errors.Is(err, errJob) {
		c.errs = append(c.errs, err.Error())
		return nil
	}
	return err
}

// measure adds what work cost the processes.
func (c *cell) measure(processes family, work func() (outcome, error)) error {
	if err := processes.forgetPeak(); err != nil {
		return err
	}
	before, err := processes.cpu()
	if err != nil {
		return err
	}
	result, err := work()
	if err != nil {
		return err
	}
	after, err := processes.cpu()
	if err != nil {
		return err
	}
	peak, err := processes.peak()
	c.add(result, after-before, peak)
	return err
}
