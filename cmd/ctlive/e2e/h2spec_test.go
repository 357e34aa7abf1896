package e2e

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// h2spec is a conformance test for HTTP/2 servers that others wrote.
const h2spec = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"

// lenient are the cases that net/http fails, which speaks HTTP/2 for us.
var lenient = map[string]string{
	"http2/4.2: Sends a DATA frame with 2^14 octets in length":                             "the frame has the 1 MiB that net/http announces, more than the window allows: h2spec's own mistake",
	"http2/4.2: Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE": "the frame has less than the 1 MiB that net/http announces; it is answered with 431",
	"http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE":                   "net/http ends a connection that sets the same value twice in one frame, which no client does",

	// Malformed requests are answered with 400 and end there. A server may answer
	// before it resets the stream (RFC 9113, 8.1.1); net/http leaves out the reset.
	"http2/8.1.2.2: Sends a HEADERS frame that contains the connection-specific header field":                     "400 instead of a reset",
	`http2/8.1.2.2: Sends a HEADERS frame that contains the TE header field with any value other than "trailers"`: "400 instead of a reset",
}

// TestH2Spec: what the proxy fails, a bare http.Server with the same limits fails,
// too, and for a reason that is known.
func TestH2Spec(t *testing.T) {
	t.Parallel()
	tool := installH2Spec(t)
	origin := serveHandler(t, echoOrigin("a"))
	bare := bareServer(t)
	c := newInternal(t, origin)
	c.run(t)

	var ours, theirs map[string]bool
	var both sync.WaitGroup
	both.Go(func() { ours, _ = failedCases(t, tool, c.url()) })
	both.Go(func() { theirs, _ = failedCases(t, tool, bare.URL) })
	both.Wait()
	for name := range ours {
		switch {
		case lenient[name] == "" && failsAgain(t, tool, c.url(), name):
			t.Errorf("failed: %s", name)
		case lenient[name] != "" && !theirs[name]:
			t.Errorf("failed, while net/http alone does not fail: %s", name)
		}
	}
	t.Logf("failed by the proxy: %d, by net/http: %d", len(ours), len(theirs))
}

// failsAgain runs the section of a case that has failed. What some cases find
// depends on whether the answer is faster than their next frame.
func failsAgain(t *testing.T, tool, base, name string) bool {
	section, _, _ := strings.Cut(name, ":")
	failed, ran := failedCases(t, tool, base, section)
	return ran == 0 || failed[name]
}

func installH2Spec(t *testing.T) (tool string) {
	t.Helper()
	dir := t.TempDir()
	install := exec.CommandContext(t.Context(), "go", "install", h2spec)
	install.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0")
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("SKIP: h2spec cannot be had: %v\n%s", err, out)
	}
	return filepath.Join(dir, "h2spec")
}

// bareServer runs net/http alone with the limits that the proxy gives it.
func bareServer(t *testing.T) *httptest.Server {
	s := httptest.NewUnstartedServer(echoOrigin("bare"))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ReadHeaderTimeout = 10 * time.Second
	s.Config.IdleTimeout = 120 * time.Second
	s.Config.MaxHeaderBytes = 16 << 10
	s.Config.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams: 100, MaxReceiveBufferPerConnection: 1 << 20, MaxReceiveBufferPerStream: 256 << 10,
		SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: 60 * time.Second,
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// failedCases runs the cases of the sections, or all, against the server at base.
// It returns the names of those that failed, as "section: title".
func failedCases(t *testing.T, tool, base string, sections ...string) (failed map[string]bool, ran int) {
	u, err := url.Parse(base)
	if err != nil {
		t.Error(err)
		return nil, 0
	}
	report := filepath.Join(t.TempDir(), "report.xml")
	args := append([]string{"--tls", "--insecure", "-h", u.Hostname(), "-p", u.Port(), "-j", report}, sections...)
	out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Error(err)
		return nil, 0
	}
	failed, ran, err = readReport(report)
	if err != nil || ran < 140 && len(sections) == 0 {
		t.Errorf("%d cases, %v\n%s", ran, err, out)
	}
	return failed, ran
}

// readReport reads a report in the form of JUnit.
func readReport(file string) (failed map[string]bool, ran int, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, 0, err
	}
	var report struct {
		Suites []struct {
			Cases []struct {
				Package string    `xml:"package,attr"`
				Title   string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &report); err != nil {
		return nil, 0, fmt.Errorf("read report: %w", err)
	}
	failed = map[string]bool{}
	for _, suite := range report.Suites {
		for _, c := range suite.Cases {
			ran++
			if c.Failure != nil || c.Error != nil {
				failed[c.Package+": "+c.Title] = true
			}
		}
	}
	return failed, ran, nil
}
