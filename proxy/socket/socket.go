// Package socket reads from TCP sockets and writes to them at less cost than
// package net.
//
// Go's scheduler wants to hear of every system call, because some block. The
// first one after a pause wakes a thread of the runtime that looks after those
// that do, and which then wakes by itself for a while: on a quiet machine that
// is half of what a short request costs. A read of a socket that the runtime has
// made non-blocking never blocks, nor does a write, so a [Conn] makes them
// without a word. It waits for the network as package net does.
package socket

import "net"

// maxTransfer bounds one system call, in bytes: until it returns, the garbage
// collector cannot begin. The kernel copies that much in some 20 µs.
const maxTransfer = 128 << 10

// New returns c, made cheaper where it is a TCP connection and the system is
// known, otherwise as it is.
func New(c net.Conn) net.Conn {
	if tcp, ok := c.(*net.TCPConn); ok {
		return wrap(tcp)
	}
	return c
}
