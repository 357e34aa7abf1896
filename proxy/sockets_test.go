package proxy

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
)

func TestOpenAllOrNone(t *testing.T) {
	s, err := Open(Addresses{Admin: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	if _, err := Open(Addresses{HTTP: addr, Admin: s.Admin.Addr().String()}); err == nil {
		t.Fatal("two listeners at one address")
	}
	again, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the first socket stays open: %v", err)
	}
	again.Close()
}

// TestOpenQUIC: HTTP/3 is at the same port.
func TestOpenQUIC(t *testing.T) {
	s, err := Open(Addresses{HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", QUIC: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.QUIC.LocalAddr().(*net.UDPAddr).Port; got != Port(s.HTTPS) || Port(s.HTTP) != 0 {
		t.Errorf("UDP %d, TCP %d, plain %d", got, Port(s.HTTPS), Port(s.HTTP))
	}
}

func TestAgree(t *testing.T) {
	for _, test := range []struct {
		bound, addr string
		want        bool
	}{
		{"0.0.0.0:443", ":443", true},
		{"[::]:443", ":443", true},
		{"[::]:443", "0.0.0.0:443", true},
		{"127.0.0.1:443", ":443", true},
		{"127.0.0.1:443", "localhost:443", true},
		{"[::ffff:127.0.0.1]:443", "127.0.0.1:443", true},
		{"[::]:443", "10.0.0.1:443", true},
		{"10.0.0.2:443", "10.0.0.1:443", false},
		{"[::]:443", ":80", false},
		{"[::]:443", "", false},
	} {
		if got := agree(netip.MustParseAddrPort(test.bound), test.addr); got != test.want {
			t.Errorf("a socket at %s serves %q: %v", test.bound, test.addr, got)
		}
	}
}

// TestInherit: a socket from systemd is taken by its address and kind, once.
func TestInherit(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &Sockets{inherited: []*os.File{f}}
	addr := ":" + strconv.Itoa(Port(ln))
	if s.inherit("udp", addr) != nil {
		t.Error("a TCP socket is taken for UDP")
	}
	if got := s.inherit("tcp", addr); got != f {
		t.Error("it is not taken")
	}
	if s.inherit("tcp", addr) != nil {
		t.Error("it is taken twice")
	}
}
