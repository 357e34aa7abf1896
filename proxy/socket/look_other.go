//go:build !unix || aix

package socket

// CanLook reports whether sockets can be looked into on this system.
const CanLook = false

// Gather would read what has arrived.
func Gather(uintptr, []byte) int { return 0 }

// IsQuiet would report whether a socket is open and has nothing to read.
func IsQuiet(uintptr) bool { return false }
