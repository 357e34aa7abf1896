package certify

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// source is where the certificate of a host comes from.
type source int

const (
	unlisted source = iota
	issued          // by an authority
	filed           // by the operator
)

// plan is what one set of Options asks for. It does not change.
type plan struct {
	Options
	config *certmagic.Config // loads, obtains, renews, staples
	brief  *certmagic.Config // the same for certificates that live for days
	still  *certmagic.Config // takes certificates without the network
	root   *authority        // nil: CA is in use
	ask    *asker            // nil: unlisted hosts get no certificate
	listed map[string]source
	others source // what the site "*" says; unlisted: there is none
}

// briefly is the life below which a certificate is renewed at half of it instead
// of at the last third: two days would be too few to notice that renewals fail.
const briefly = 10 * 24 * time.Hour

// restraint is the least between two tries for a host that [Manager.Update] makes
// sooner than they would be.
const restraint = time.Minute

func (m *Manager) newPlan(o Options) (*plan, error) {
	p := &plan{Options: o, listed: map[string]source{}}
	p.list()
	if o.Ask != "" {
		u, err := url.Parse(o.Ask)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("ask URL %q: want one such as http://127.0.0.1:9000/allowed", o.Ask)
		}
		p.ask = m.askerFor(u)
	}
	if o.Internal {
		root, err := openAuthority(filepath.Join(m.dir, "internal"), o.leafLife)
		if err != nil {
			return nil, err
		}
		p.root = root
	}
	m.configure(p)
	return p, nil
}

// list fills in which hosts p names.
func (p *plan) list() {
	for _, site := range p.Sites {
		from := issued
		if site.CertFile != "" {
			from = filed
		}
		for _, name := range site.Hosts {
			if name == "*" {
				p.others = from
				continue
			}
			p.listed[name] = from
		}
	}
}

// askerFor returns the asker in force if it asks at u: it knows answers.
func (m *Manager) askerFor(u *url.URL) *asker {
	if old := m.plan.Load(); old != nil && old.ask != nil && old.ask.url.String() == u.String() {
		return old.ask
	}
	return newAsker(u)
}

// configure makes the three configurations of certmagic, all on our cache.
func (m *Manager) configure(p *plan) {
	base := certmagic.Config{
		Storage: m.storage, LocalCache: m.local, Logger: m.zap,
		OnEvent: m.onEvent, ShouldEmitFunc: worthAnEvent,
		DisableARI: p.root != nil, // which only an ACME server has
	}
	p.config = certmagic.New(m.cache, base)
	p.config.Issuers = []certmagic.Issuer{m.issuer(p)}

	base.Issuers = p.config.Issuers
	base.RenewalWindowRatio = 0.5
	p.brief = certmagic.New(m.cache, base)

	base.OCSP.DisableStapling = true
	p.still = certmagic.New(m.cache, base)
}

func (m *Manager) issuer(p *plan) certmagic.Issuer {
	if p.root != nil {
		return p.root
	}
	return certmagic.NewACMEIssuer(p.config, certmagic.ACMEIssuer{
		CA: p.CA, TrustedRoots: p.Roots, Agreed: true, Logger: m.zap,
		Email: cmp.Or(p.Email, noEmail), NewAccountFunc: withoutPlaceholder,
		// certmagic tries to listen there, finds us, and leaves the answer to us.
		ListenHost: p.ListenHost, AltHTTPPort: p.HTTPPort, AltTLSALPNPort: p.TLSPort,
		DisableHTTPChallenge: p.HTTPPort == 0, DisableTLSALPNChallenge: p.TLSPort == 0,
		// Where no other edge answers for us, the tokens need not be on disk.
		DisableDistributedSolvers: m.peers == nil,
	})
}

// noEmail stands for no email address, which certmagic would look for in the
// storage, where it takes for one the half-written account of another order, or
// ask for on the terminal. It stores an account without an address by this name.
const noEmail = "default"

