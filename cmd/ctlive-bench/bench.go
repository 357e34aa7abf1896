package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"ctlive/cmd/ctlive-bench/rival"
)

// bench is a comparison under way.
type bench struct {
	o         *compareOptions
	begin     time.Time
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

func (b *bench) run(ctx context.Context) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer b.close()
	if err := b.readSlowly(ctx); err != nil {
		return err
	}
	for _, secure := range []bool{false, true} {
		if err := b.measureAll(ctx, secure); err != nil {
			return err
		}
	}
	return nil
}

// prepare builds and finds the programs, and starts origin and generator.
func (b *bench) prepare(ctx context.Context) (err error) {
	b.result = &comparison{sizes: b.o.sizes, traffics: b.o.traffics, cells: map[cellKey]*cell{}, slow: map[string]*cell{}}
	b.result.setting = fmt.Sprintf("%d workers or GOMAXPROCS each, %d slices of %v of each kind, %v at a fixed rate, after one that does not count; CPU time is the median",
		b.o.workers, b.o.rounds, b.o.slice, 2*b.o.slice)
	if b.result.machine, err = newComparisonMachine(); err != nil {
		return err
	}
	binary, err := findProgram(ctx, b.o.binary, b.dir, b.tell)
	if err != nil {
		return err
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
			return err
		}
	}
	return nil
}

// measureAll measures all cases with one protocol. The servers take turns, so that what the machine
// does besides hits all of them alike.
func (b *bench) measureAll(ctx context.Context, secure bool) error {
	var last time.Duration // what a round took
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
		begin := time.Now()
		if round > 0 && b.late(last, secure) {
			b.result.setting += fmt.Sprintf(", but %d with TLS: %t, for lack of time", round, secure)
			break
		}
		for _, t := range b.o.traffics {
			if t.TLS != secure {
				continue
			}
			b.tell(fmt.Sprintf("round %d of %d: %v", round+1, b.o.rounds, t))
			for i, s := range servers {
				if err := b.takeTurn(s, b.result.cases[i], t); err != nil {
					return err
				}
			}
		}
		last = time.Since(begin)
	}
	return nil
}

// takeTurn measures a slice of each size. Before them comes one that does not count, in which a server
// gets back what it has let go of while the others were at work.
func (b *bench) takeTurn(s *server, one rival.Case, t traffic) error {
	first := b.slice(s, t, b.o.sizes[0])
	first.For = b.o.slice
	if err := b.measure(s, first, &cell{}); err != nil {
		return err
	}
	for _, size := range b.o.sizes {
		if err := b.measure(s, b.slice(s, t, size), b.result.at(one, size, t)); err != nil {
			return err
		}
	}
	return nil
}

// late reports whether another round like the last leaves too little time, also for a first one with
// TLS if that is to come.
func (b *bench) late(last time.Duration, secure bool) bool {
	need := last
	if !secure {
		need += last * 3 / 2
	}
	return b.o.within > 0 && time.Since(b.begin)+need > b.o.within
}

// slice returns the job of a slice. At a fixed rate it is twice as long: it has a hundredth of the
// requests.
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
