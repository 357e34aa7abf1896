package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	syncs     = 200
	syncBytes = 4 << 10
)

// syncTimes returns how long the disk of dir takes for a small write at the end of a file that is
// there for good: write and fsync.
func syncTimes(dir string) (*latencies, error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	times := &latencies{}
	block := make([]byte, syncBytes)
	for range syncs {
		begin := time.Now()
		_, err := f.Write(block)
		if err := errors.Join(err, f.Sync()); err != nil {
			return nil, err
		}
		times.add(time.Since(begin))
	}
	return times, nil
}

// storeSize returns the bytes of the files in dir, and of them those of write-ahead logs, which are
// to become part of the others.
func storeSize(dir string) (all, log int64, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		all += info.Size()
		if filepath.Ext(path) == ".db-wal" {
			log += info.Size()
		}
		return nil
	})
	return all, log, err
}