// withoutPlaceholder takes noEmail out of an account to be registered.
func withoutPlaceholder(_ context.Context, _ *certmagic.ACMEIssuer, a acme.Account) (acme.Account, error) {
	a.Contact = slices.DeleteFunc(a.Contact, func(s string) bool { return s == "mailto:"+noEmail })
	return a, nil
}

// issuerKey names the authority of p in the storage.
func (p *plan) issuerKey() string { return p.config.Issuers[0].IssuerKey() }

// source returns where the certificate of name comes from.
func (p *plan) source(name string) source {
	if from, ok := p.listed[name]; ok {
		return from
	}
	if p.others == filed {
		return filed
	}
	return unlisted
}

// configFor returns the configuration that renews cert.
func (p *plan) configFor(cert certmagic.Certificate) *certmagic.Config {
	if cert.Lifetime() < briefly {
		return p.brief
	}
	return p.config
}

// anyName reports whether every host may have a certificate without asking.
func (p *plan) anyName() bool { return p.root != nil && p.others == issued }

// use puts p and its files in force. Nothing else may change meanwhile.
func (m *Manager) use(p *plan, files []*pair) error {
	if err := takeIn(m.ctx, p.still, files); err != nil {
		m.leaveOut(files)
		return err
	}
	before, old := m.plan.Swap(p), m.files
	m.files = files
	m.leaveOut(old)
	m.follow(before, p)
	if before != nil && before.ask != nil && before.ask != p.ask {
		before.ask.close()
	}
	wake(m.rewatch)
	wake(m.look)
	return nil
}

// follow makes the table of hosts that of p. before is nil at the start.
func (m *Manager) follow(before, p *plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	keep := before != nil && before.opens(p)
	for name, h := range m.hosts {
		was := h.listed
		h.listed = p.listed[name] == issued
		if !h.listed && (was || !keep || p.source(name) != unlisted) {
			m.dropLocked(h)
		}
	}
	for name, from := range p.listed {
		if from != issued {
			continue
		}
		h := m.hosts[name]
		if h == nil {
			h = &host{name: name, listed: true}
			m.hosts[name] = h
		}
		// What was wrong may have been mended; not between any two reloads, though.
		if soon := h.tried.Add(restraint); soon.Before(h.next) {
			h.next = soon
		}
	}
}

// opens reports whether p gives certificates to the same unlisted hosts as q.
func (p *plan) opens(q *plan) bool {
	return p.Ask == q.Ask && p.anyName() == q.anyName() && p.issuerKey() == q.issuerKey()
}

// wake makes whoever waits for c look. It does not block.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// onEvent hears of everything that certmagic does. An error stops what is about
// to begin.
func (m *Manager) onEvent(_ context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	switch event {
	case "cached_managed_cert":
		m.hasten(data["sans"])
	case "cert_obtaining":
		if renewal {
			return m.mayRenew(name)
		}
	case "cert_obtained":
		if renewal {
			m.tell("renewed", name, nil)
			return nil
		}
		m.tell("obtained", name, nil)
	case "cert_failed":
		err, _ := data["error"].(error)
		m.tell("failed", name, err)
	case "cert_ocsp_revoked":
		names, _ := data["subjects"].([]string)
		for _, name := range names {
			m.tell("revoked", name, nil)
		}
	}
	return nil
}

// worthAnEvent reports whether onEvent wants event; certmagic asks before it
// copies a client's whole hello.
func worthAnEvent(event string) bool { return event != "tls_get_certificate" }

func (m *Manager) tell(event, name string, err error) {
	if p := m.plan.Load(); p != nil && p.Event != nil {
		p.Event(event, name, err)
	}
}

// mayRenew asks anew whether an unlisted host may have a certificate, and drops
// the one of a host that no longer may.
func (m *Manager) mayRenew(name string) error {
	p := m.plan.Load()
	if p.listed[name] == issued || p.root != nil || p.ask == nil {
		return nil
	}
	allowed, err := p.ask.allows(m.ctx, name)
	if err != nil || allowed {
		return err
	}
	m.tell("denied", name, nil)
	m.forget(name)
	return errDenied
}
