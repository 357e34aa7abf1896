// Package certify gets certificates, keeps them, and picks one for each TLS
// handshake.
//
// A host listed in a site gets its certificate as soon as the manager starts,
// from an ACME certificate authority (RFC 8555), from an authority of our own
// for development, or from files of the operator. Another host gets one during
// its first handshake, if the operator's Ask URL agrees. A name that is neither
// is answered with the alert unrecognized_name (RFC 6066, section 3), without a
// look at the disk or at the network.
//
// Handshakes are served from memory. Every order runs apart from the handshakes
// that wait for it, so a visitor who leaves cancels nothing, and however many
// arrive together there is one order for each name.
package certify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// lockGrace is for giving back the locks at the end; a storage that does not answer
// frees them by itself.
const lockGrace = 3 * time.Second

// Options say which hosts have a certificate and where it comes from.
type Options struct {
	Dir       string         // certificates and account keys; made with mode 0700, used by us alone
	Storage   Storage        // takes their place in Dir, and is shared with other edges; nil: they are in Dir
	Email, CA string         // of the ACME account, may be empty; URL of the ACME directory, "": Let's Encrypt
	Roots     *x509.CertPool // trusted for CA; nil: the system's
	Internal  bool           // an authority of our own in place of CA, for development
	Ask       string         // URL asked before an unlisted host gets a certificate; "": none does

	// Ports our own listeners have: they answer the challenges of CA, which
	// sends them to 80 and 443. 0: that challenge is off.
	HTTPPort, TLSPort int
	ListenHost        string // host part of those listeners

	Sites  []Site
	Logger *slog.Logger // nil: nothing is logged

	// Event is told what happened to the certificate of host: "obtained",
	// "renewed", "failed" with its error, "revoked", "loaded" from changed files,
	// or "denied" by Ask. It returns quickly and does not call the Manager, which
	// may be in the middle of something. nil: nobody listens.
	Event func(name, host string, err error)

	leafLife time.Duration // of what our own authority signs; 0: a week
}

// Storage is where several edges keep their certificates in common. It does not
// change while the manager runs, which does not close it. While it does not answer,
// certificates that this edge has had are served from a copy in Dir, also after a
// restart; those and their keys have mode 0600. Errors that say nothing of a key
// are [ErrStorage].
type Storage interface {
	certmagic.Storage
	certmagic.TryLocker
}

// ErrStorage says that the shared storage does not do what it should. Nothing
// follows from it for the certificates.
var ErrStorage = errors.New("the shared storage of certificates failed")

// A Site is the hosts of one site of the proxy.
type Site struct {
	Hosts             []string // canonical names or IP addresses; "*": every host that no site lists
	CertFile, KeyFile string   // PEM, certificate chain and key; "": a certificate is obtained
}

// Status is how the certificate of one host stands.
type Status struct {
	Host                string
	NotBefore, NotAfter time.Time // zero: there is none
	Issuer              string    // common name of who signed it
	Err                 string    // of the last try, "" if it went well
}

// A Manager has the certificates of one process. It is safe for concurrent use.
type Manager struct {
	dir     string
	log     *slog.Logger
	zap     *zap.Logger
	storage certmagic.Storage
	local   certmagic.Storage // copies of what is in storage; nil: storage is on this machine
	peers   *peers            // nil: no other edge uses storage
	cache   *certmagic.Cache
	plan    atomic.Pointer[plan]
	issuing *rate.Limiter // of our own authority, for unlisted names

	ctx     context.Context // until Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	pace   atomic.Int64  // nanoseconds between two looks for certificates to renew
	faster chan struct{} // the pace has risen

	changing sync.Mutex // held while the plan or a file's certificate changes
	files    []*pair
	rewatch  chan struct{} // files has become another list

	mu     sync.Mutex
	hosts  map[string]*host // those whose certificate is obtained
	closed bool
	slots  chan struct{} // taken by orders under way
	look   chan struct{} // hosts may lack a certificate
}

// New returns a manager for o. It reads the certificate files of o and makes
// o.Dir; it uses no network before [Manager.Start] or the first handshake.
func New(o Options) (*Manager, error) {
	files, err := readSites(o.Sites)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for certificates: %w", err)
	}
	m := newManager(o)
	p, err := m.newPlan(o)
	if err == nil {
		err = m.use(p, files)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Check reports what is wrong with the certificate files of o. It changes
// nothing.
func Check(o Options) error {
	_, err := readSites(o.Sites)
	return err
}

func newManager(o Options) *Manager {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m := &Manager{
		dir: o.Dir, log: log, zap: newZap(log),
		storage: &certmagic.FileStorage{Path: o.Dir},
		issuing: rate.NewLimiter(20, 100),
		faster:  make(chan struct{}, 1),
		rewatch: make(chan struct{}, 1),
		look:    make(chan struct{}, 1),
		hosts:   map[string]*host{},
		slots:   make(chan struct{}, maxOrders),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	if o.Storage != nil {
		m.storage, m.local = o.Storage, &certmagic.FileStorage{Path: filepath.Join(o.Dir, "shared")}
		m.peers = &peers{ctx: m.ctx, storage: m.storage, folder: m.challengeFolder}
	}
	m.pace.Store(int64(slowest))
	m.cache = certmagic.NewCache(m.cacheOptions(slowest))
	return m
}

// Start begins to obtain, renew and check certificates in the background, until
// ctx ends or the manager is closed. The listeners that answer the challenges
// must be open. It is called once.
func (m *Manager) Start(ctx context.Context) {
	context.AfterFunc(ctx, m.cancel)
	for _, keep := range []func(){m.keepPresent, m.keepRenewed, m.keepClean, m.keepFiles} {
		m.running.Go(keep)
	}
}

// Update puts o in the place of the options before: all of it, or with an error
// nothing. Certificates in memory and orders under way stay, except for hosts
// that o does not have. New hosts get their certificate at once.
func (m *Manager) Update(o Options) error {
	if o.Dir != m.dir {
		return errors.New("the folder for certificates cannot change while running: restart")
	}
	m.changing.Lock()
	defer m.changing.Unlock()
	files, err := readSites(o.Sites)
	if err != nil {
		return err
	}
	p, err := m.newPlan(o)
	if err != nil {
		return err
	}
	return m.use(p, files)
}

// TLSConfig returns the configuration of listeners. Certificates that come and
// go need no other.
func (m *Manager) TLSConfig() *tls.Config {
	return &tls.Config{
		GetCertificate: m.getCertificate,
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1", acmez.ACMETLS1Protocol},
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all good
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// Root returns the file with the root certificate of our own authority, PEM, for
// whoever wants to trust it. ok is false if CA is in use.
func (m *Manager) Root() (pemFile string, ok bool) {
	if p := m.plan.Load(); p.root != nil {
		return p.root.file, true
	}
	return "", false
}

// Close ends what runs in the background and gives back the locks in the storage.
func (m *Manager) Close() error {
	m.mu.Lock()
	again := m.closed
	m.closed = true
	m.mu.Unlock()
	if again {
		return nil
	}
	m.cancel()
	m.running.Wait()
	if m.peers != nil {
		m.peers.close()
	}
	m.cache.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), lockGrace)
	defer cancel()
	certmagic.CleanUpOwnLocks(ctx, m.zap)
	if p := m.plan.Load(); p != nil && p.ask != nil {
		p.ask.close()
	}
	return nil
}
