package socket

import (
	"testing"
	"time"
)

// alarmed returns an alarm for one end of a connection, its rings, and the other end.
func alarmed(t *testing.T) (a *Alarm, rings chan bool, near, far interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	Close() error
}) {
	t.Helper()
	all := NewAlarms()
	if all == nil {
		t.Fatal("the system gives us no epoll")
	}
	t.Cleanup(all.Close)
	n, f := pair(t)
	rings = make(chan bool, 10)
	a = all.New(New(n), func() { rings <- true })
	if a == nil {
		t.Fatal("a TCP connection cannot be watched")
	}
	t.Cleanup(a.Close)
	return a, rings, n, f
}

func expectRing(t *testing.T, rings chan bool) {
	t.Helper()
	select {
	case <-rings:
	case <-time.After(10 * time.Second):
		t.Fatal("no ring")
	}
}

func expectSilence(t *testing.T, rings chan bool) {
	t.Helper()
	select {
	case <-rings:
		t.Fatal("a ring")
	case <-time.After(20 * time.Millisecond):
	}
}

func TestAlarm(t *testing.T) {
	a, rings, near, far := alarmed(t)
	far.Write([]byte("x"))
	expectSilence(t, rings) // not armed
	arming := a.Arm()
	expectRing(t, rings)
	expectSilence(t, rings) // once
	if a.Disarm(arming) {
		t.Error("an alarm that has rung is disarmed")
	}
	near.Read(make([]byte, 1))
	arming = a.Arm()
	expectSilence(t, rings)
	if !a.Disarm(arming) {
		t.Error("an alarm that has not rung cannot be disarmed")
	}
	far.Write([]byte("x"))
	expectSilence(t, rings)
	near.Read(make([]byte, 1))
	a.Arm()
	far.Close()
	expectRing(t, rings)
}

// What one has armed another one cannot disarm, who armed it before.
func TestAlarmArmedAnew(t *testing.T) {
	a, rings, near, far := alarmed(t)
	far.Write([]byte("x"))
	before := a.Arm()
	expectRing(t, rings)
	near.Read(make([]byte, 1))
	after := a.Arm()
	if a.Disarm(before) {
		t.Error("disarmed by who had armed it before")
	}
	far.Write([]byte("x"))
	expectRing(t, rings)
	if a.Disarm(after) {
		t.Error("an alarm that has rung is disarmed")
	}
}

func TestAlarmOfClosed(t *testing.T) {
	a, rings, near, _ := alarmed(t)
	near.Close()
	if a.Arm() != 0 {
		t.Error("armed")
	}
	expectSilence(t, rings)
}

// Whoever is called by the ring may arm at once.
func TestAlarmOfMany(t *testing.T) {
	all := NewAlarms()
	if all == nil {
		t.Fatal("the system gives us no epoll")
	}
	t.Cleanup(all.Close)
	const rounds = 200
	for range 20 {
		near, far := pair(t)
		t.Run("", func(t *testing.T) {
			rung := make(chan bool)
			var a *Alarm
			a = all.New(near, func() {
				go func() {
					near.Read(make([]byte, 1))
					rung <- true
				}()
			})
			t.Cleanup(a.Close)
			for range rounds {
				a.Arm()
				far.Write([]byte("x"))
				expectRing(t, rung)
			}
		})
	}
}
