package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// pair returns both ends of a TCP connection.
func pair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func TestConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		near, far := pair(t)
		return New(near), New(far), func() { near.Close(); far.Close() }, nil
	})
}

// Whatever the sizes of the two parts, and however little the kernel takes at a
// time, both arrive whole and in order.
func TestWrite2(t *testing.T) {
	content := make([]byte, 2*maxTransfer+5000)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	for _, first := range []int{0, 1, 400, 32 << 10, maxTransfer - 1, maxTransfer, maxTransfer + 1, len(content)} {
		for _, room := range []int{4 << 10, 64 << 10, 1 << 20} {
			near, far := pair(t)
			near.(*net.TCPConn).SetWriteBuffer(room)
			go func() {
				defer near.Close()
				n, err := New(near).(*Conn).Write2(content[:first], content[first:])
				if n != len(content) || err != nil {
					t.Errorf("first %d, room %d: wrote %d, %v", first, room, n, err)
				}
			}()
			got, err := io.ReadAll(New(far))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("first %d, room %d: got %d bytes, %v", first, room, len(got), err)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	near, far := pair(t)
	c := New(near)
	far.(*net.TCPConn).SetLinger(0)
	far.Close()
	_, err := c.Read(make([]byte, 1))
	if op, ok := err.(*net.OpError); !ok || op.Op != "read" || op.Err.(*os.SyscallError).Err != syscall.ECONNRESET {
		t.Errorf("read: %v", err)
	}
	for range 2 { // the first one may be told of the reset
		_, err = c.Write([]byte("x"))
	}
	if op, ok := err.(*net.OpError); !ok || op.Op != "write" || op.Err.(*os.SyscallError).Err != syscall.EPIPE {
		t.Errorf("write: %v", err)
	}
}

// An error of the wait is net's own, too: net/http goes by its Op.
func TestWaitErrors(t *testing.T) {
	near, _ := pair(t)
	c := New(near)
	c.SetDeadline(time.Unix(1, 0))
	for op, do := range map[string]func([]byte) (int, error){"read": c.Read, "write": c.Write} {
		_, err := do(make([]byte, 1))
		if e, ok := err.(*net.OpError); !ok || e.Op != op || !e.Timeout() {
			t.Errorf("%s: %v", op, err)
		}
	}
	c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) || err.(*net.OpError).Op != "read" {
		t.Errorf("read when closed: %v", err)
	}
}

func TestLook(t *testing.T) {
	if !CanLook {
		t.Skip("this system does not let us look into sockets")
	}
	near, far := pair(t)
	raw, err := New(near).(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	look := func() (quiet bool) {
		raw.Control(func(fd uintptr) { quiet = IsQuiet(fd) })
		return quiet
	}
	awaitNoise := func() {
		t.Helper()
		for range 500 {
			if !look() {
				return
			}
			time.Sleep(time.Millisecond)
		}
		t.Error("it stays quiet")
	}
	if !look() {
		t.Error("a new connection is not quiet")
	}
	far.Write([]byte("hello"))
	awaitNoise()
	var got [8]byte
	n := 0
	raw.Control(func(fd uintptr) { n = Gather(fd, got[:]) })
	if string(got[:n]) != "hello" {
		t.Errorf("gathered %q", got[:n])
	}
	if !look() {
		t.Error("not quiet when all is read")
	}
	far.Close()
	awaitNoise()
}

// BenchmarkRoundTrip is one byte there and back.
func BenchmarkRoundTrip(b *testing.B) {
	for _, kind := range []struct {
		name string
		of   func(net.Conn) net.Conn
	}{{"net", func(c net.Conn) net.Conn { return c }}, {"socket", New}} {
		b.Run(kind.name, func(b *testing.B) {
			near, far := pair(b)
			c, echo := kind.of(near), kind.of(far)
			go io.Copy(struct{ io.Writer }{echo}, struct{ io.Reader }{echo})
			b.ReportAllocs()
			var one [1]byte
			for b.Loop() {
				if _, err := c.Write(one[:]); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, one[:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
