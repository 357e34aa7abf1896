package certify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	maxHosts  = 20_000          // in the table, of which unlisted ones are dropped beyond it
	maxOrders = 8               // at a time; certmagic begins ten in ten seconds for an account
	orderTime = 3 * time.Minute // for one try, once it has begun
	glance    = 5 * time.Second // between two looks for hosts that lack a certificate
	storeWait = 5 * time.Second // until a host tries again whose storage failed: no authority was asked
)

// again is how long a host waits after its first failure, its second and so on:
// no more than five tries in the first hour, which is how many failed
// validations Let's Encrypt grants.
var again = []time.Duration{
	10 * time.Second, time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour,
}

var (
	errDenied = errors.New("the ask URL does not allow a certificate for this host")
	errFull   = errors.New("too many hosts wait for a certificate")
	errClosed = errors.New("certificates are being closed")
	errAbsent = errors.New("the authority had no error, but there is no valid certificate")
	errLost   = errors.New("the certificate is in memory, but its files are gone from the storage")
)

// host is one whose certificate is obtained. The table's mutex guards it.
type host struct {
	name   string
	listed bool
	issuer string        // key of the authority whose certificate was proven last
	order  chan struct{} // closed when the try under way ends; nil: there is none
	err    error         // of the last try
	failed int           // tries in a row
	tried  time.Time     // end of the last that failed
	next   time.Time     // no try before
}

// await returns when the certificate of name is in memory, or with the error of
// the try it waited for. It joins the try under way.
func (m *Manager) await(ctx context.Context, name string) error {
	order, err := m.begin(name)
	if err != nil {
		return err
	}
	select {
	case <-order:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.hosts[name]; h != nil {
		return h.err
	}
	return errDenied // removed while it was under way
}

// begin starts a try for name unless one is under way, and returns what is
// closed at its end. The error is that of the last try if it is too early for
// the next.
func (m *Manager) begin(name string) (<-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, err := m.hostLocked(name)
	switch {
	case err != nil:
		return nil, err
	case h.order != nil:
		return h.order, nil
	case h.err != nil && time.Now().Before(h.next):
		return nil, h.err
	}
	order := make(chan struct{})
	h.order = order
	m.running.Go(func() {
		defer close(order)
		p := m.plan.Load()
		m.settle(h, p.issuerKey(), m.try(p, name))
	})
	return order, nil
}

// hostLocked returns the entry of name, and makes it if there is none.
func (m *Manager) hostLocked(name string) (*host, error) {
	if m.closed {
		return nil, errClosed
	}
	if h := m.hosts[name]; h != nil {
		return h, nil
	}
	if len(m.hosts) >= maxHosts && !m.makeRoomLocked() {
		return nil, errFull
	}
	h := &host{name: name}
	m.hosts[name] = h
	return h, nil
}

// makeRoomLocked drops an unlisted host that has no order under way, if there is
// one among the next few. Its certificate stays in the storage.
func (m *Manager) makeRoomLocked() bool {
	tries := 100
	for _, h := range m.hosts {
		if !h.listed && h.order == nil {
			m.dropLocked(h)
			return true
		}
		if tries--; tries == 0 {
			break
		}
	}
	return false
}

// dropLocked removes h and its certificate from memory.
func (m *Manager) dropLocked(h *host) {
	delete(m.hosts, h.name)
	m.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: h.name}})
}

// forget drops name, unless a visitor waits for it again.
func (m *Manager) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.hosts[name]; h != nil && h.order == nil {
		m.dropLocked(h)
	}
}

// known reports whether name is in the table.
func (m *Manager) known(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hosts[name] != nil
}

// settle notes how the try for h went, with the authority that issuer names.
func (m *Manager) settle(h *host, issuer string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := h.err
	h.order, h.err = nil, err
	switch {
	case m.hosts[h.name] != h:
		m.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: h.name}}) // nobody wants it any more
	case err == nil:
		if h.issuer != "" && h.issuer != issuer {
			m.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: h.name, IssuerKey: h.issuer}})
		}
		h.issuer, h.failed, h.next = issuer, 0, time.Time{}
	case errors.Is(err, ErrStorage):
		if !errors.Is(before, ErrStorage) {
			m.log.Warn("no certificate", "host", h.name, "error", err, "again_every", storeWait.String())
		}
		h.tried = time.Now()
		h.next = h.tried.Add(storeWait)
	case m.ctx.Err() == nil:
		wait := again[min(h.failed, len(again)-1)]
		h.tried = time.Now()
		h.failed, h.next = h.failed+1, h.tried.Add(wait)
		m.log.Warn("no certificate", "host", h.name, "error", err, "again_in", wait.String())
	}
}

// try gets the certificate of name into memory, from the storage or the authority.
func (m *Manager) try(p *plan, name string) error {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-m.ctx.Done():
		return errClosed
	}
	ctx, cancel := context.WithTimeout(m.ctx, orderTime)
	defer cancel()
	return m.fetch(ctx, p, name)
}

// fetch is one try. It believes in the certificate when it sees it in memory:
// certmagic may find what it needs in the storage, say so, and then not have it.
// Of its ways to order we take the one without repetition; when to try again is
// for [Manager.settle] to say.
func (m *Manager) fetch(ctx context.Context, p *plan, name string) error {
	cert, err := p.config.CacheManagedCertificate(ctx, name)
	switch config := p.configFor(cert); {
	case errors.Is(err, fs.ErrNotExist):
		err = config.ObtainCertSync(ctx, name)
	case errors.Is(err, ErrStorage): // it may be there
	case err != nil: // it is there, but damaged
		err = config.RenewCertSync(ctx, name, true)
	case cert.Expired(): // one that is only due serves until keepRenewed has its successor
		err = config.RenewCertSync(ctx, name, false)
	}
	if err != nil {
		return err
	}
	fresh, err := p.config.CacheManagedCertificate(ctx, name)
	if err != nil {
		return fmt.Errorf("load the certificate from the storage: %w", err)
	}
	if old := cert.Hash(); old != "" && old != fresh.Hash() {
		m.cache.Remove([]string{old})
	}
	if _, ok := m.managed(name); !ok {
		return errAbsent
	}
	return nil
}

// managed returns the valid certificate in memory that was obtained for name.
func (m *Manager) managed(name string) (certmagic.Certificate, bool) {
	for _, cert := range m.cache.AllMatchingCertificates(name) {
		if !cert.HasTag(fromFile) && !cert.Expired() {
			return cert, true
		}
	}
	return certmagic.Certificate{}, false
}
