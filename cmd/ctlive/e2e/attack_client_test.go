package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// TestHalfClose: who says that it has sent all still gets its answer (edge 66).
func TestHalfClose(t *testing.T) {
	t.Parallel()
	origin := newRecorder(t, func(r *recorded) string {
		time.Sleep(300 * time.Millisecond)
		return echo(r)
	})
	for name, secure := range map[string]bool{"plain": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := besiege(t, secure, origin)
			for _, request := range []string{fetch(""), submit("Content-Length: 5\r\n", "hello"), chunks("5\r\nhello\r\n0\r\n\r\n"), fetch("") + fetch("Connection: close\r\n")} {
				c := b.connect(t, secure)
				io.WriteString(c, request)
				c.(interface{ CloseWrite() error }).CloseWrite()
				got, err := io.ReadAll(c)
				e := exchange{}
				e.read(bufio.NewReader(bytes.NewReader(got)), request)
				if want := bytes.Count([]byte(request), []byte("HTTP/1.1")); e.status != http.StatusOK || e.ends != want || e.fault != "" || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%q: %v %s, %v", request, e, e.fault, err)
				}
			}
			c := b.connect(t, secure)
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.te")
			c.(interface{ CloseWrite() error }).CloseWrite()
			if got, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("half a head, then the end: the connection stays open, %q", got)
			}
		})
	}
}

// TestExpect: the visitor is told to go on where the body is wanted, and only
// there (edge 20).
func TestExpect(t *testing.T) {
	t.Parallel()
	b := besiege(t, false, newRecorder(t, nil))
	for _, test := range []struct {
		name, head string
		status     int // the first answer
	}{
		{"wanted", "POST / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", 100},
		{"no such host", "POST / HTTP/1.1\r\nHost: evil.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 404},
		{"not a length", "POST / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: +5\r\n\r\n", 400},
		{"other expectation", "POST / HTTP/1.1\r\n" + host + "Expect: 200-ok\r\nContent-Length: 5\r\n\r\n", 417},
	} {
		c := b.connect(t, false)
		io.WriteString(c, test.head)
		in := bufio.NewReader(c)
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != test.status {
			t.Errorf("%s: %v, %v; want %d", test.name, res, err, test.status)
			continue
		}
		if test.status != 100 {
			continue
		}
		io.WriteString(c, "hello")
		if res, err = http.ReadResponse(in, nil); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s, then %v, %v", test.name, res, err)
		}
		if r := b.origin.await(t, 0, 1)[0]; r.body != "hello" || len(r.values("Expect")) > 0 {
			t.Errorf("the origin saw %q + %q", r.head, r.body)
		}
	}
}

// TestWebSocketDrain: at a stop each WebSocket is told so, by the Close frame of
// an endpoint that goes away, and the stop does not wait for it for ever (edge 74, 75).
func TestWebSocketDrain(t *testing.T) {
	t.Parallel()
	for name, secure := range map[string]bool{"plain": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := besiege(t, secure, newRecorder(t, nil))
			polite, in := b.openSocket(t, secure)
			silent, _ := b.openSocket(t, secure)
			text := []byte{0x81, 0x85, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'} // masked by nothing
			polite.Write(text)
			if got := make([]byte, len(text)); !readsExactly(in, got, text) {
				t.Fatalf("echo %x", got)
			}
			stopped := make(chan error, 1)
			begun := time.Now()
			go func() { stopped <- b.stop() }()
			goingAway := []byte{0x88, 2, 0x03, 0xe9} // 1001, RFC 6455 7.4.1
			if got := make([]byte, len(goingAway)); !readsExactly(in, got, goingAway) {
				t.Fatalf("got %x", got)
			}
			polite.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9})
			polite.Close()
			if _, err := io.Copy(io.Discard, silent); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("a silent WebSocket stays open")
			}
			if err := <-stopped; err != nil || time.Since(begun) > 9*time.Second {
				t.Errorf("stopped after %v: %v", time.Since(begun), err)
			}
		})
	}
}

func readsExactly(in io.Reader, got, want []byte) bool {
	_, err := io.ReadFull(in, got)
	return err == nil && bytes.Equal(got, want)
}

// openSocket makes a WebSocket.
func (b besieged) openSocket(t *testing.T, secure bool) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := b.connect(t, secure)
	c.SetDeadline(time.Now().Add(15 * time.Second))
	io.WriteString(c, fetch(upgrade))
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	return c, in
}
