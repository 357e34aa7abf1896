package collector

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	keySize    = 32
	keyFolder  = "keys"
	keyUpkeep  = time.Minute // how late the last day of a key may end
	keyDayForm = time.DateOnly
	year2000   = 10957 // days after 1970
)

// Keys are the collector's secrets. Each lives in a file of its own in the folder keys of the data
// folder, for the owner's eyes only, and is made when it is first needed. When its time is over it
// is destroyed: overwritten, removed, and the folder synced. What file systems and disks that never
// write in place keep of it is theirs.
//
// A key that cannot be written lives in memory only: pages and events go on, and after a restart
// there is another. Methods are safe for concurrent use, also by several processes on one folder.
type Keys struct {
	tokens, pseudonyms *ring

	now   func() time.Time
	log   *slog.Logger
	stop  func()
	ended sync.WaitGroup
}

// OpenKeys returns the keys in the data folder dir. The caller closes them.
func OpenKeys(dir string, log *slog.Logger) *Keys {
	ctx, stop := context.WithCancel(context.Background())
	k := &Keys{now: time.Now, log: log, stop: stop}
	k.setRings(filepath.Join(dir, keyFolder))
	k.destroyOld()
	k.tokens.today(dayOf(millis(k.now()))) // here and not in the first page, which would wait for the disk
	k.ended.Go(func() { k.keepUp(ctx) })
	return k
}

// newMemoryKeys returns keys that are gone with the process.
func newMemoryKeys(now func() time.Time) *Keys {
	k := &Keys{now: now, log: slog.New(slog.DiscardHandler), stop: func() {}}
	k.setRings("")
	return k
}

func (k *Keys) setRings(dir string) {
	k.tokens = &ring{dir: dir, kind: "token", every: 30, keep: 30 + tokenDays + 2, log: k.log}
	k.pseudonyms = &ring{dir: dir, kind: "pseudonym", every: 1, keep: 2, log: k.log}
}

// Close ends the upkeep. What is due then is destroyed by the next start.
func (k *Keys) Close() {
	k.stop()
	k.ended.Wait()
}

// keepUp destroys keys when their time is over, although nobody asks for any.
func (k *Keys) keepUp(ctx context.Context) {
	round := time.NewTicker(keyUpkeep)
	defer round.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-round.C:
			k.destroyOld()
			k.tokens.today(dayOf(millis(k.now())))
		}
	}
}

func (k *Keys) destroyOld() {
	today := dayOf(millis(k.now()))
	if today < year2000 {
		return // the clock has never been set
	}
	k.tokens.destroyOld(today)
	k.pseudonyms.destroyOld(today)
}

// dayOf returns the day of m, counted from 1970 in UTC.
func dayOf(m Millis) int64 { return int64(m / dayMillis) }

// datedKey is a key and the day it was made on.
type datedKey struct {
	day int64
	key [keySize]byte
}

// ring is the keys of one kind. There is a new one every so many days.
type ring struct {
	dir         string // "": in memory only
	kind        string
	every, keep int64 // days from a key's making to that of the next, and to its end
	log         *slog.Logger

	mu     sync.RWMutex
	keys   []datedKey // the newest first
	looked int64      // the day that keys is complete for
}

// today returns all keys that live on a day, the newest first and young enough to be used: it is
// made if there is none.
func (r *ring) today(day int64) []datedKey {
	r.mu.RLock()
	keys, looked := r.keys, r.looked
	r.mu.RUnlock()
	if looked == day && len(keys) > 0 {
		return keys
	}
	return r.turn(day)
}

// on returns the key that was in use on a day, or today's if that one is no more.
func (r *ring) on(day, today int64) [keySize]byte {
	keys := r.today(today)
	for i := range keys {
		if keys[i].day == day {
			return keys[i].key
		}
	}
	return keys[0].key
}

