package collector

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ctlive/collector/sqlite"
)

// A damaged database is mended in steps, each a rename, so that a crash between any two leaves what
// the next start goes on from:
//
//	ctlive.db.mending-TIME   the damaged file, with its -wal: there while ctlive.db is not
//	ctlive.db.new            what is intact of it, while it is being copied
//	ctlive.db.corrupt-TIME   the damaged file, with its -wal, after ctlive.db is whole again
const (
	mendingMark = ".mending-"
	corruptMark = ".corrupt-"
	newMark     = ".new"
	asideTime   = "20060102T150405.000Z"
)

// asidePause is the least time from one mending to the next. Damage that comes back at once is not
// in the file, and each mending leaves one behind.
const asidePause = time.Minute

// setAside renames the database, which must be closed, for mend to find, and reports whether it
// did. It does not while another process has it open.
func (s *Store) setAside() bool {
	err := s.renameAside()
	if err != nil {
		s.log.Error("event store: set the damaged file aside", "file", s.path, "err", err)
	}
	return err == nil
}

func (s *Store) renameAside() error {
	lock, err := lockShared(s.path)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := lockAlone(lock); err != nil {
		return err
	}
	aside := s.path + mendingMark + time.Now().UTC().Format(asideTime)
	// The database goes first: a log without its database is brought after it by mend, a database
	// without its log would be taken for whole.
	if err := os.Rename(s.path, aside); err != nil {
		return err
	}
	return errors.Join(s.bringLog(aside), syncDir(filepath.Dir(s.path)))
}

// bringLog moves the write-ahead log that belongs to the database set aside behind it.
func (s *Store) bringLog(aside string) error {
	os.Remove(s.path + "-shm")
	err := os.Rename(s.path+"-wal", aside+"-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// mend copies what is intact of a database that was set aside into a new one. It does nothing if
// there is none. lock is that of this process.
func (s *Store) mend(lock *os.File) error {
	files, err := filepath.Glob(quoteGlob(s.path) + mendingMark + "*Z")
	if err != nil || len(files) == 0 {
		return err
	}
	if err := lockAlone(lock); err != nil {
		return err
	}
	defer lockAgain(lock)
	aside := files[len(files)-1]
	if _, err := os.Lstat(s.path); errors.Is(err, fs.ErrNotExist) {
		if err := s.replace(aside); err != nil {
			return fmt.Errorf("mend the event store: %w", err)
		}
	}
	corrupt := strings.Replace(aside, mendingMark, corruptMark, 1)
	os.Remove(aside + "-shm")
	if err := os.Rename(aside+"-wal", corrupt+"-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(os.Rename(aside, corrupt), syncDir(filepath.Dir(s.path)))
}

// replace makes a database out of the one set aside.
func (s *Store) replace(aside string) error {
	if err := s.bringLog(aside); err != nil {
		return err
	}
	fresh := s.path + newMark
	if err := sqlite.Remove(fresh); err != nil {
		return err
	}
	s.log.Warn("event store: damaged, copying what is intact; events are refused meanwhile and sent again", "file", aside)
	kept, err := salvage(aside, fresh)
	if err != nil {
		return err
	}
	if err := errors.Join(syncFile(fresh), os.Rename(fresh, s.path), syncDir(filepath.Dir(s.path))); err != nil {
		return err
	}
	s.log.Warn("event store: mended", append(kept.attrs(), "damaged", strings.Replace(aside, mendingMark, corruptMark, 1))...)
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// quoteGlob returns path such that [filepath.Glob] takes it literally.
func quoteGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
