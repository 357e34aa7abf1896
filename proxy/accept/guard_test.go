package accept

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

var bodies = []struct {
	name, body string
	want       *Fault
}{
	{"empty", "0\r\n\r\n", nil},
	{"two chunks", "3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n", nil},
	{"leading zeros", "0003\r\nabc\r\n000\r\n\r\n", nil},
	{"extensions", "3;a=b;c=\"d e\"\r\nabc\r\n0;x\r\n\r\n", nil},
	{"trailers", "0\r\nX: y\r\nZ:\r\n\r\n", nil},
	{"data like a chunk", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", nil},

	{"edge 10 0x2", "0x2\r\nab\r\n0\r\n\r\n", faultChunkSize},
	{"edge 10 minus", "-1\r\nab\r\n0\r\n\r\n", faultChunkSize},
	{"edge 10 underscore", "1_0\r\nab\r\n0\r\n\r\n", faultChunkSize},
	{"edge 10 overflow", "10000000000000002\r\nab\r\n0\r\n\r\n", faultChunkSize},
	{"edge 10 no size", "\r\nab\r\n0\r\n\r\n", faultChunkSize},
	{"edge 10 bare LF behind the size", "2\nab\r\n0\r\n\r\n", faultChunkSize},
	{"edge 10 space behind the size", "2 \r\nab\r\n0\r\n\r\n", faultChunkSize},
	{"edge 10 bare LF in an extension", "2;a\nab\r\n0\r\n\r\n", faultChunkLine},
	{"edge 10 bare CR in an extension", "2;a\rb\r\nab\r\n0\r\n\r\n", faultChunkLine},
	{"edge 10 NUL in an extension", "2;\x00\r\nab\r\n0\r\n\r\n", faultChunkLine},
	{"edge 10 CR without LF", "2\rab\r\n0\r\n\r\n", faultChunkLine},
	{"edge 10 nothing behind the data", "2\r\nab0\r\n\r\n", faultChunkData},
	{"edge 10 LF behind the data", "2\r\nab\n0\r\n\r\n", faultChunkData},
	{"edge 10 CR behind the data", "2\r\nab\rX0\r\n\r\n", faultChunkData},
	{"long extension", "2;" + strings.Repeat("a", maxChunkLine) + "\r\nab\r\n0\r\n\r\n", faultChunkLine},
	{"many extensions", strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\na\r\n", 18) + "0\r\n\r\n", faultChunkLine},
	{"bare LF at the end", "0\r\n\n", faultTrailer},
	{"CR CR at the end", "0\r\n\r\r\n", faultTrailer},
	{"bare LF in the trailer", "0\r\nX: y\n\r\n", faultTrailer},
	{"space in a trailer's name", "0\r\nX : y\r\n\r\n", faultTrailer},
	{"trailer without colon", "0\r\nX\r\n\r\n", faultTrailer},
	{"folded trailer", "0\r\nX: y\r\n z\r\n\r\n", faultTrailer},
	{"NUL in the trailer", "0\r\nX: \x00\r\n\r\n", faultTrailer},
	{"long trailer", "0\r\nX: " + strings.Repeat("y", maxTrailer) + "\r\n\r\n", faultTrailer},
}

func TestChunks(t *testing.T) {
	for _, tt := range bodies {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 100, len(tt.body)} {
				var c chunks
				n, fault := 0, (*Fault)(nil)
				for n < len(tt.body) && fault == nil && c.state != atEnd {
					var k int
					k, fault = c.scan([]byte(tt.body[n:min(n+size, len(tt.body))]))
					n += k
				}
				if fault != tt.want || fault == nil && (n != len(tt.body) || c.state != atEnd) {
					t.Fatalf("size %d: %d of %d bytes, fault %v, want %v", size, n, len(tt.body), fault, tt.want)
				}
			}
		})
	}
}

// A body that we take, net/http takes; one that we refuse it refuses too, once
// poison stands in for the rest, wherever the cut is.
func TestPoison(t *testing.T) {
	for _, tt := range bodies {
		var c chunks
		n, fault := c.scan([]byte(tt.body))
		sent := tt.body[:n]
		if fault != nil {
			sent += poison
		}
		_, err := readChunked(sent)
		if (err == nil) != (fault == nil) {
			t.Errorf("%s: net/http says %v for %q", tt.name, err, sent)
		}
	}
}

// Poison works wherever it stands, not only where a table has a fault.
func TestPoisonEverywhere(t *testing.T) {
	body := "3;x=y\r\nabc\r\n0;z\r\nX-A: b\r\nX-B: c\r\n\r\n"
	for i := range len(body) {
		var c chunks
		if c.scan([]byte(body[:i])); c.state == inData {
			continue // no fault can be there
		}
		if b, err := readChunked(body[:i] + poison + "GET / HTTP/1.1\r\n\r\n"); err == nil || err == io.ErrUnexpectedEOF {
			t.Errorf("behind %q net/http reads %q, %v", body[:i], b, err)
		}
	}
}

