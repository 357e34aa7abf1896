//go:build !linux

package accept

import "net"

func tune(net.Conn) {}

func openFiles() int { return defaultOpenFiles }

func pending(net.Conn) bool { return false }
