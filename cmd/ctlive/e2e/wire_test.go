package e2e

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// raw sends a request as it stands and returns what comes back on the connection.
func raw(t *testing.T, url, request string) *bufio.Reader {
	t.Helper()
	_, answer := dial(t, url, request)
	return answer
}

func dial(t *testing.T, url, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// TestTargetVerbatim: the origin sees path, query and host as the visitor sent them.
func TestTargetVerbatim(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Host, r.RequestURI)
	}))
	defer origin.Close()
	p := startProxy(t, origin.URL, "")
	for _, target := range []string{
		"/", "//", "//evil/x", "/a//b", "/a/../b", "/a/./b", "/%2e%2e/x", "/a%2Fb", "/a%zz", "/x?", "/?a=1;b=2", "/?%zz",
		"/a|b", "/[x]", "/ü", "/a\"b", "/a{b}", "/a^b`c", "/a;b=c", "/%00", "/.ctlive", "/..ctlive/events", "/x/../.ctlive/events",
	} {
		if strings.Contains(target, "%zz") && !strings.Contains(target, "?") {
			continue // net/http refuses it: 400
		}
		answer := raw(t, p.url, "GET "+target+" HTTP/1.1\r\nHost: A.Test:81\r\nConnection: close\r\n\r\n")
		res, err := http.ReadResponse(answer, nil)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if got, want := body(t, res), "A.Test:81 "+target; got != want {
			t.Errorf("origin saw %q, want %q", got, want)
		}
	}
}

// TestReservedPath: nothing under the prefix reaches the origin, however it is spelt.
func TestReservedPath(t *testing.T) {
	asked := make(chan string, 10)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked <- r.RequestURI }))
	defer origin.Close()
	p := startProxy(t, origin.URL, "")
	for path, status := range map[string]int{
		"/.ctlive/": 404, "/.ctlive/x": 404, "/.ctlive/events": 405, "/%2Ectlive/events": 404, "/.ctlive/%65vents": 404,
		"/.ctlive/events/": 404, "/.ctlive/listener.js": 200, "/.ctlive/listener.js/x": 404,
	} {
		res, err := http.ReadResponse(raw(t, p.url, "GET "+path+" HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"), nil)
		if err != nil || res.StatusCode != status {
			t.Errorf("%s: %v, %v; want %d", path, res, err, status)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the origin was asked for %s", <-asked)
	}
}

// TestUpgrade: a WebSocket is a pair of streams, whoever is between its ends.
func TestUpgrade(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", r.Header.Get("Upgrade"))
		w.WriteHeader(http.StatusSwitchingProtocols)
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		line, _ := rw.ReadString('\n')
		rw.WriteString("echo " + line)
		rw.Flush()
	}))
	defer origin.Close()
	p := startProxy(t, origin.URL, "")
	c, r := dial(t, p.url, "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nhello\n")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	io.WriteString(c, "hello\n")
	if line, err := r.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

// TestHintsAndTrailers: 1xx answers and trailers go through, Alt-Svc does not.
func TestHintsAndTrailers(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</x.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Alt-Svc", `h3=":443"`)
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><p>x")
		w.Header().Set("X-Sum", "1")
	}))
	defer origin.Close()
	p := startProxy(t, origin.URL, "")
	r := raw(t, p.url, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	hints, err := http.ReadResponse(r, nil)
	if err != nil || hints.StatusCode != http.StatusEarlyHints || hints.Header.Get("Link") == "" {
		t.Fatalf("first answer: %v, %v", hints, err)
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(body(t, res), "data-ctlive") || res.Trailer.Get("X-Sum") != "1" || res.Header.Get("Alt-Svc") != "" {
		t.Errorf("header %v, trailer %v", res.Header, res.Trailer)
	}
}

// codings compress and decompress as an origin and a visitor would.
var codings = map[string]struct {
	writer func(io.Writer) flushWriter
	reader func(io.Reader) (io.Reader, error)
}{
	"identity": {func(w io.Writer) flushWriter { return plainWriter{w} }, func(r io.Reader) (io.Reader, error) { return r, nil }},
	"gzip":     {func(w io.Writer) flushWriter { return gzip.NewWriter(w) }, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	"deflate":  {func(w io.Writer) flushWriter { return zlib.NewWriter(w) }, func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }},
	"deflate (raw)": {
		func(w io.Writer) flushWriter { f, _ := flate.NewWriter(w, 6); return f },
		func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil },
	},
	"br": {func(w io.Writer) flushWriter { return brotli.NewWriter(w) }, func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }},
	"zstd": {
		func(w io.Writer) flushWriter { z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)); return z },
		func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
	},
}

type flushWriter interface {
	io.WriteCloser
	Flush() error
}

type plainWriter struct{ io.Writer }

func (plainWriter) Flush() error { return nil }
func (plainWriter) Close() error { return nil }

// TestPieces: the visitor has what the origin has flushed while the origin still
// holds back the rest, in any coding.
func TestPieces(t *testing.T) {
	pieces := []string{"<!doctype html>", "<html><head>", "<title>x</title></head><body><p>one", "<p>two", "<p>three</html>"}
	for name, coding := range codings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan bool, 1)
			origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				if token, _, _ := strings.Cut(name, " "); token != "identity" {
					w.Header().Set("Content-Encoding", token)
				}
				out := coding.writer(w)
				defer out.Close()
				for _, piece := range pieces {
					io.WriteString(out, piece)
					out.Flush()
					http.NewResponseController(w).Flush()
					select {
					case <-seen:
					case <-time.After(5 * time.Second):
						t.Errorf("the visitor does not get %q", piece)
						return
					}
				}
			}))
			defer origin.Close()
			p := startProxy(t, origin.URL, "")
			page, err := coding.reader(get(t, p.url+"/", "Accept-Encoding", "gzip, deflate, br, zstd").Body)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			buf := make([]byte, 64<<10)
			for _, piece := range pieces {
				for err == nil && !strings.Contains(got, piece) {
					var n int
					n, err = page.Read(buf)
					got += string(buf[:n])
				}
				if err == nil {
					seen <- true
				}
			}
			if !strings.Contains(got, "<head><script data-ctlive") {
				t.Errorf("not injected: %q, %v", got, err)
			}
		})
	}
}
