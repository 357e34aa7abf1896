package accept

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// browser is a request as a browser sends it.
const browser = "GET /shop/articles?page=2 HTTP/1.1\r\nHost: www.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: it-IT,it;q=0.8,en-US;q=0.5,en;q=0.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Referer: https://www.example.com/shop\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n" +
	"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n\r\n"

// endless is a client that sends the same again and again.
type endless struct {
	net.Conn
	b string
}

func (e endless) Read(p []byte) (int, error)      { return copy(p, e.b), nil }
func (e endless) SetReadDeadline(time.Time) error { return nil }

func BenchmarkGuard(b *testing.B) {
	c := newTestConn(endless{b: browser})
	p := make([]byte, 4096)
	b.SetBytes(int64(len(browser)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := c.Read(p); n != len(browser) || err != nil {
			b.Fatal(n, err)
		}
		c.state(http.StateIdle)
	}
}

func TestGuardAllocatesNothing(t *testing.T) {
	c := newTestConn(endless{b: browser})
	p := make([]byte, 4096)
	if n := testing.AllocsPerRun(1000, func() {
		c.Read(p)
		c.state(http.StateIdle)
	}); n != 0 {
		t.Errorf("%v allocations for a request", n)
	}
}

func BenchmarkChunked(b *testing.B) {
	c := newTestConn(endless{b: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + string(make([]byte, 2048)) + "\r\n0\r\n\r\n"})
	p := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		c.Read(p)
		c.state(http.StateIdle)
	}
}

func BenchmarkFrames(b *testing.B) {
	f := frames{seen: preface}
	data := append([]byte{0, 0x10, 0, typeData, 0, 0, 0, 0, 1}, make([]byte, 4096)...)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		f.scan(data, time.Now)
	}
}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

// BenchmarkKeepAlive compares a request over a connection that is kept, through
// all of a Server and through net/http's alone.
func BenchmarkKeepAlive(b *testing.B) {
	b.Run("accept", func(b *testing.B) {
		e := newEdge(b, false, http.HandlerFunc(hello), nil)
		keepAlive(b, e.addr)
	})
	b.Run("net-http", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(hello)}
		go s.Serve(l)
		defer s.Close()
		keepAlive(b, l.Addr().String())
	})
}

func keepAlive(b *testing.B, addr string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	br := bufio.NewReader(conn)
	b.ReportAllocs()
	for b.Loop() {
		io.WriteString(conn, browser)
		for { // up to the empty line
			line, err := br.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
		}
		br.Discard(len("hello"))
	}
}
