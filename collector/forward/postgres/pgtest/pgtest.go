// Package pgtest starts throw-away PostgreSQL servers for tests. Only tests import it.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTimeout is for a server on a busy machine, which may have to recover first.
const startTimeout = time.Minute

// errMissing says that tests cannot have a server here.
var errMissing = errors.New("no PostgreSQL server")

// Server is a PostgreSQL server that listens on a Unix socket only, trusts whoever can reach that,
// and keeps its data in a temporary folder. It dies with the process that started it. It survives
// [Server.Kill], but not a power cut: it does not wait for the disk.
type Server struct {
	dir, bin  string
	attr      *syscall.SysProcAttr // nil: our own user
	databases atomic.Int64
	running   *running // nil: stopped
}

// running is one life of the server's main process.
type running struct {
	process *os.Process
	ended   chan struct{}
	err     error // how it ended; read after ended
}

// Start starts a server that the end of the test stops. It skips the test where no PostgreSQL is
// installed.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := New()
	if errors.Is(err, errMissing) {
		t.Skip("SKIP: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// New starts a server for several tests, as TestMain needs it; [Server.Close] ends it.
func New() (*Server, error) {
	bin, err := folder()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	if s.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return nil, err
	}
	if err = s.prepare(); err == nil {
		err = s.Start()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// folder returns the folder of the server's programs; Debian keeps it out of PATH.
func folder() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%w: initdb is not installed", errMissing)
	}
	return filepath.Dir(slices.Max(found)), nil
}

// prepare makes the data folder. The programs refuse to be run by root.
func (s *Server) prepare() (err error) {
	if s.attr, err = owner(s.dir); err != nil {
		return err
	}
	init := exec.Command(filepath.Join(s.bin, "initdb"), "--pgdata=data", "--username=postgres",
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	init.Dir, init.SysProcAttr = s.dir, s.attr
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// Start starts a stopped server and waits until it answers.
func (s *Server) Start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", "data", "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off")
	cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = s.dir, s.attr, log, log
	r, err := run(cmd)
	if err != nil {
		return err
	}
	s.running = r
	for end := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
		if err = s.ping(); err == nil {
			return nil
		}
		select {
		case <-s.running.ended:
			return fmt.Errorf("postgres ended: %w\n%s", s.running.err, s.Log())
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("postgres does not answer: %w\n%s", err, s.Log())
		}
	}
}

// run starts cmd from a thread that lives as long as it: the kernel ends it when that thread ends.
func run(cmd *exec.Cmd) (*running, error) {
	r := &running{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		r.process = cmd.Process
		started <- err
		if err == nil {
			r.err = cmd.Wait()
			close(r.ended)
		}
	}()
	return r, <-started
}

func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return c.Ping(ctx)
}

// DSN returns where a database of the server is.
func (s *Server) DSN(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database,
		RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

// Database makes a new, empty database and returns its DSN.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	s.Exec(t, s.DSN("postgres"), "CREATE DATABASE "+name)
	return s.DSN(name)
}

// Exec runs a statement.
func (s *Server) Exec(t testing.TB, dsn, text string, args ...any) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// Kill ends the server at once, as a crash would: connections are cut, and its next start recovers.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

// Stop ends the server after it has written its data. It cuts the connections.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

func (s *Server) end(signal syscall.Signal) {
	if s.running == nil {
		return
	}
	s.running.process.Signal(signal) // an error says that it has ended
	<-s.running.ended
	s.running = nil
}

// Log returns what the server has logged.
func (s *Server) Log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(text)
}

// Close ends the server and removes its data.
func (s *Server) Close() {
	s.Kill()
	os.RemoveAll(s.dir)
}
