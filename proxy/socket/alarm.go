package socket

import "sync/atomic"

// An Alarm watches a connection that nobody reads, at less cost than a goroutine
// that waits in Read: that one would be woken by each request on the connection.
// Armed, it rings when there is something to read, or the end. It rings once, in a
// goroutine that is shared by all alarms and must not be held up.
type Alarm struct {
	watched
	ring  func()
	last  uint32        // arming
	armed atomic.Uint32 // the arming in force; 0: none
}

// Arm has the alarm ring as soon as there is something to read, even at once. It
// returns what Disarm wants, or 0 if that cannot be, as when the connection is closed.
// Whoever arms the alarm must know that it is not armed.
func (a *Alarm) Arm() (arming uint32) {
	if a.last++; a.last == 0 {
		a.last++
	}
	arming = a.last
	a.armed.Store(arming)
	if a.set(true) || !a.armed.CompareAndSwap(arming, 0) {
		return arming
	}
	return 0
}

// Disarm reports whether the alarm has not rung since then, and will not.
func (a *Alarm) Disarm(arming uint32) bool {
	if !a.armed.CompareAndSwap(arming, 0) {
		return false
	}
	a.set(false)
	return true
}

// rang is for the goroutine that watches.
func (a *Alarm) rang() {
	if arming := a.armed.Load(); arming != 0 && a.armed.CompareAndSwap(arming, 0) {
		a.ring()
	}
}
