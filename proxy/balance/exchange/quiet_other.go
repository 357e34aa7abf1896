//go:build !unix || aix

package exchange

// Supported reports whether connections can be looked into on this system, which
// using them more than once takes.
const Supported = false

func readNow(uintptr, []byte) int { return 0 }

func isQuiet(uintptr) bool { return false }
