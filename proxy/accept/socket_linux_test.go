package accept

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTune(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tune(conn)
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if n, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); n != unsent || err != nil {
			t.Error(n, err)
		}
	})
}

func TestDefaults(t *testing.T) {
	l := Limits{PerClient: -1}.withDefaults()
	if l.Connections < 1 || l.Connections > defaultConnections || l.Connections > max(1, openFiles()/2) {
		t.Errorf("%d connections with %d files", l.Connections, openFiles())
	}
	if l.PerClient < 1<<30 {
		t.Errorf("%d connections per client", l.PerClient)
	}
}
