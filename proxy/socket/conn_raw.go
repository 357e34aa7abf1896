//go:build linux && !race

package socket

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// A Conn is a TCP connection. All but reading and writing is net's.
type Conn struct {
	*net.TCPConn
	raw           syscall.RawConn
	reads, writes transfer
}

func wrap(tcp *net.TCPConn) net.Conn {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return tcp
	}
	c := &Conn{TCPConn: tcp, raw: raw}
	c.reads.try, c.writes.try = c.reads.read, c.writes.write
	return c
}

// Read implements io.Reader.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	t := &c.reads
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set(p, nil)
	if err := c.raw.Read(t.try); err != nil {
		return 0, rename(err, "read")
	}
	switch {
	case t.fault != 0:
		return 0, c.explain("read", t.fault)
	case t.n == 0:
		return 0, io.EOF
	}
	return t.n, nil
}

// Write implements io.Writer.
func (c *Conn) Write(p []byte) (int, error) { return c.Write2(p, nil) }

// Write2 writes p and then q, in as few system calls as it takes. It returns how
// much of both.
func (c *Conn) Write2(p, q []byte) (n int, err error) {
	t := &c.writes
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(p)+len(q) > 0 {
		t.set(p, q)
		if err := c.raw.Write(t.try); err != nil {
			return n, rename(err, "write")
		}
		if t.fault != 0 {
			return n, c.explain("write", t.fault)
		}
		n += t.n
		ofP := min(t.n, len(p))
		p, q = p[ofP:], q[t.n-ofP:]
	}
	return n, nil
}

func (c *Conn) explain(call string, fault syscall.Errno) error {
	return &net.OpError{Op: call, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(call, fault)}
}

// rename calls what failed as package net would.
func rename(err error, op string) error {
	if e, ok := err.(*net.OpError); ok {
		e.Op = op
	}
	return err
}

// A transfer is what a Conn does in one direction. One is under way at a time.
type transfer struct {
	mu    sync.Mutex
	try   func(fd uintptr) bool // a system call; false: nothing is to be had now
	parts [2]syscall.Iovec
	n     int
	fault syscall.Errno
}

// set says which bytes are to be moved. Neither slice is needed once try has
// returned true.
func (t *transfer) set(p, q []byte) {
	p = p[:min(len(p), maxTransfer)]
	q = q[:min(len(q), maxTransfer-len(p))]
	t.parts[0].Base, t.parts[1].Base = unsafe.SliceData(p), unsafe.SliceData(q)
	t.parts[0].SetLen(len(p))
	t.parts[1].SetLen(len(q))
}

func (t *transfer) read(fd uintptr) bool { return t.call(syscall.SYS_READ, syscall.SYS_READV, fd) }

func (t *transfer) write(fd uintptr) bool { return t.call(syscall.SYS_WRITE, syscall.SYS_WRITEV, fd) }

// call asks the kernel, by the number for one part or for two, and reports whether
// it has an answer.
func (t *transfer) call(one, two, fd uintptr) bool {
	for {
		number, what, size := one, unsafe.Pointer(t.parts[0].Base), uintptr(t.parts[0].Len)
		if t.parts[1].Len > 0 {
			number, what, size = two, unsafe.Pointer(&t.parts), uintptr(len(t.parts))
		}
		n, _, fault := syscall.RawSyscall(number, fd, uintptr(what), size)
		switch fault {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		case 0:
		default:
			n = 0
		}
		t.n, t.fault = int(n), fault
		t.set(nil, nil)
		return true
	}
}
