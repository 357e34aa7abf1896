package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// cacheTests tells how HTTP caches differ. It was written by others.
const cacheTests = "http-cache-tests@0.4.5"

// cacheClient runs all the tests against the server at argv[1], every request with
// the header fields in argv[2].
const cacheClient = `
import { runTests, getResults } from 'http-cache-tests/client/runner.mjs'
import tests from 'http-cache-tests/tests/index.mjs'
import surrogate from 'http-cache-tests/tests/surrogate-control.mjs'
import fetch from 'node-fetch'
const more = JSON.parse(process.argv[3])
const send = (url, init = {}) => fetch(url, { ...init, headers: [...(init.headers ?? []), ...more] })
const atOnce = 180 // of 350, and fewer than the connections that an address may have
await runTests([...tests, surrogate], send, false, process.argv[2], atOnce)
console.log(JSON.stringify(getResults()))
`

// cacheOrigin runs the tests' own server, on loopback only.
const cacheOrigin = `
import net from 'node:net'
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function () { return listen.call(this, 0, '127.0.0.1') }
await import('http-cache-tests/server/server.mjs')
`

// asSubresource is what browsers send with a request that is not for a page.
const asSubresource = `[["Sec-Fetch-Dest", "image"]]`

// The proxy caches nothing, so tests see through it what they see without it, but
// for what these reasons explain.
const (
	hungUp    = "the origin hangs up instead of answering: the visitor is told so with 502"
	overlong  = "the origin sends more than its Content-Length says: what is too much does not get to the visitor, whose next answer it would spoil"
	badCoding = "the origin sends a Transfer-Encoding that does not exist: 502, as nobody can know where the answer ends"
	validator = "a request that may be for a page is only conditional if its validator is one of the proxy's own: the origin's 304 would keep a copy in use that has no listener"
)

// explained are the tests that see a difference.
var explained = map[string]string{
	"304-etag-update-response-Content-Length": overlong,
	"headers-store-Content-Length":            overlong,
	"headers-store-Transfer-Encoding":         badCoding,
	"stale-close":                             hungUp,
	"stale-close-must-revalidate":             hungUp,
	"stale-close-no-cache":                    hungUp,
	"stale-close-proxy-revalidate":            hungUp,
	"stale-close-s-maxage=2":                  hungUp,
	"stale-sie-503":                           hungUp,
	"stale-sie-close":                         hungUp,
	"stale-warning-become":                    hungUp,
	"stale-warning-stored":                    hungUp,
}

// explainedUnsaid are those that see a further difference in requests that do not
// say what they are for.
var explainedUnsaid = map[string]string{
	"conditional-etag-forward":          validator,
	"conditional-etag-forward-unquoted": validator,
	"conditional-lm-stale":              validator,
}

// TestHTTPCache: for what is not a page, the proxy is not there.
func TestHTTPCache(t *testing.T) {
	t.Parallel()
	dir := installCacheTests(t)
	origin := startCacheOrigin(t, dir)
	var direct, said, unsaid map[string]string
	var all sync.WaitGroup
	all.Go(func() { direct = cacheResults(t, dir, origin, asSubresource) })
	p := startProxy(t, origin, "")
	all.Go(func() { said = cacheResults(t, dir, p.url, asSubresource) })
	q := startProxy(t, origin, "") // an address may have only so many connections
	all.Go(func() { unsaid = cacheResults(t, dir, q.url, `[]`) })
	all.Wait()

	unexplained(t, "an image", direct, said, explained)
	unexplained(t, "anything", direct, unsaid, explained, explainedUnsaid)
}

// unexplained compares what tests see without and with the proxy, when their
// requests are for what kind says.
func unexplained(t *testing.T, kind string, direct, proxied map[string]string, reasons ...map[string]string) {
	t.Helper()
	different, strange := 0, 0
	for id := range direct {
		if direct[id] == proxied[id] {
			continue
		}
		different++
		if slices.ContainsFunc(reasons, func(r map[string]string) bool { return r[id] != "" }) {
			continue
		}
		if strange++; strange <= 10 {
			t.Errorf("%s, for %s: %s, without the proxy %s", id, kind, proxied[id], direct[id])
		}
	}
	t.Logf("for %s: %d tests, %d see the proxy, %d of them without an explanation", kind, len(direct), different, strange)
}

// installCacheTests returns a folder with the tests and the programs to run them.
func installCacheTests(t *testing.T) (dir string) {
	t.Helper()
	for _, command := range []string{"node", "npm"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("SKIP: %s is not installed", command)
		}
	}
	dir = t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", cacheTests)
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("SKIP: %s cannot be had: %v\n%s", cacheTests, err, out)
	}
	for name, program := range map[string]string{"client.mjs": cacheClient, "origin.mjs": cacheOrigin} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// startCacheOrigin returns the URL of the tests' server.
func startCacheOrigin(t *testing.T, dir string) (url string) {
	t.Helper()
	c := exec.Command("node", "origin.mjs")
	c.Dir = dir
	c.Env = append(os.Environ(), "npm_config_protocol=http", "npm_config_port=0", "npm_config_pidfile="+filepath.Join(dir, "pid"))
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		t.Fatalf("the tests' server does not start: %v", lines.Err())
	}
	go io.Copy(io.Discard, stdout)
	return strings.TrimSuffix(regexp.MustCompile(`http://\S+`).FindString(lines.Text()), "/")
}

// accidental is what differs between two runs of the same test.
var accidental = regexp.MustCompile(`127\.0\.0\.1:\d+|[0-9a-f]{8}-[0-9a-f-]{27}`)

// cacheResults returns what each test says, by its id.
func cacheResults(t *testing.T, dir, url, fields string) map[string]string {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "node", "--no-warnings", "client.mjs", url, fields)
	c.Dir = dir
	out, err := c.Output()
	results := map[string]any{}
	if err == nil {
		err = json.Unmarshal(out, &results)
	}
	if err != nil || len(results) < 300 {
		t.Errorf("the tests against %s: %d results, %v", url, len(results), err)
	}
	said := map[string]string{}
	for id, result := range results {
		said[id] = accidental.ReplaceAllString(fmt.Sprint(result), "…")
	}
	return said
}
