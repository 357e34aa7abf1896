package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lastingOrigin is an echoOrigin that also has what does not end by itself: at /ws
// a WebSocket that sends back what it gets, at /sse events. At /slow is an answer
// that takes its time, at /endless one that takes for ever.
func lastingOrigin(name string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", echoOrigin(name))
	mux.HandleFunc("/ws", serveSocket)
	mux.HandleFunc("/sse", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			io.WriteString(w, "data: tick\n\n")
			http.NewResponseController(w).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for range 20 {
			io.WriteString(w, "0123456789")
			http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "0123456789")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	return mux
}

func serveSocket(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") // for the key in openSocket (RFC 6455, 1.3)
	w.WriteHeader(http.StatusSwitchingProtocols)
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	io.Copy(c, rw)
}

// socket is a visitor's WebSocket.
type socket struct {
	net.Conn
	answers *bufio.Reader
}

// openSocket opens the one at /ws, over TLS.
func openSocket(t *testing.T, addr string, roots *x509.CertPool) socket {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "localhost", RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	s := socket{c, bufio.NewReader(c)}
	res, err := http.ReadResponse(s.answers, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("WebSocket: %v, %v", res, err)
	}
	return s
}

// echoes sends text in a frame, masked with zeros, and expects it back.
func (s socket) echoes(t *testing.T, text string) {
	t.Helper()
	frame := append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
	s.Write(frame)
	got := make([]byte, len(frame))
	if _, err := io.ReadFull(s.answers, got); err != nil || !bytes.Equal(got, frame) {
		t.Errorf("WebSocket: got %q, %v; want %q", got, err, frame)
	}
}

// launch starts a proxy by a command of its own; ready waits until it serves.
func launch(t *testing.T, c *exec.Cmd, config string) (p *proxy, ready func()) {
	t.Helper()
	p = &proxy{config: config, log: &lockedBuffer{}, cmd: c}
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p, func() { p.await(t, stderr) }
}

// TestDrain: after SIGTERM whatever is under way comes to a good end, each in its
// own way, and nobody else gets in.
func TestDrain(t *testing.T) {
	t.Parallel()
	origin := serveHandler(t, lastingOrigin("a"))
	c := newInternal(t, origin)
	p, roots := c.run(t)
	ws := openSocket(t, c.https, roots)
	ws.echoes(t, "hello")
	lasting := map[string]io.Reader{}
	for _, caller := range callers(t, c.https, roots) {
		for _, path := range []string{"/sse", "/slow"} {
			res, err := caller.client.Get(c.url() + path)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			lasting[caller.name+path] = res.Body
		}
	}
	began := time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if got, err := io.ReadAll(ws.answers); err != nil || !bytes.Equal(got, []byte{0x88, 2, 1001 >> 8, 1001 & 0xff}) {
		t.Errorf("WebSocket: got %x, %v; want a Close frame that says 1001", got, err)
	}
	for name, answer := range lasting {
		got, err := io.ReadAll(answer)
		if err != nil || strings.HasSuffix(name, "/slow") && len(got) != 200 || len(got) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if c, err := net.Dial("tcp", c.https); err == nil {
		t.Error("connected after the end")
		c.Close()
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("exit status: %v\n%s", err, p.log)
	}
	t.Logf("ended after %v", time.Since(began))
}

// TestGrace: what does not come to an end within the grace is broken off, and looks
// broken to its visitor.
func TestGrace(t *testing.T) {
	t.Parallel()
	origin := serveHandler(t, lastingOrigin("a"))
	c := newInternal(t, origin)
	c.grace = 2 * time.Second
	p, roots := c.run(t)
	endless := map[string]io.Reader{}
	for _, caller := range callers(t, c.https, roots) {
		res, err := caller.client.Get(c.url() + "/endless")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		endless[caller.name] = res.Body
	}
	began := time.Now()
	if err := p.stop(); err != nil {
		t.Errorf("exit status: %v\n%s", err, p.log)
	}
	if took := time.Since(began); took < c.grace || took > c.grace+3*time.Second {
		t.Errorf("ended after %v, the grace is %v", took, c.grace)
	}
	for name, answer := range endless {
		if got, err := io.ReadAll(answer); err == nil {
			t.Errorf("%s: ended well after %q", name, got)
		}
	}
}

// TestHandover: a proxy is told to stop and another one takes its place, under
// load. With sockets of its own, all that fails is new connections in between.
func TestHandover(t *testing.T) {
	origin := serveHandler(t, echoOrigin("a"))
	c := newInternal(t, origin)
	p, roots := c.run(t)
	load := startLoad(500, c.url(), callers(t, c.https, roots))
	time.Sleep(time.Second)
	began := time.Now()
	if err := p.stop(); err != nil {
		t.Errorf("exit status: %v\n%s", err, p.log)
	}
	ended := time.Now()
	c.run(t)
	ready := time.Now()
	time.Sleep(time.Second)
	failures := load.stop(t)
	none(t, unrefused(failures))
	for _, f := range failures {
		if f.began.Before(began.Add(-time.Second)) || f.began.After(ready) { // to connect takes some time
			t.Errorf("not during the handover: %v", f)
		}
	}
	t.Logf("stopped in %v, ready again %v later; %d connections refused", ended.Sub(began), ready.Sub(ended), len(failures))
}

// TestHandoverBySocket: with sockets that systemd holds for the proxy, nothing
// fails, whether the next one starts when the last one has ended, as with
// systemctl restart, or sooner.
func TestHandoverBySocket(t *testing.T) {
	for _, test := range []struct {
		name   string
		sooner bool
	}{{"after the end", false}, {"while it drains", true}} {
		t.Run(test.name, func(t *testing.T) {
			origin := serveHandler(t, echoOrigin("a"))
			c := newInternal(t, origin)
			config := filepath.Join(t.TempDir(), "ctlive.yaml")
			overwrite(t, config, c.yaml())
			shared := openSockets(t, c)
			// The second process is there from the beginning: to hand sockets to one
			// makes them blocking for a moment, for all who have them.
			p, first := shared.launch(t, config)
			_, second := shared.launch(t, config)
			first()
			roots := readPool(t, p.rootFile(t, c.data))
			await(t, "certificate", func() bool { _, err := shake(c.https, "localhost", roots); return err == nil })

			load := startLoad(500, c.url(), callers(t, c.https, roots))
			time.Sleep(time.Second)
			began := time.Now()
			p.cmd.Process.Signal(syscall.SIGTERM)
			if !test.sooner {
				p.cmd.Wait()
			}
			second()
			t.Logf("ready %v after SIGTERM", time.Since(began))
			if test.sooner {
				p.cmd.Wait()
			}
			time.Sleep(time.Second)
			none(t, load.stop(t))
			if code := p.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit status %d\n%s", code, p.log)
			}
		})
	}
}

// sockets are open before the proxy starts and stay open when it ends.
type sockets []*os.File

func openSockets(t *testing.T, c internal) (s sockets) {
	t.Helper()
	add := func(socket interface{ File() (*os.File, error) }, err error) {
		if err != nil {
			t.Fatal(err)
		}
		f, err := socket.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		s = append(s, f)
	}
	for _, addr := range []string{c.https, c.admin} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.ListenTCP("tcp", tcp)
		add(ln, err)
		ln.Close() // the file remains
	}
	udp, err := net.ResolveUDPAddr("udp", c.https)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp", udp)
	add(conn, err)
	conn.Close()
	return s
}

