package socket

import (
	"syscall"
	"unsafe"
)

// CanLook reports whether sockets can be looked into on this system.
const CanLook = true

// Gather reads what has arrived on a non-blocking socket, and returns how much
// that is. An error is lost: the system tells it once, and the next read finds an
// end. So it is not for what the end of the connection ends.
func Gather(fd uintptr, p []byte) int {
	if len(p) == 0 {
		return 0
	}
	n, _, fault := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if fault != 0 {
		return 0
	}
	return int(n)
}

// pollFD is the system's struct pollfd.
type pollFD struct {
	fd              int32
	events, revents int16
}

// IsQuiet reports whether a socket is open and has nothing to read.
func IsQuiet(fd uintptr) bool {
	const readable, anySize = 1, 8 // POLLIN; of a set of signals, which is nil
	p := pollFD{fd: int32(fd), events: readable}
	var now syscall.Timespec
	for {
		n, _, fault := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, anySize, 0)
		if fault != syscall.EINTR {
			return fault == 0 && n == 0
		}
	}
}
