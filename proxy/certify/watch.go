package certify

import (
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	settleTime = 300 * time.Millisecond // without a change: certificate and key are written one after the other
	pollEvery  = 30 * time.Second       // network file systems tell of no change
	warnEvery  = 24 * time.Hour
	warnBefore = 14 * 24 * time.Hour // a certificate from a file expires
)

// keepFiles reads certificate files again when they change, and warns of those
// that will expire.
func (m *Manager) keepFiles() {
	var changes chan fsnotify.Event
	var faults chan error
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		m.log.Warn("watch certificate files: changes are seen late", "error", err, "late", pollEvery)
	} else {
		defer watcher.Close()
		changes, faults = watcher.Events, watcher.Errors
	}
	poll, warn := time.NewTicker(pollEvery), time.NewTicker(warnEvery)
	defer poll.Stop()
	defer warn.Stop()
	settled := time.NewTimer(0)
	defer settled.Stop()
	m.warnOfExpiry()
	for {
		select {
		case <-m.rewatch:
			if watcher != nil {
				m.watch(watcher)
			}
			settled.Reset(settleTime) // what changed before we looked
		case <-changes:
			settled.Reset(settleTime)
		case err := <-faults:
			m.log.Debug("watch certificate files", "error", err)
		case <-settled.C:
			m.reread()
		case <-poll.C:
			m.reread()
		case <-warn.C:
			m.warnOfExpiry()
		case <-m.ctx.Done():
			return
		}
	}
}

// watch makes watcher look at the folders of the files in use: editors and
// deployment tools put a new file in place of the old one, which a watch of the
// file itself would follow out of sight.
func (m *Manager) watch(watcher *fsnotify.Watcher) {
	m.changing.Lock()
	defer m.changing.Unlock()
	folders := map[string]bool{}
	for _, f := range m.files {
		folders[filepath.Dir(f.site.CertFile)] = true
		folders[filepath.Dir(f.site.KeyFile)] = true
	}
	for _, old := range watcher.WatchList() {
		if !folders[old] {
			watcher.Remove(old)
		}
	}
	for folder := range folders {
		if err := watcher.Add(folder); err != nil {
			m.log.Debug("watch certificate files", "folder", folder, "error", err)
		}
	}
}

// reread takes in what has changed in the files. Files that are not usable leave
// the certificate before in its place.
func (m *Manager) reread() {
	m.changing.Lock()
	defer m.changing.Unlock()
	for i, f := range m.files {
		fresh, err := readPair(f.site)
		if err == nil && !fresh.same(f) {
			err = takeIn(m.ctx, m.plan.Load().still, []*pair{fresh})
			if err == nil {
				m.files[i] = fresh
				m.leaveOut([]*pair{f})
				m.loaded(fresh)
				continue
			}
		}
		if err != nil && (f.err == nil || f.err.Error() != err.Error()) {
			m.log.Error("certificate file changed but cannot be used; the one before stays", "error", err)
			m.tellAll("failed", f, err)
		}
		f.err = err
	}
}

func (m *Manager) loaded(f *pair) {
	m.log.Info("certificate file loaded", "file", f.site.CertFile, "not_after", f.leaf.NotAfter)
	m.tellAll("loaded", f, nil)
	warnIfLate(m, f)
}

func (m *Manager) tellAll(event string, f *pair, err error) {
	for _, host := range f.site.Hosts {
		m.tell(event, host, err)
	}
}

func (m *Manager) warnOfExpiry() {
	m.changing.Lock()
	defer m.changing.Unlock()
	for _, f := range m.files {
		warnIfLate(m, f)
	}
}

func warnIfLate(m *Manager, f *pair) {
	left := time.Until(f.leaf.NotAfter)
	switch {
	case left < 0:
		m.log.Error("certificate has expired: replace the file", "file", f.site.CertFile, "not_after", f.leaf.NotAfter)
	case left < warnBefore:
		m.log.Warn("certificate expires soon: replace the file", "file", f.site.CertFile, "not_after", f.leaf.NotAfter)
	}
}
