package accept

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsent is how much the kernel takes for a socket beyond what the client has
// room for, in bytes. Without it a slow reader holds megabytes of kernel
// memory, and a write that makes no progress does not show for minutes.
const unsent = 128 << 10

// tune prepares an accepted socket. One that cannot be tuned works as well,
// only at a higher price.
func tune(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
		})
	}
}

// pending reports whether a client has sent something that nobody has read.
func pending(c net.Conn) bool {
	n := 0
	if tcp, ok := c.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
		}
	}
	return n > 0
}

// openFiles returns how many files the process may have open.
func openFiles() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return defaultOpenFiles
	}
	return int(min(limit.Cur, 1<<30))
}
