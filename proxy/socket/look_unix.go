//go:build unix && !linux && !aix

package socket

import "syscall"

// CanLook reports whether sockets can be looked into on this system.
const CanLook = true

// Gather reads what has arrived on a non-blocking socket, and returns how much
// that is. An error is lost: the system tells it once, and the next read finds an
// end. So it is not for what the end of the connection ends.
func Gather(fd uintptr, p []byte) int {
	n, _ := syscall.Read(int(fd), p)
	return max(n, 0)
}

// IsQuiet reports whether a socket is open and has nothing to read.
func IsQuiet(fd uintptr) bool {
	var one [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if err != syscall.EINTR {
			return err == syscall.EAGAIN
		}
	}
}
