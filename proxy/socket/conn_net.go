//go:build !linux || race

package socket

import "net"

// A Conn is a TCP connection. The race detector learns from package net what comes
// before what.
type Conn struct{ *net.TCPConn }

func wrap(tcp *net.TCPConn) net.Conn { return &Conn{tcp} }

// Write2 writes p and then q. It returns how much of both.
func (c *Conn) Write2(p, q []byte) (int, error) {
	pieces := net.Buffers{p, q}
	n, err := pieces.WriteTo(c.TCPConn)
	return int(n), err
}
