package e2e

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// manual is a site that somebody else wrote: the Debian Policy Manual.
const manual = "/usr/share/doc/debian-policy"

// TestForeignSites: in front of a server and pages that others wrote, every page
// is injected, and apart from the markup every byte is the origin's.
func TestForeignSites(t *testing.T) {
	if _, err := os.Stat(manual); err != nil {
		t.Skipf("SKIP: debian-policy is not installed: %v", err)
	}
	t.Run("nginx", func(t *testing.T) { crawl(t, startNginx(t)) })
	t.Run("python", func(t *testing.T) { crawl(t, startPython(t)) })
}

// crawl compares the origin's files, direct and through the proxy, in each coding.
func crawl(t *testing.T, origin string) {
	p := startProxy(t, origin, "")
	pages, others := 0, 0
	for _, path := range sitePaths(t) {
		for _, coding := range []string{"gzip", "identity"} {
			direct := get(t, origin+path, "Accept-Encoding", coding)
			proxied := get(t, p.url+path, "Accept-Encoding", coding)
			want, got := plain(t, direct), plain(t, proxied)
			if !strings.HasPrefix(direct.Header.Get("Content-Type"), "text/html") {
				others++
				if got != want {
					t.Errorf("%s (%s): changed", path, coding)
				}
				continue
			}
			pages++
			without, injected := withoutMarkup(got)
			if !injected || without != want {
				t.Errorf("%s (%s): injected is %t; without the markup it is the origin's: %t", path, coding, injected, without == want)
			}
		}
	}
	t.Logf("%d pages and %d other answers compared", pages, others)
	if pages < 20 {
		t.Errorf("only %d pages", pages)
	}
}

// sitePaths returns the URL paths of up to 60 files of the manual.
func sitePaths(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(manual, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && len(paths) < 60 {
			paths = append(paths, strings.TrimPrefix(path, manual))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// plain returns the body of res without its coding.
func plain(t *testing.T, res *http.Response) string {
	t.Helper()
	name := res.Header.Get("Content-Encoding")
	if name == "" {
		name = "identity"
	}
	r, err := codings[name].reader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// withoutMarkup takes the one run of our script elements out of a page.
func withoutMarkup(page string) (rest string, injected bool) {
	before, after, found := strings.Cut(page, "<script data-ctlive")
	if !found {
		return page, false
	}
	_, after, found = strings.Cut(after, "</script>")
	return before + after, found && !strings.Contains(after, "data-ctlive")
}

func startNginx(t *testing.T) string {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if nginx = "/usr/sbin/nginx"; !exists(nginx) {
			t.Skip("SKIP: nginx is not installed")
		}
	}
	dir, addr := t.TempDir(), freeAddr(t)
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events {}
http {
	access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	types { text/html html; text/css css; application/javascript js; application/gzip gz; image/svg+xml svg; }
	gzip on; gzip_types text/css application/javascript;
	server { listen %[2]s; root %[3]s; disable_symlinks off; }
}`, dir, addr, manual)
	if err := os.WriteFile(dir+"/nginx.conf", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, addr, nginx, "-p", dir, "-c", dir+"/nginx.conf")
	return "http://" + addr
}

func startPython(t *testing.T) string {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIP: python3 is not installed")
	}
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	start(t, addr, python, "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", manual)
	return "http://" + addr
}

// start runs a server until the test ends and waits until it answers at addr.
func start(t *testing.T, addr, command string, args ...string) {
	t.Helper()
	c := exec.Command(command, args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatalf("%s does not answer at %s: %s", command, addr, &stderr)
}

// freeAddr returns a loopback address that nothing listened on a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