func readChunked(s string) ([]byte, error) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + s)))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r.Body)
}

// randomRequest returns a valid request and what its body holds.
func randomRequest(rnd *rand.Rand) (raw, body string) {
	var b strings.Builder
	data := strings.Repeat("0\r\n\r\nGET /x HTTP/1.1\r\n", rnd.IntN(400))[:]
	fmt.Fprintf(&b, "POST /%d HTTP/1.1\r\nHost: a.test\r\nX: %s\r\n", rnd.Int(), strings.Repeat("y", rnd.IntN(6000)))
	switch rnd.IntN(3) {
	case 0:
		b.WriteString("\r\n")
		return b.String(), ""
	case 1:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(data), data)
		return b.String(), data
	}
	b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
	for rest := data; rest != ""; {
		n := 1 + rnd.IntN(min(len(rest), 3000))
		fmt.Fprintf(&b, "%x;e=f\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	b.WriteString("0\r\n")
	if rnd.IntN(2) == 0 {
		b.WriteString("X-Trailer: y\r\n")
	}
	b.WriteString("\r\n")
	return b.String(), data
}

// pieces is a net.Conn from which a client's bytes come in random pieces.
type pieces struct {
	net.Conn
	rnd *rand.Rand
	b   []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := min(len(b), len(p.b), 1+p.rnd.IntN(1<<p.rnd.IntN(14)))
	n = copy(b, p.b[:n])
	p.b = p.b[n:]
	return n, nil
}

func (p *pieces) SetReadDeadline(time.Time) error { return nil }

// Whatever valid requests come in, cut anywhere and read by any amount, net/http
// gets their bytes.
func TestTransparent(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var requests []string
		var all string
		for range 1 + rnd.IntN(5) {
			raw, _ := randomRequest(rnd)
			requests = append(requests, raw)
			if rnd.IntN(4) == 0 {
				all += "\r\n" // RFC 9112 2.2
			}
			all += raw
		}
		c := newTestConn(&pieces{rnd: rnd, b: []byte(all)})
		for i, want := range requests {
			var got []byte
			for len(got) < len(want) {
				p := make([]byte, 1+rnd.IntN(1<<rnd.IntN(14)))
				n, err := c.Read(p)
				if got = append(got, p[:n]...); err != nil {
					t.Fatalf("seed %d, request %d: %v after %d of %d bytes", seed, i, err, len(got), len(want))
				}
			}
			if string(got) != want || c.fault != nil || c.guard.phase != complete {
				t.Fatalf("seed %d, request %d: got %d bytes, want %d; fault %v", seed, i, len(got), len(want), c.fault)
			}
			c.state(http.StateIdle)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("seed %d: %d bytes at the end, %v", seed, n, err)
		}
	}
}

func newTestConn(nc net.Conn) *conn {
	s := &Server{limits: Limits{}.withDefaults()}
	return newConn(&link{Conn: nc, server: s}, nc, nil)
}

// FuzzGuard: what is let through is the beginning of what came in, and where
// the guard sees a request's end, net/http sees it.
func FuzzGuard(f *testing.F) {
	for _, tt := range heads {
		f.Add([]byte(tt.head), uint8(3))
	}
	for _, tt := range bodies {
		f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+tt.body+"GET / HTTP/1.1\r\nHost: b\r\n\r\n"), uint8(200))
	}
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: b\r\n\r\n"), uint8(9))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		end, fault := guardBy(in, int(size)+1)
		whole, same := guardBy(in, len(in)+1)
		if end != whole || fault != same {
			t.Fatalf("in pieces: %d, %v; at once: %d, %v", end, fault, whole, same)
		}
		if end == 0 {
			return
		}
		src := bytes.NewReader(in)
		br := bufio.NewReader(src)
		r, err := http.ReadRequest(br)
		if err != nil {
			return // net/http has more to object to, in the target
		}
		_, err = io.Copy(io.Discard, r.Body)
		if read := len(in) - src.Len() - br.Buffered(); err == nil && read != end {
			t.Fatalf("net/http reads %d bytes, the guard %d", read, end)
		} else if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("net/http reads no body: %v", err)
		}
	})
}

// guardBy returns the length of the first request, 0 unless it is whole.
func guardBy(in []byte, size int) (end int, fault *Fault) {
	var g guard
	for from, to := 0, 0; ; {
		n, fault := g.admit(in[from:to])
		if n < 0 || n > to-from {
			panic("more admitted than there is")
		}
		from += n
		switch {
		case fault != nil:
			return 0, fault
		case g.phase == complete:
			return from, nil
		case to == len(in):
			return 0, nil
		}
		to = min(to+size, len(in))
	}
}
