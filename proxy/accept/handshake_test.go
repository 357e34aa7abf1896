package accept

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// edge 46: a handshake that stalls is given up, at whichever byte.
func TestStalledHandshake(t *testing.T) {
	e := newEdge(t, true, nil, func(o *Options) { o.Limits.Handshake = 200 * time.Millisecond })
	for _, start := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"} {
		conn, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, start)
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("%q: %v", start, err)
		}
	}
	e.waitRefused("handshake")
}

// HTTP on the TLS port is told so.
func TestPlainOnTLS(t *testing.T) {
	e := newEdge(t, true, nil, nil)
	for _, size := range []int{1, 1 << 20} {
		conn, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		send(t, conn, browser, size)
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		if b, err := io.ReadAll(conn); string(b) != plainAnswer || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	}
	e.waitRefused("handshake")
}

func TestALPN(t *testing.T) {
	e := newEdge(t, true, nil, nil)
	for _, tt := range []struct {
		protocols []string
		want      string
	}{
		{nil, "HTTP/1.1 200"},
		{[]string{"http/1.1"}, "HTTP/1.1 200"},
		{[]string{"acme-tls/1"}, ""},
	} {
		e.client.NextProtos = tt.protocols
		conn := e.dial()
		if err := conn.(*tls.Conn).Handshake(); err != nil {
			t.Fatal(err)
		}
		send(t, conn, strings.Replace(good, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1), 1<<20)
		b, _ := io.ReadAll(conn)
		if got := string(b); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%q: %q", tt.protocols, got)
		}
	}
}

// An unfinished handshake does not keep a shutdown waiting for ever.
func TestCloseInHandshake(t *testing.T) {
	e := newEdge(t, true, nil, nil)
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	time.Sleep(20 * time.Millisecond)
	start := time.Now()
	e.Close()
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("closed after %v", d)
	}
}
