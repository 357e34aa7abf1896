package e2e

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	slowConnections = 200 // connections
	slowSeconds     = 16  // seconds, longer than a request may take for its header
)

// TestSlowHTTP: an attacker who holds as many connections as he gets, and is as
// slow on each as he can be, does not make honest visitors wait.
func TestSlowHTTP(t *testing.T) {
	if _, err := exec.LookPath("slowhttptest"); err != nil {
		t.Skip("SKIP: slowhttptest is not installed")
	}
	origin := serveHandler(t, honestOrigin())
	for _, test := range []struct {
		name, path string
		secure     bool
		files      int // what each attacking connection makes the proxy hold
		args       []string
	}{
		{"headers", "/", true, 1, []string{"-H", "-i", "2", "-x", "24"}},
		{"body", "/", false, 1, []string{"-B", "-i", "2", "-s", "8192", "-x", "10"}},
		{"read", "/large", true, 2, []string{"-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3"}}, // also at the origin
	} {
		t.Run(test.name, func(t *testing.T) {
			p, v := startAttacked(t, origin, test.secure)
			_, twin := startAttacked(t, origin, test.secure)
			v.measure(t, 500*time.Millisecond) // the first requests are never the usual ones
			before := p.footprint(t)
			for try := range 2 {
				usual := v.measure(t, 2*time.Second)
				ended := slowHTTP(t, v.url+test.path, test.args...)
				under := p.holds(t, before.files+test.files*slowConnections)
				attacked, spared := measureBoth(t, v, twin, (slowSeconds-4)*time.Second)
				r := <-ended
				t.Logf("usual %v, under attack %v, of a proxy beside it %v; %v, under attack %v; the attacker held %d connections",
					usual, attacked, spared, before, under, r.held)
				if under.files < before.files+test.files*slowConnections*3/4 {
					t.Fatalf("the attack did not take place: %v\n%.2000s", r.err, r.output)
				}
				if attacked.median <= 2*max(usual.median, spared.median) && attacked.p95 <= 2*max(usual.p95, spared.p95) {
					break
				}
				if try == 1 {
					t.Errorf("honest visitors wait: usual %v, under attack %v, beside it %v", usual, attacked, spared)
				}
			}
			p.recovers(t, before, 32<<20)
		})
	}
}

// startAttacked runs a proxy, secure with TLS, that honest visitors come to. The
// attacker names no host in his TLS handshake, so the site is one by address.
func startAttacked(t *testing.T, to string, secure bool) (*proxy, honest) {
	t.Helper()
	if !secure {
		p := startProxy(t, to, "")
		return p, honestVisitor(t, p.url, nil)
	}
	c := newInternal(t, to)
	c.hosts = "[localhost, 127.0.0.1]"
	p, roots := c.run(t)
	return p, honestVisitor(t, "https://"+c.https, roots)
}

// honestOrigin takes as long as a page of a database-backed site does, at least.
func honestOrigin() http.Handler {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/octet-stream")
		if r.URL.Path == "/large" {
			w.Write(large)
			return
		}
		time.Sleep(10 * time.Millisecond)
		io.WriteString(w, "ok")
	})
}

// honest visitors come from an address of their own: what one client may take is
// limited by address.
type honest struct {
	url     string
	clients []*http.Client // one keeps its connection, one does not
}

func honestVisitor(t *testing.T, url string, roots *x509.CertPool) honest {
	v := honest{url: url}
	for _, once := range []bool{false, true} {
		transport := transportTo(t, url[strings.Index(url, "//")+2:], roots)
		transport.DisableKeepAlives = once
		transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(addr)
			from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			return from.DialContext(ctx, network, "127.0.0.1:"+port)
		}
		v.clients = append(v.clients, newCaller(transport))
	}
	return v
}

// times are those that requests took.
type times struct {
	n           int
	median, p95 time.Duration
}

func (m times) String() string { return fmt.Sprintf("%v (p95 %v, %d requests)", m.median, m.p95, m.n) }

// measure sends 20 requests a second, one after the other; none may fail.
func (v honest) measure(t *testing.T, d time.Duration) times {
	t.Helper()
	m, err := v.visit(d)
	if err != nil {
		t.Fatalf("honest request: %v", err)
	}
	return m
}

// measureBoth measures at the same time, so that both have the same of a machine
// that attacker and attacked share.
func measureBoth(t *testing.T, attacked, spared honest, d time.Duration) (a, b times) {
	t.Helper()
	var beside error
	var other sync.WaitGroup
	other.Go(func() { b, beside = spared.visit(d) })
	a = attacked.measure(t, d)
	if other.Wait(); beside != nil {
		t.Fatalf("honest request beside the attack: %v", beside)
	}
	return a, b
}

func (v honest) visit(d time.Duration) (times, error) {
	var took []time.Duration
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		began := time.Now()
		res, err := v.clients[len(took)%len(v.clients)].Get(v.url)
		if err != nil {
			return times{}, err
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			return times{}, fmt.Errorf("%s, %v", res.Status, err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return times{len(took), took[len(took)/2], took[len(took)*95/100]}, nil
}

var held = regexp.MustCompile(`(?m)connected:.*?(\d+)\s*$`)

// report is how an attack went.
type report struct {
	held   int // connections, the most at one time
	output []byte
	err    error
}

// slowHTTP begins an attack. The report comes at its end.
func slowHTTP(t *testing.T, url string, args ...string) <-chan report {
	t.Helper()
	args = append(args, "-c", strconv.Itoa(slowConnections), "-r", strconv.Itoa(slowConnections), "-l", strconv.Itoa(slowSeconds), "-p", "3", "-u", url)
	c := exec.CommandContext(t.Context(), "slowhttptest", args...)
	c.Dir = t.TempDir()
	ended := make(chan report, 1)
	go func() {
		r := report{}
		r.output, r.err = c.CombinedOutput()
		for _, m := range held.FindAllSubmatch(r.output, -1) {
			n, _ := strconv.Atoi(string(m[1]))
			r.held = max(r.held, n)
		}
		ended <- r
	}()
	return ended
}

// footprint is what a process holds.
type footprint struct {
	files, goroutines int
	memory            int64 // resident, bytes
}

func (f footprint) String() string {
	return fmt.Sprintf("%d open files, %d goroutines, %d MiB", f.files, f.goroutines, f.memory>>20)
}

func (p *proxy) footprint(t *testing.T) (f footprint) {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Skipf("SKIP: open files are counted in /proc: %v", err)
	}
	f.files = len(files)
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &f.memory); err == nil {
			f.memory <<= 10
		}
	}
	for line := range strings.Lines(body(t, get(t, p.admin+"/metrics"))) {
		fmt.Sscanf(line, "go_goroutines %d", &f.goroutines)
	}
	return f
}

// holds waits until the proxy has so many open files, and returns what it has
// after that, or after 3 s.
func (p *proxy) holds(t *testing.T, files int) (now footprint) {
	t.Helper()
	for range 30 {
		if now = p.footprint(t); now.files >= files {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return now
}

// recovers waits until the proxy holds about what it held before, and not more
// than memory in addition: the Go runtime gives it back only slowly.
func (p *proxy) recovers(t *testing.T, before footprint, memory int64) {
	t.Helper()
	var now footprint
	for range 100 {
		now = p.footprint(t)
		// A busy machine leaves some 30 idle connections to the origin, of two goroutines each.
		if now.files <= before.files+60 && now.goroutines <= before.goroutines+120 && now.memory <= before.memory+memory {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("10 s later: %v; before: %v", now, before)
}
