package accept

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsent is how much the kernel takes for a socket beyond what the client has
// room for, in bytes. Without it a slow reader holds megabytes of kernel
// memory, and a write that makes no progress does not show for minutes.
const unsent = 128 << 10

// tune prepares an accepted socket. One that cannot be tuned works as well,
// only at a higher price.
func tune(c net.Conn) {
	control(c, func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
	})
}

// pending reports whether a client has sent something that nobody has read.
func pending(c net.Conn) bool {
	n := 0
	control(c, func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	return n > 0
}

// control calls f for a connection that is a socket.
func control(c net.Conn, f func(fd uintptr)) {
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			raw.Control(f)
		}
	}
}

// openFiles returns how many files the process may have open.
func openFiles() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return defaultOpenFiles
	}
	return int(min(limit.Cur, 1<<30))
}
