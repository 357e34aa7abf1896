package socket

import (
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// oneShot has an event end the watch, until it is set again: a socket that has failed
// always has one.
const oneShot = 1 << 30 // EPOLLONESHOT

// Alarms watch the sockets of a server together. The runtime's own poller watches them
// as one.
type Alarms struct {
	file  *os.File
	fd    int
	ended chan struct{}

	mu   sync.Mutex
	last int32
	by   map[int32]*Alarm
}

// NewAlarms returns no alarms so far, and runs until Close. It returns nil where the
// system has none.
func NewAlarms() *Alarms {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if syscall.SetNonblock(fd, true) != nil {
		syscall.Close(fd)
		return nil
	}
	all := &Alarms{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, ended: make(chan struct{}), by: make(map[int32]*Alarm)}
	raw, err := all.file.SyscallConn()
	if err != nil {
		all.file.Close()
		return nil
	}
	go all.watch(raw)
	return all
}

// Close ends the watching. All alarms must be closed: the number of our file may soon be
// another's.
func (all *Alarms) Close() {
	if all == nil {
		return
	}
	all.file.Close()
	<-all.ended
}

// New returns an Alarm for c that calls ring, or nil if c cannot be watched, which is
// always so for alarms that are nil.
func (all *Alarms) New(c net.Conn, ring func()) *Alarm {
	conn, ok := c.(syscall.Conn)
	if !ok || all == nil {
		return nil
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil
	}
	a := &Alarm{ring: ring}
	a.all, a.raw = all, raw
	a.modify = func(fd uintptr) { a.ok = all.control(syscall.EPOLL_CTL_MOD, fd, a.events, a.number) }
	all.enter(a)
	added := false
	err = raw.Control(func(fd uintptr) { added = all.control(syscall.EPOLL_CTL_ADD, fd, oneShot, a.number) })
	if err != nil || !added {
		all.leave(a)
		return nil
	}
	return a
}

func (all *Alarms) enter(a *Alarm) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for all.last++; all.by[all.last] != nil; all.last++ {
	}
	a.number = all.last
	all.by[a.number] = a
}

func (all *Alarms) leave(a *Alarm) {
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.by, a.number)
}

// control makes a system call that never blocks, and reports whether it succeeded.
func (all *Alarms) control(op int, fd uintptr, events uint32, number int32) bool {
	e := syscall.EpollEvent{Events: events, Fd: number}
	_, _, fault := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(all.fd), uintptr(op), fd, uintptr(unsafe.Pointer(&e)), 0, 0)
	return fault == 0
}

func (all *Alarms) watch(raw syscall.RawConn) {
	defer close(all.ended)
	var events [64]syscall.EpollEvent
	for {
		n := 0
		if err := raw.Read(func(fd uintptr) bool {
			n, _ = syscall.EpollWait(int(fd), events[:], 0)
			return n > 0
		}); err != nil {
			return
		}
		for _, e := range events[:n] {
			all.mu.Lock()
			a := all.by[e.Fd]
			all.mu.Unlock()
			if a != nil {
				a.rang()
			}
		}
	}
}

// A watched socket is what an Alarm has of the system.
type watched struct {
	all    *Alarms
	raw    syscall.RawConn
	number int32 // of the alarm

	mu     sync.Mutex // when an alarm rings at once, it can be armed anew before Arm has returned
	events uint32
	ok     bool
	modify func(fd uintptr)
}

// Close ends the watch.
func (a *Alarm) Close() {
	a.armed.Store(0)
	a.raw.Control(func(fd uintptr) { a.all.control(syscall.EPOLL_CTL_DEL, fd, 0, 0) }) // else c is closed, which ends it too
	a.all.leave(a)
}

// set has the system tell when there is something to read, or not.
func (w *watched) set(on bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.events = oneShot; on {
		w.events |= syscall.EPOLLIN | syscall.EPOLLRDHUP
	}
	w.ok = false
	return w.raw.Control(w.modify) == nil && w.ok
}
