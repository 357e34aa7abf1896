package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCertificateCluster: edges with one storage get one certificate for a host,
// although the authority asks another edge than the one that ordered. Without the
// storage each goes on serving, also after a restart, and with it again new hosts
// get theirs.
func TestCertificateCluster(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			db := startDatabase(t)
			one, other := newCluster(t, challenge, 90*24*time.Hour, db)
			startWhileOrdering(t, one, other)
			leaf := one.awaitCertificate(t, "a.test")
			other.awaitCertificate(t, "a.test")
			other.same(t, leaf)
			one.made(t, 1)
			const ordered = `"event":"obtained","host":"a.test"`
			if !strings.Contains(one.log.String(), ordered) || strings.Contains(other.log.String(), ordered) {
				t.Errorf("the edge that the authority asks has ordered, not the other one:\n%s", one.log)
			}

			db.stop(t)
			one.same(t, leaf)
			other.same(t, leaf)
			one.restart(t)
			one.awaitCertificate(t, "a.test")
			one.same(t, leaf)
			other.same(t, leaf)
			one.made(t, 1)

			db.start(t)
			one.reload(t, "[a.test, b.test]")
			other.reload(t, "[a.test, b.test]")
			second := one.awaitCertificate(t, "b.test")
			other.awaitCertificate(t, "b.test")
			other.same(t, second)
			one.made(t, 2)
			for _, e := range []*edge{one, other} {
				if strings.Contains(e.log.String(), "s3cr3t") {
					t.Errorf("the log tells the password:\n%s", e.log)
				}
			}
		})
	}
}

// TestCertificateClusterKilled: an edge that is killed amid an order holds up the
// other one for less than 30 s.
func TestCertificateClusterKilled(t *testing.T) {
	t.Parallel()
	one, other := newCluster(t, "", 90*24*time.Hour, startDatabase(t))
	startWhileOrdering(t, one, other)
	one.awaitOrder(t)
	one.ca.pause.Lock() // before it is fulfilled, which takes a second
	one.kill()
	killed := time.Now()
	one.ca.pause.Unlock()
	for {
		_, err := other.shake("a.test")
		if err == nil {
			break
		}
		if time.Since(killed) > 30*time.Second {
			t.Fatalf("%v\n%s", err, other.log)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("a certificate %v after the kill", time.Since(killed).Round(time.Millisecond))
	one.made(t, 2)
	one.start(t)
	leaf := one.awaitCertificate(t, "a.test")
	other.same(t, leaf)
	one.made(t, 2)
}

// TestCertificateClusterRenewal: a certificate is renewed once for all edges, and
// none serves the old one until its end.
func TestCertificateClusterRenewal(t *testing.T) {
	t.Parallel()
	one, other := newCluster(t, "", 12*time.Second, startDatabase(t))
	one.start(t)
	other.start(t)
	for name, e := range map[string]*edge{"one": one, "other": other} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e.outlives(t, e.awaitCertificate(t, "a.test"), 2) // counts the orders of both, those included that came to nothing
		})
	}
}

// newCluster returns two edges that have not started. The authority asks other.
func newCluster(t *testing.T, challenge string, lifetime time.Duration, db *database) (one, other *edge) {
	t.Helper()
	other = newEdge(t, challenge, lifetime)
	other.storage = db.dsn()
	twin := *other
	one = &twin
	one.tls, one.data = reservePort(t), t.TempDir()
	if other.http != 0 {
		one.http = reservePort(t)
	}
	return one, other
}

// startWhileOrdering starts other when one already has the lock of its order.
func startWhileOrdering(t *testing.T, one, other *edge) {
	t.Helper()
	one.ca.pause.Lock()
	defer one.ca.pause.Unlock()
	one.start(t)
	await(t, "question to the authority", func() bool { return one.ca.asked.Load() > 0 })
	other.start(t)
}

// database is a PostgreSQL server.
type database struct {
	bin, dir, addr string
	cmd            *exec.Cmd
	log            lockedBuffer
}

// startDatabase starts a server with an empty database, which dies with the test.
func startDatabase(t *testing.T) *database {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // where Debian keeps it
	if path, missing := exec.LookPath("initdb"); missing == nil {
		found = []string{path}
	}
	if err != nil || len(found) == 0 {
		t.Skip("SKIP: PostgreSQL is not installed")
	}
	dir, err := os.MkdirTemp("", "ctlive-pg-") // open to another user, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	db := &database{bin: filepath.Dir(slices.Max(found)), dir: dir, addr: reserveAddr(t)}
	if os.Getuid() == 0 {
		if out, err := exec.Command("chown", "postgres", dir).CombinedOutput(); err != nil {
			t.Skipf("SKIP: PostgreSQL does not run as root: %s", out)
		}
	}
	init := db.program("initdb", "--pgdata="+dir+"/data", "--username=ctlive", "--auth=trust", "--locale=C", "--encoding=UTF8", "--no-sync")
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	db.start(t)
	t.Cleanup(func() { db.stop(t) })
	return db
}

// program returns a command of the server's, run by a user whom it accepts.
func (db *database) program(name string, args ...string) *exec.Cmd {
	args = append([]string{filepath.Join(db.bin, name)}, args...)
	if os.Getuid() == 0 {
		args = append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}, args...)
	}
	c := exec.Command(args[0], args[1:]...)
	c.Dir = db.dir
	return c
}

func (db *database) start(t *testing.T) {
	t.Helper()
	const ready = "ready to accept connections"
	before := strings.Count(db.log.String(), ready)
	host, port, _ := net.SplitHostPort(db.addr)
	db.cmd = db.program("postgres", "-D", db.dir+"/data", "-h", host, "-p", port, "-k", db.dir, "-c", "fsync=off")
	db.cmd.Stdout, db.cmd.Stderr = &db.log, &db.log
	if err := db.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("PostgreSQL: %s", &db.log)
		}
	}()
	await(t, "PostgreSQL", func() bool { return strings.Count(db.log.String(), ready) > before })
}

// stop cuts every connection.
func (db *database) stop(t *testing.T) {
	t.Helper()
	if err := db.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	db.cmd.Wait()
}

// dsn has a password, which the server does not ask for.
func (db *database) dsn() string {
	return fmt.Sprintf("postgres://ctlive:s3cr3t@%s/postgres?sslmode=disable", db.addr)
}
