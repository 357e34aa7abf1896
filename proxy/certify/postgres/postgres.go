// Package postgres keeps certificates in PostgreSQL, so that several edges that
// use the same database obtain one certificate of each name between them.
//
// [Store] is the [certmagic.Storage] that package certify takes. Two tables hold
// everything: ctlive_certificates, keys and values, and ctlive_certificate_locks,
// who may order for a name, and until when. The first edge makes them.
//
// The values contain the private keys of the certificates and of the ACME account.
// Give the database a user and a schema of its own, encrypt its backups, and end
// the DSN with sslmode=verify-full unless the database is on the same machine.
//
// A database that does not answer costs nobody a certificate in use: see
// [certify.Options]. Meanwhile no certificate is obtained or renewed, and after an
// error further questions are answered with it for a second.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ctlive/proxy/certify"
)

const (
	maxConns  = 4
	queryTime = 5 * time.Second  // for one statement and the connection it may need
	idleTime  = time.Minute      // an unused connection is kept
	leaseTime = 15 * time.Second // a lock outlives its holder
	closeTime = 2 * time.Second  // to free locks in when the store is closed
)

var errClosed = errors.New("the storage is closed")

// Options say where the database is.
type Options struct {
	DSN    string       // postgres://user:password@host:5432/database?sslmode=verify-full
	Logger *slog.Logger // nil: nothing is logged

	lease time.Duration // 0: leaseTime
}

// Store keeps certificates in a database. It is safe for concurrent use. Its
// errors, except that a key does not exist, are [certify.ErrStorage].
type Store struct {
	pool  *pgxpool.Pool
	where string // host and database, for logs
	log   *slog.Logger
	lease time.Duration

	ready   atomic.Bool // the tables are there
	ctx     context.Context
	cancel  context.CancelFunc // by Close
	running sync.WaitGroup

	mu     sync.Mutex
	closed bool
	held   map[string][]*lease // by name of the lock, oldest first
	outage outage
}

var _ interface {
	certmagic.Storage
	certmagic.TryLocker
	certmagic.LockLeaseRenewer
} = (*Store)(nil)

// New returns a store for o. It connects when it is first used.
func New(o Options) (*Store, error) {
	config, err := parse(o.DSN)
	if err != nil {
		return nil, err
	}
	s := &Store{
		where: config.ConnConfig.Host + "/" + config.ConnConfig.Database,
		log:   o.Logger, lease: cmp.Or(o.lease, leaseTime), held: map[string][]*lease{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if exposed(&config.ConnConfig.Config) {
		s.log.Warn("private keys may cross the network in the clear: add sslmode=verify-full to tls.storage", "storage", s.where)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if s.pool, err = pgxpool.NewWithConfig(s.ctx, config); err != nil {
		s.cancel()
		return nil, errDSN
	}
	return s, nil
}

// Check reports whether dsn can be used. It asks nobody.
func Check(dsn string) error {
	_, err := parse(dsn)
	return err
}

// errDSN stands for what pgx says of a DSN, which may quote its password.
var errDSN = errors.New("not the address of a PostgreSQL database: want one such as postgres://user:password@host:5432/database?sslmode=verify-full, with special characters of the password as %40 and the like")

func parse(dsn string) (*pgxpool.Config, error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return nil, errDSN
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errDSN
	}
	config.MaxConns, config.MinConns, config.MinIdleConns = maxConns, 0, 0
	config.MaxConnIdleTime = idleTime
	config.ConnConfig.ConnectTimeout = queryTime
	params := config.ConnConfig.RuntimeParams
	for name, value := range map[string]string{
		"application_name":  "ctlive",
		"statement_timeout": fmt.Sprint(queryTime.Milliseconds()),
		"lock_timeout":      fmt.Sprint(queryTime.Milliseconds()),
	} {
		params[name] = cmp.Or(params[name], value)
	}
	return config, nil
}

// exposed reports whether what is sent to the database may be read on the way.
func exposed(c *pgconn.Config) bool {
	plain := func(host string, encrypted bool) bool {
		ip := net.ParseIP(host)
		near := strings.HasPrefix(host, "/") || host == "localhost" || ip != nil && ip.IsLoopback()
		return !encrypted && !near
	}
	found := plain(c.Host, c.TLSConfig != nil)
	for _, f := range c.Fallbacks {
		found = found || plain(f.Host, f.TLSConfig != nil)
	}
	return found
}

// String names the store in logs, without user and password.
func (s *Store) String() string { return "PostgreSQL:" + s.where }

// Close gives up the locks held, ends what is under way and closes the
// connections.
func (s *Store) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	err := s.releaseAll()
	s.cancel()
	s.running.Wait()
	s.pool.Close()
	return err
}

// do runs f, which does what on key, and once more if its connection turns out to
// be broken: everything here may be done twice.
func (s *Store) do(ctx context.Context, what, key string, f func(context.Context) error) error {
	err := s.outage.answer()
	if err == nil {
		if err = s.attempt(ctx, f); broken(err) && ctx.Err() == nil {
			err = s.attempt(ctx, f)
		}
		s.note(ctx, err)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s %s: %w", what, key, context.Cause(ctx))
	case errors.Is(err, fs.ErrNotExist):
		err = errors.New(err.Error()) // the server's socket does not exist; that says nothing of the key
	}
	return fmt.Errorf("%w: %s %s: %w", certify.ErrStorage, what, key, err)
}

func (s *Store) attempt(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if s.ctx.Err() != nil {
		return errClosed
	}
	err := s.prepare(ctx)
	if err == nil {
		err = f(ctx)
	}
	if code(err) == undefinedTable {
		s.ready.Store(false) // the database is another one now
	}
	return err
}
