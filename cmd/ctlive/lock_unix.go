//go:build unix

package main

import (
	"os"
	"syscall"
)

// lockAlone opens the file at path and locks it until it is closed. It fails
// where another process has the lock.
func lockAlone(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
