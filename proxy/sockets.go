package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"
)

// Sockets are what the server listens on. A nil one is off.
type Sockets struct {
	HTTP, HTTPS net.Listener
	QUIC        net.PacketConn // at the port of HTTPS
	Admin       net.Listener

	inherited []*os.File
}

// Addresses say where sockets are opened, as host:port; "" is nowhere, port 0
// any free one.
type Addresses struct {
	HTTP, HTTPS, Admin string
	QUIC               bool // HTTPS speaks HTTP/3, too
}

// Open opens all sockets, or none. Those that systemd has opened for us
// (sd_listen_fds(3)) are used where kind and address agree; they outlive the
// process, so that no connection is refused while it is replaced.
func Open(a Addresses) (*Sockets, error) {
	s := &Sockets{inherited: activation.Files(true)}
	defer func() {
		for _, f := range s.inherited { // what nobody asked for
			f.Close()
		}
	}()
	err := errors.Join(s.listen(&s.HTTP, a.HTTP), s.listen(&s.HTTPS, a.HTTPS), s.listen(&s.Admin, a.Admin))
	if err == nil && a.QUIC && s.HTTPS != nil {
		s.QUIC, err = s.listenUDP(s.HTTPS.Addr().String())
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Sockets) listen(to *net.Listener, addr string) (err error) {
	if addr == "" {
		return nil
	}
	if f := s.inherit("tcp", addr); f != nil {
		defer f.Close()
		*to, err = net.FileListener(f)
	} else {
		*to, err = net.Listen("tcp", addr)
	}
	if err != nil {
		*to = nil
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	return nil
}

func (s *Sockets) listenUDP(addr string) (net.PacketConn, error) {
	if f := s.inherit("udp", addr); f != nil {
		defer f.Close()
		return net.FilePacketConn(f)
	}
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s for HTTP/3: %w", addr, err)
	}
	return conn, nil
}

// inherit takes the file of a socket from systemd that is bound to addr, or
// returns nil.
func (s *Sockets) inherit(network, addr string) *os.File {
	for i, f := range s.inherited {
		if bound := boundTo(f, network); bound.IsValid() && agree(bound, addr) {
			s.inherited = append(s.inherited[:i:i], s.inherited[i+1:]...)
			return f
		}
	}
	return nil
}

// boundTo returns the address of a socket, or an invalid one if it is of
// another network.
func boundTo(f *os.File, network string) netip.AddrPort {
	if network == "tcp" {
		if ln, err := net.FileListener(f); err == nil {
			defer ln.Close()
			if addr, ok := ln.Addr().(*net.TCPAddr); ok {
				return addr.AddrPort()
			}
		}
		return netip.AddrPort{}
	}
	if conn, err := net.FilePacketConn(f); err == nil {
		defer conn.Close()
		if addr, ok := conn.LocalAddr().(*net.UDPAddr); ok {
			return addr.AddrPort()
		}
	}
	return netip.AddrPort{}
}

// agree reports whether a socket bound there serves the address that the
// configuration names: the ports are the same, and the hosts if it names one.
func agree(bound netip.AddrPort, addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port != strconv.Itoa(int(bound.Port())) {
		return false
	}
	named, err := netip.ParseAddr(host)
	return err != nil || named.IsUnspecified() || bound.Addr().IsUnspecified() || named.Unmap() == bound.Addr().Unmap()
}

// Close closes what is open.
func (s *Sockets) Close() {
	for _, ln := range []net.Listener{s.HTTP, s.HTTPS, s.Admin} {
		if ln != nil {
			ln.Close()
		}
	}
	if s.QUIC != nil {
		s.QUIC.Close()
	}
}

// Port returns the port of ln, 0 if it is off.
func Port(ln net.Listener) int {
	if ln == nil {
		return 0
	}
	return ln.Addr().(*net.TCPAddr).Port
}
