package e2e

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// reloads are the ways to have the file taken anew. Those that answer have done
// it when they do.
var reloads = []struct {
	name    string
	answers bool
	do      func(*testing.T, *proxy) (said string, err bool)
}{
	{"SIGHUP", false, func(_ *testing.T, p *proxy) (string, bool) {
		return "", p.cmd.Process.Signal(syscall.SIGHUP) != nil
	}},
	{"command", true, func(t *testing.T, p *proxy) (string, bool) {
		r := ctlive(t, nil, "reload", "--config", p.config)
		return r.stdout + r.stderr, r.code != 0
	}},
	{"admin listener", true, func(t *testing.T, p *proxy) (string, bool) {
		res, err := client.Post(p.admin+"/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return body(t, res), res.StatusCode != http.StatusOK
	}},
}

// TestReload: a hundred reloads under load. Not one request fails, a WebSocket
// stays open, and nothing is left behind.
func TestReload(t *testing.T) {
	origins := []string{serveHandler(t, lastingOrigin("a")), serveHandler(t, lastingOrigin("b"))}
	c := newInternal(t, origins[0])
	p, roots := c.run(t)
	socket := openSocket(t, c.https, roots)
	socket.echoes(t, "before")
	probe := newCaller(transportTo(t, c.https, roots))
	before := p.footprint(t)
	load := startLoad(500, c.url(), callers(t, c.https, roots))
	for n := range 100 {
		want := []string{"b", "a"}[n%2]
		c.to = origins[(n+1)%2]
		overwrite(t, p.config, c.yaml())
		way := reloads[n%len(reloads)]
		if said, failed := way.do(t, p); failed {
			t.Errorf("reload %d by %s: %s", n, way.name, said)
		}
		if !way.answers {
			await(t, "reload by "+way.name, func() bool { return servedBy(t, probe, c.url()) == want })
		}
		if got := servedBy(t, probe, c.url()); got != want {
			t.Errorf("after reload %d by %s: served by %s, want %s", n, way.name, got, want)
		}
	}
	none(t, load.stop(t))
	socket.echoes(t, "after")
	for _, caller := range load.callers {
		caller.client.CloseIdleConnections()
	}
	p.recovers(t, before, 128<<20) // as much as compressing the listener takes, a few times
}

func servedBy(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body(t, res)
	return res.Header.Get("X-Origin")
}

// TestReloadRefused: a file with a mistake changes nothing, however much of it is
// right; what is wrong is said with its line.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	a, b := serveHandler(t, echoOrigin("a")), serveHandler(t, echoOrigin("b"))
	c := newInternal(t, a)
	p, roots := c.run(t)
	probe := newCaller(transportTo(t, c.https, roots))
	good := c.yaml()
	c.to = b
	moved := c
	moved.https = reserveAddr(t)
	for _, test := range []struct{ name, yaml, says string }{
		{"unknown key", c.yaml() + "log_level: debug\n", ":8:1: log_level"},
		{"value", strings.Replace(c.yaml(), "json", "loud", 1), ":5:15: log.format"},
		{"no YAML", c.yaml() + "\t-", p.config + ":8"},
		{"other listener", moved.yaml(), ":1:27: listen.https: the new value needs a restart"},
		{"no file", "", p.config},
	} {
		for _, way := range reloads {
			t.Run(test.name+" by "+way.name, func(t *testing.T) {
				overwrite(t, p.config, test.yaml)
				if test.yaml == "" {
					os.Remove(p.config)
				}
				logged := len(p.log.String())
				said, failed := way.do(t, p)
				if way.answers && (!failed || !strings.Contains(said, test.says)) {
					t.Errorf("failed is %t: %s; want %s", failed, said, test.says)
				}
				await(t, "complaint in the log", func() bool { return way.answers || strings.Contains(p.log.String()[logged:], test.says) })
				if got := servedBy(t, probe, c.url()); got != "a" {
					t.Errorf("served by %q", got)
				}
			})
		}
	}
	overwrite(t, p.config, strings.Replace(good, a, b, 1))
	if said, failed := reloads[1].do(t, p); failed || servedBy(t, probe, c.url()) != "b" {
		t.Errorf("a good file afterwards: %s", said)
	}
}

// TestReloadNobody: the command says so when nothing runs.
func TestReloadNobody(t *testing.T) {
	t.Parallel()
	c := newInternal(t, "http://127.0.0.1:9")
	config := t.TempDir() + "/ctlive.yaml"
	overwrite(t, config, c.yaml())
	if r := ctlive(t, nil, "reload", "--config", config); r.code != 1 || !strings.Contains(r.stderr, c.admin) {
		t.Errorf("exit status %d: %s%s", r.code, r.stdout, r.stderr)
	}
}
