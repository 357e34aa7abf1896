package certify

import (
	"errors"
	"io/fs"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	slowest = 10 * time.Minute       // between two looks for certificates to renew
	fastest = 200 * time.Millisecond // the same

	// pacePerLife is how many looks there are in the life of the certificate
	// that lives shortest. certmagic renews at the latest when five are left.
	pacePerLife = 20

	cleanEvery  = 24 * time.Hour
	expiredStay = 14 * 24 * time.Hour // in the storage
)

func (m *Manager) cacheOptions(pace time.Duration) certmagic.CacheOptions {
	return certmagic.CacheOptions{
		GetConfigForCert: func(cert certmagic.Certificate) (*certmagic.Config, error) {
			return m.plan.Load().configFor(cert), nil
		},
		RenewCheckInterval: pace,
		OCSPCheckInterval:  slowest, // the first staple of a certificate from a file waits for it
		Logger:             m.zap,
	}
}

// paceFor returns how often to look at a certificate that lives that long.
func paceFor(life time.Duration) time.Duration {
	return min(max(life/pacePerLife, fastest), slowest)
}

// setPace changes how often to look. certmagic reckons with it too.
func (m *Manager) setPace(pace time.Duration) {
	before := time.Duration(m.pace.Swap(int64(pace)))
	if before == pace {
		return
	}
	m.cache.SetOptions(m.cacheOptions(pace))
	if pace < before {
		wake(m.faster)
	}
}

// hasten looks more often if the new certificate of the names in sans needs it.
func (m *Manager) hasten(sans any) {
	names, _ := sans.([]string)
	for _, name := range names {
		if cert, ok := m.managed(name); ok {
			m.setPace(min(time.Duration(m.pace.Load()), paceFor(cert.Lifetime())))
		}
	}
}

// keepRenewed has certificates renewed in time.
func (m *Manager) keepRenewed() {
	for {
		select {
		case <-time.After(time.Duration(m.pace.Load())):
			if err := m.cache.RenewManagedCertificates(m.ctx); err != nil {
				m.log.Error("look for certificates to renew", "error", err)
			}
			m.setPace(m.neededPace())
		case <-m.faster:
		case <-m.ctx.Done():
			return
		}
	}
}

// neededPace returns the pace for the certificates in memory.
func (m *Manager) neededPace() time.Duration {
	pace := slowest
	for _, h := range m.table() {
		if cert, ok := m.managed(h.name); ok {
			pace = min(pace, paceFor(cert.Lifetime()))
		}
	}
	return pace
}

// table returns a copy of the table of hosts.
func (m *Manager) table() []host {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]host, 0, len(m.hosts))
	for _, h := range m.hosts {
		all = append(all, *h)
	}
	return all
}

// keepPresent tries for every listed host that has no valid certificate from the
// authority in use, and forgets unlisted ones: their next visitor tries.
func (m *Manager) keepPresent() {
	storage := time.NewTicker(slowest)
	defer storage.Stop()
	for {
		now := time.Now()
		for _, h := range m.table() {
			if h.order != nil || now.Before(h.next) || m.present(h) {
				continue
			}
			if !h.listed {
				m.forget(h.name)
				continue
			}
			m.begin(h.name) // settle says how it went
		}
		select {
		case <-time.After(min(glance, time.Duration(m.pace.Load()))):
		case <-m.look:
		case <-storage.C:
			m.checkStorage()
		case <-m.ctx.Done():
			return
		}
	}
}

// checkStorage notes of which certificates in memory the files are gone. We do
// not order others: the storage may come back, and the authority counts orders.
func (m *Manager) checkStorage() {
	for _, h := range m.table() {
		if h.issuer == "" || h.order != nil || h.err != nil && h.err != errLost {
			continue
		}
		var now error
		if !m.stored(h) {
			now = errLost
		}
		m.mu.Lock()
		if known := m.hosts[h.name]; known != nil && known.order == nil && known.err == h.err {
			known.err = now
		}
		m.mu.Unlock()
		if now != nil && h.err == nil {
			m.log.Error("storage of certificates", "host", h.name, "error", now)
		}
	}
}

// stored reports whether the storage has the certificate and the key of h, or
// cannot tell.
func (m *Manager) stored(h host) bool {
	for _, key := range []string{certmagic.StorageKeys.SiteCert(h.issuer, h.name), certmagic.StorageKeys.SitePrivateKey(h.issuer, h.name)} {
		if _, err := m.storage.Stat(m.ctx, key); errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

func (m *Manager) present(h host) bool {
	_, ok := m.managed(h.name)
	return ok && h.issuer == m.plan.Load().issuerKey()
}

// keepClean removes from the storage, and its copy, what is long expired.
func (m *Manager) keepClean() {
	for {
		if m.local != nil {
			m.clean(m.local)
		}
		m.clean(m.storage)
		select {
		case <-time.After(cleanEvery / 4): // others may have cleaned between
		case <-m.ctx.Done():
			return
		}
	}
}

func (m *Manager) clean(storage certmagic.Storage) {
	err := certmagic.CleanStorage(m.ctx, storage, certmagic.CleanStorageOptions{
		Logger: m.zap, Interval: cleanEvery,
		OCSPStaples: true, ExpiredCerts: true, ExpiredCertGracePeriod: expiredStay,
	})
	if err != nil && m.ctx.Err() == nil {
		m.log.Warn("clean the storage of certificates", "error", err)
	}
}
