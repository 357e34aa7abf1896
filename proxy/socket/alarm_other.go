//go:build !linux

package socket

import "net"

// Alarms would watch the sockets of a server together.
type Alarms struct{}

// NewAlarms returns nil: the system has none that we know of.
func NewAlarms() *Alarms { return nil }

// Close would end the watching.
func (*Alarms) Close() {}

// New would return an Alarm.
func (*Alarms) New(net.Conn, func()) *Alarm { return nil }

type watched struct{}

// Close would end the watch.
func (*Alarm) Close() {}

func (watched) set(bool) bool { return false }
