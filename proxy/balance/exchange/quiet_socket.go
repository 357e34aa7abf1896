//go:build unix && !aix

package exchange

import "syscall"

// Supported reports whether connections can be looked into on this system, which
// using them more than once takes.
const Supported = true

// readNow reads what has arrived, and returns how much that is. An error is lost:
// the system tells it once, and the next Read finds an end. So it is not for a body
// that the end of the connection ends.
func readNow(fd uintptr, p []byte) int {
	n, _ := syscall.Read(int(fd), p) // the runtime has made it non-blocking
	return max(n, 0)
}

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
