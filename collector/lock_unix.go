//go:build unix

package collector

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockShared says, to other processes, that this one writes the database at path, until the
// returned file is closed. A file of its own carries the lock: to close a second handle on the
// database would drop SQLite's locks on it.
func lockShared(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f, syscall.LOCK_SH); err != nil {
		f.Close()
		return nil, fmt.Errorf("another process is mending the event store: %w", err)
	}
	return f, nil
}

// lockAlone turns f's lock into one that nobody shares, or fails and leaves it shared.
func lockAlone(f *os.File) error {
	if err := flock(f, syscall.LOCK_EX); err != nil {
		// flock(2): a conversion is not atomic, and a failed one may lose the lock.
		return errors.Join(fmt.Errorf("another process has the event store open: %w", err), flock(f, syscall.LOCK_SH))
	}
	return nil
}

// lockAgain lets others share f's lock.
func lockAgain(f *os.File) error { return flock(f, syscall.LOCK_SH) }

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