// launch starts a process that becomes a proxy, with the sockets as from systemd
// (sd_listen_fds(3)), when proceed is called, which waits until it serves.
func (s sockets) launch(t *testing.T, config string) (p *proxy, proceed func()) {
	t.Helper()
	c := exec.Command("sh", "-c", `read go; LISTEN_PID=$$ exec "$0" run --config "$1"`, binary, config)
	c.ExtraFiles = s
	c.Env = append(os.Environ(), fmt.Sprint("LISTEN_FDS=", len(s)), "LISTEN_FDNAMES=https:admin:quic")
	gate, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, ready := launch(t, c, config)
	return p, func() {
		io.WriteString(gate, "go\n")
		ready()
	}
}

// TestNotify: the service manager is told when the proxy is ready, reloads, and
// stops (sd_notify(3)).
func TestNotify(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "ctlive-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	notices, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notices.Close()
	c := newInternal(t, "http://127.0.0.1:9")
	config := filepath.Join(t.TempDir(), "ctlive.yaml")
	overwrite(t, config, c.yaml())
	run := exec.Command(binary, "run", "--config", config)
	run.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	p, ready := launch(t, run, config)
	ready()

	notified(t, notices, "READY=1")
	if r := ctlive(t, nil, "reload", "--config", config); r.code != 0 {
		t.Fatal(r.stderr)
	}
	notified(t, notices, "RELOADING=1", "MONOTONIC_USEC=")
	notified(t, notices, "READY=1")
	overwrite(t, config, "nonsense")
	p.cmd.Process.Signal(syscall.SIGHUP)
	notified(t, notices, "RELOADING=1", "MONOTONIC_USEC=")
	notified(t, notices, "READY=1") // as before
	p.cmd.Process.Signal(syscall.SIGTERM)
	notified(t, notices, "STOPPING=1")
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// notified expects a message that has each of lines, the next one that has any of
// READY, RELOADING and STOPPING.
func notified(t *testing.T, from *net.UnixConn, lines ...string) {
	t.Helper()
	buf := make([]byte, 4096)
	for {
		from.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := from.Read(buf)
		if err != nil {
			t.Fatalf("no message with %q: %v", lines, err)
		}
		message := "\n" + string(buf[:n])
		if !strings.Contains(message, "\nREADY=") && !strings.Contains(message, "\nRELOADING=") && !strings.Contains(message, "\nSTOPPING=") {
			continue // such as STATUS
		}
		for _, line := range lines {
			if !strings.Contains(message, "\n"+line) {
				t.Fatalf("told %q, want %q", message, lines)
			}
		}
		return
	}
}
