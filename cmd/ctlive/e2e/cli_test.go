package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExitStatus: 0 fine, 1 failed, 2 wrong usage or configuration.
func TestExitStatus(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	os.WriteFile(good, []byte("sites: [{hosts: [a.test], to: [\"http://127.0.0.1:1\"]}]\n"), 0o600)
	os.WriteFile(bad, []byte("sites: [{hots: [a.test], to: [\"http://127.0.0.1:1\"]}]\nlog: {level: loud}\n"), 0o600)
	for _, test := range []struct {
		name, args string
		code       int
		says       string
	}{
		{"no command", "", 0, "ctlive run --to"},
		{"version", "version", 0, "go1."},
		{"unknown command", "fly", 2, "unknown command"},
		{"unknown flag", "run --fly", 2, "unknown flag"},
		{"run without a configuration", "run", 2, "--config"},
		{"run with a missing file", "run --config " + dir + "/none.yaml", 2, "none.yaml"},
		{"run with a bad file", "run --config " + bad, 2, "did you mean"},
		{"run with a bad URL", "run --to ftp://x", 2, "--to"},
		{"run with a file and a URL", "run --to http://a.test --config " + good, 2, "config"},
		{"listen without to", "run --listen :1", 2, "--to"},
		{"check", "check --config " + good, 0, "valid"},
		{"check of a bad file", "check --config " + bad, 2, "bad.yaml:2:14: log.level"},
		{"events without a store", "events --data " + dir, 1, "no event store"},
		{"events in a strange format", "events --data " + dir + " --format xml", 2, "--format"},
		{"events since nonsense", "events --data " + dir + " --since yesterday", 2, "--since"},
		{"stats without a store", "stats --data " + dir, 1, "no event store"},
		{"inject with a bad header", "inject --header nonsense", 2, "Name: value"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := ctlive(t, nil, strings.Fields(test.args)...)
			if r.code != test.code || !strings.Contains(r.stdout+r.stderr, test.says) {
				t.Errorf("exit status %d, want %d; output should contain %q:\n%s%s", r.code, test.code, test.says, r.stdout, r.stderr)
			}
		})
	}
}

// TestInjectFilter: the page on stdout, the verdict on stderr.
func TestInjectFilter(t *testing.T) {
	headers := filepath.Join(t.TempDir(), "headers")
	for _, test := range []struct {
		name, in, out, verdict string
		args                   []string
	}{
		{"page", "<head><p>", "<head>[]<p>", "injected at 6\n", nil},
		{"fetch", "<head>", "<head>", "skipped: fetch\n", []string{"--request-header", "Sec-Fetch-Dest: empty"}},
		{"image", "<head>", "<head>", "skipped: not-html\n", []string{"--content-type", "image/png"}},
		{"not found", "<p>", "[]<p>", "injected at 0\n", []string{"--status", "404"}},
		{"fragment", "<td>x", "<td>x", "skipped: not-a-document\n", nil},
		{"broken", "no gzip", "no gzip", "skipped: broken\n", []string{"--content-encoding", "gzip"}},
		{"headers", "<p>", "[]<p>", "injected at 0\n", []string{"--header", `ETag: "x"`, "--headers-out", headers}},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"inject", "--tag", "[]"}, test.args...)
			r := ctlive(t, strings.NewReader(test.in), args...)
			if r.code != 0 || r.stdout != test.out || r.stderr != test.verdict {
				t.Errorf("%d, %q, %q; want %q, %q", r.code, r.stdout, r.stderr, test.out, test.verdict)
			}
		})
	}
	written, err := os.ReadFile(headers)
	if err != nil || !strings.Contains(string(written), `ETag: "x~cs.`) && !strings.Contains(string(written), `Etag: "x~cs.`) {
		t.Errorf("headers: %s, %v", written, err)
	}
}
