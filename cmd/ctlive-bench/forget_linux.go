package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// forgetFile has the kernel drop what it holds of a file.
func forgetFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}
