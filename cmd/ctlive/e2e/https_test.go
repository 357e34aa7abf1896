package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestHTTPS: a browser that trusts the internal CA takes a visitor through a chat
// on the demo site with HTTP/2 and with HTTP/3: all eight events are stored, once
// each, in order, and every request was made by the protocol meant.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("certutil"); err != nil {
		t.Skip("SKIP: certutil, of libnss3-tools, is not installed")
	}
	site := startDemoSite(t)
	for _, protocol := range []string{"h2", "h3"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			c := newInternal(t, site)
			c.hosts = "[shop.test]"
			_, port, _ := strings.Cut(c.https, ":")
			host := "shop.test:" + port
			c.more = fmt.Sprintf("tenant: demo, sdk: %q", "https://"+host+"/livechat/{tenant}/lib/livechatsdk.js")
			p, _ := c.run(t)
			ctx := browser(t, trusting(t, p.rootFile(t, c.data), host, protocol)...)
			do(t, ctx, chromedp.Navigate("https://"+host+"/"))
			evaluate[bool](t, ctx, walk)
			if got := awaitTypes(t, c.data, len(walked)); !slices.Equal(got, walked) {
				t.Errorf("stored %q, want %q", got, walked)
			}
			for url, got := range protocols(t, ctx) {
				if got != protocol {
					t.Errorf("%s by %q", url, got)
				}
			}
			screenshot(t, ctx)
		})
	}
}

// startDemoSite runs the demo site alone and returns its URL.
func startDemoSite(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "demosite")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "cmd/ctlive/e2e/testdata/demosite/main.go")
	build.Dir = "../../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := exec.Command(program)
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
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + strings.TrimSpace(line)
}

// trusting are the options of a browser that finds host on this machine, trusts
// the CA in the file root, and speaks protocol, "h2" or "h3", with host.
func trusting(t *testing.T, root, host, protocol string) []chromedp.ExecAllocatorOption {
	t.Helper()
	home := t.TempDir()
	store := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(store, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-n", "internal", "-t", "C,,", "-i", root}} {
		c := exec.CommandContext(t.Context(), "certutil", append([]string{"-d", "sql:" + store}, args...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("certutil: %v\n%s", err, out)
		}
	}
	name, _, _ := strings.Cut(host, ":")
	options := []chromedp.ExecAllocatorOption{
		chromedp.Env("HOME=" + home),
		chromedp.Flag("host-resolver-rules", "MAP "+name+" 127.0.0.1"),
	}
	if protocol == "h3" {
		// An Alt-Svc is not followed to a CA that the browser was not delivered with.
		options = append(options, chromedp.Flag("disable-quic", false), chromedp.Flag("origin-to-force-quic-on", host))
	}
	return options
}

// protocols returns the protocol of every request of the page, by URL.
func protocols(t *testing.T, ctx context.Context) map[string]string {
	t.Helper()
	seen := evaluate[map[string]string](t, ctx, `return Object.fromEntries([
		...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource"),
	].map(e => [e.name, e.nextHopProtocol]))`)
	if len(seen) < 4 { // the page, its style, the listener, the SDK
		t.Errorf("only %d requests: %v", len(seen), seen)
	}
	return seen
}

// screenshot keeps a picture of the page for as long as the test runs.
func screenshot(t *testing.T, ctx context.Context) {
	t.Helper()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "page.png")
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		t.Fatal(err)
	}
	if len(picture) < 10_000 {
		t.Errorf("the picture has only %d bytes", len(picture))
	}
}
