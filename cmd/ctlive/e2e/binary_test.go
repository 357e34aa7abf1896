package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ctlive-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "ctlive")
	build := exec.Command("go", "build", "-o", binary, "./cmd/ctlive")
	build.Dir = "../../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// result is a command that has ended.
type result struct {
	stdout, stderr string
	code           int
}

// ctlive runs a command to its end.
func ctlive(t *testing.T, stdin io.Reader, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, binary, args...)
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = stdin, &stdout, &stderr
	err := c.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatalf("ctlive %s: %v", strings.Join(args, " "), err)
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// proxy is a running "ctlive run".
type proxy struct {
	url, https, admin string // scheme and address of each listener, https "" without TLS
	config, data      string
	cmd               *exec.Cmd
	log               *lockedBuffer
}

// startProxy runs the proxy in front of the origin at to; extra lines of YAML
// go into its site.
func startProxy(t *testing.T, to, data string, extra ...string) *proxy {
	t.Helper()
	if data == "" {
		data = t.TempDir()
	}
	yaml := "listen: {http: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\ndata: " + data +
		"\ncollector: {rate: {per_client: 1000000/s, burst: 1000000}}" +
		"\nlog: {format: json, access: true}\nsites:\n  - hosts: [\"*\"]\n    to: [" + to + "]\n"
	for _, line := range extra {
		yaml += "    " + line + "\n"
	}
	p := runProxy(t, yaml)
	p.data = data
	return p
}

// runProxy runs the proxy with a configuration of its own, which should log as
// JSON and give its listeners port 0.
func runProxy(t *testing.T, yaml string) *proxy {
	t.Helper()
	config := filepath.Join(t.TempDir(), "ctlive.yaml")
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &proxy{config: config, log: &lockedBuffer{}, cmd: exec.Command(binary, "run", "--config", config)}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	p.await(t, stderr)
	return p
}

// await reads the log until the proxy says where it listens, and keeps reading.
func (p *proxy) await(t *testing.T, stderr io.Reader) {
	t.Helper()
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			p.log.Write(append(lines.Bytes(), '\n'))
			var line struct{ Msg, HTTP, HTTPS, Admin string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
				p.url, p.https, p.admin = "http://"+line.HTTP, "https://"+line.HTTPS, "http://"+line.Admin
				ready <- true
			}
		}
		close(ready)
	}()
	select {
	case ok := <-ready:
		if !ok {
			t.Fatalf("the proxy did not start:\n%s", p.log)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("the proxy is not ready after 20 s:\n%s", p.log)
	}
}

// awaitLog waits until the log says text.
func (p *proxy) awaitLog(t *testing.T, text string) {
	t.Helper()
	for range 100 {
		if strings.Contains(p.log.String(), text) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("no %s in the log:\n%s", text, p.log)
}

// kill ends the proxy the hard way.
func (p *proxy) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// stop ends it as an operator would, and reports its exit status.
func (p *proxy) stop() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	return p.cmd.Wait()
}

// stored returns the events in a data folder, oldest first.
func stored(t *testing.T, data string) []event {
	t.Helper()
	out := ctlive(t, nil, "events", "--data", data, "--format", "ndjson")
	if out.code != 0 {
		t.Fatalf("ctlive events: %d %s", out.code, out.stderr)
	}
	var events []event
	for line := range strings.Lines(out.stdout) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("ctlive events: %v in %s", err, line)
		}
		events = append(events, e)
	}
	return events
}

type event struct {
	ID, Type, Page, URL string
	Flags               []string
}

// get fetches a URL as a browser that navigates would.
func get(t *testing.T, url string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// client neither follows redirects nor decodes: it shows what the proxy sent.
var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// lockedBuffer may be written and read at the same time.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
