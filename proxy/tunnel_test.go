package proxy

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// frame is a WebSocket frame as a server sends it, with n bytes of payload.
func frame(n int) []byte {
	f := []byte{0x82}
	switch {
	case n < 126:
		f = append(f, byte(n))
	case n < 1<<16:
		f = append(f, 126, byte(n>>8), byte(n))
	default:
		f = append(f, 127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(f, bytes.Repeat([]byte{0x88}, n)...)
}

// TestFrameCounter: however the frames are cut, their ends are found.
func TestFrameCounter(t *testing.T) {
	var stream []byte
	ends := map[int]bool{0: true}
	for _, n := range []int{0, 1, 125, 126, 127, 300, 65535, 65536, 2} {
		stream = append(stream, frame(n)...)
		ends[len(stream)] = true
	}
	masked := append([]byte{0x81, 0x83, 1, 2, 3, 4}, "abc"...)
	stream = append(stream, masked...)
	ends[len(stream)] = true
	for range 50 {
		var f frameCounter
		for at := 0; at < len(stream); {
			piece := stream[at:min(len(stream), at+1+rand.IntN(200))]
			for len(piece) > 0 {
				n := f.next(piece)
				f.pass(piece[:n])
				at, piece = at+n, piece[n:]
				if f.between() != ends[at] {
					t.Fatalf("at %d: between is %v", at, f.between())
				}
			}
		}
	}
}

// tunnelPair returns a tunnel and the visitor's end of it.
func tunnelPair(t *testing.T, d *drain, early string) (*tunnel, net.Conn) {
	server, visitor := net.Pipe()
	t.Cleanup(func() { visitor.Close() })
	reader := bufio.NewReader(strings.NewReader(early))
	reader.Peek(len(early))
	tunnel := newTunnel(server, reader, d)
	t.Cleanup(func() { tunnel.Close() })
	return tunnel, visitor
}

// TestTunnelGoodbye: the Close frame stands between two frames, nothing follows
// it, and the tunnel ends though the visitor says nothing.
func TestTunnelGoodbye(t *testing.T) {
	d := newDrain()
	tunnel, visitor := tunnelPair(t, d, "")
	tunnel.begin()
	got := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(visitor)
		got <- all
	}()
	f := frame(300)
	tunnel.Write(f[:100])
	tunnel.end()
	tunnel.Write(append(f[100:], frame(5)...))
	if n, err := tunnel.Write(frame(5)); n != 7 || err != nil {
		t.Errorf("a Write after the goodbye: %d %v", n, err)
	}
	tunnel.Close()
	if want, sent := append(f, goingAway...), <-got; !bytes.Equal(sent, want) {
		t.Errorf("the visitor got %d bytes, want %d", len(sent), len(want))
	}
}

// TestTunnelOpensLate: no Close frame comes before the answer 101.
func TestTunnelOpensLate(t *testing.T) {
	d := newDrain()
	d.begin()
	tunnel, visitor := tunnelPair(t, d, "early")
	go func() {
		tunnel.Conn.Write([]byte("101"))
		buf := make([]byte, 5)
		n, _ := tunnel.Read(buf)
		if string(buf[:n]) != "early" {
			t.Errorf("read %q", buf[:n])
		}
		tunnel.Close()
	}()
	if all, _ := io.ReadAll(visitor); string(all) != "101"+string(goingAway) {
		t.Errorf("the visitor got %q", all)
	}
}

func TestTunnelStuckVisitor(t *testing.T) {
	d := newDrain()
	tunnel, _ := tunnelPair(t, d, "")
	go tunnel.Write(frame(10)) // nobody reads
	time.Sleep(10 * time.Millisecond)
	start := time.Now()
	tunnel.end()
	if took := time.Since(start); took > 2*farewell {
		t.Errorf("it took %s", took)
	}
}
