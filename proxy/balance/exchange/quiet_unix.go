//go:build unix

package exchange

import "syscall"

// Supported reports whether connections can be looked into on this system, which
// using them more than once takes.
const Supported = true

// isQuiet reports whether the socket is open and has nothing to read.
func isQuiet(fd uintptr) bool {
	var one [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if err != syscall.EINTR {
			return err == syscall.EAGAIN
		}
	}
}