// living returns the keys of a day; spare says that none need be made for it.
func (r *ring) living(day int64, spare bool) []datedKey {
	if !spare {
		return r.today(day)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.load(day)
	return r.keys
}

// turn brings keys up to date for today and returns them.
func (r *ring) turn(today int64) []datedKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looked == today && len(r.keys) > 0 {
		return r.keys
	}
	r.load(today)
	if len(r.keys) == 0 || today-r.keys[0].day >= r.every {
		r.keys = slices.Insert(r.keys, 0, r.make(today))
	}
	r.looked = today
	return r.keys
}

// load takes over the keys that there are files of and that live today.
func (r *ring) load(today int64) {
	keys := slices.DeleteFunc(slices.Clone(r.keys), func(k datedKey) bool { return !r.lives(k.day, today) })
	for day, path := range r.files() {
		known := slices.ContainsFunc(keys, func(k datedKey) bool { return k.day == day })
		if known || !r.lives(day, today) {
			continue
		}
		key, err := readKey(path)
		if err != nil {
			r.log.Error("key", "file", path, "err", err)
			continue
		}
		keys = append(keys, datedKey{day, key})
	}
	slices.SortFunc(keys, func(a, b datedKey) int { return int(b.day - a.day) })
	r.keys = keys
}

// lives reports whether a key of a day may be used today. One of the day after tomorrow was made by
// a clock that was wrong, and would outstay its time.
func (r *ring) lives(day, today int64) bool { return day > today-r.keep && day <= today+1 }

// make makes the key of today, or takes over the one that another process has made just now.
func (r *ring) make(today int64) datedKey {
	k := datedKey{day: today}
	rand.Read(k.key[:])
	if r.dir == "" {
		return k
	}
	path := filepath.Join(r.dir, r.name(today))
	err := writeKey(path, k.key)
	if errors.Is(err, fs.ErrExist) {
		made := k.key
		if k.key, err = readKey(path); err != nil {
			k.key = made // not one that anybody can guess
		}
	}
	if err != nil {
		r.log.Error("a key lives in memory only, until the next start", "file", path, "err", err)
	}
	return k
}

// destroyOld destroys the keys whose time is over, in memory and on disk.
func (r *ring) destroyOld(today int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = slices.DeleteFunc(slices.Clone(r.keys), func(k datedKey) bool { return !r.lives(k.day, today) })
	for day, path := range r.files() {
		if r.lives(day, today) {
			continue
		}
		if err := destroyFile(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.log.Error("key not destroyed", "file", path, "err", err)
		}
	}
}

func (r *ring) name(day int64) string {
	return r.kind + "-" + (Millis(day) * dayMillis).Time().Format(keyDayForm)
}

// files returns the paths of all keys on disk by their day. Where they cannot be listed, or r lives
// in memory, there are none.
func (r *ring) files() map[int64]string {
	files := map[int64]string{}
	if r.dir == "" {
		return files
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.log.Error("list keys", "err", err)
	}
	for _, e := range entries {
		date, ours := strings.CutPrefix(e.Name(), r.kind+"-")
		if made, err := time.Parse(keyDayForm, date); ours && err == nil {
			files[dayOf(millis(made))] = filepath.Join(r.dir, e.Name())
		}
	}
	return files
}

func readKey(path string) (key [keySize]byte, err error) {
	b, err := os.ReadFile(path)
	if err == nil && len(b) != keySize {
		err = fmt.Errorf("%d bytes where a key has %d", len(b), keySize)
	}
	copy(key[:], b)
	if err == nil && key == [keySize]byte{} {
		err = errors.New("the key has been destroyed")
	}
	return key, err
}

// writeKey makes the file path, durably and whole from its first moment. It returns fs.ErrExist if
// there is one.
func writeKey(path string, key [keySize]byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(key[:])
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

// destroyFile overwrites the file at path and removes it.
func destroyFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, keySize))
	err = errors.Join(err, f.Sync(), f.Close(), os.Remove(path))
	return errors.Join(err, syncDir(filepath.Dir(path)))
}
