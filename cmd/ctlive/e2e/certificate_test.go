package e2e

import (
	"crypto/x509"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCertificateChallenges: either challenge is enough by itself, the certificate
// is there without anybody's having asked for it, and metrics say how long it lasts.
func TestCertificateChallenges(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, challenge, 90*24*time.Hour)
			e.start(t)
			e.awaitOrder(t) // before the first visitor
			leaf := e.awaitCertificate(t, "a.test")
			e.made(t, 1)
			if status, page := e.fetch(t, "https://a.test/x?y=1"); status != 200 || page != "origin: a.test /x?y=1" {
				t.Errorf("%d %q", status, page)
			}
			if off := time.Until(leaf.NotAfter) - e.awaitExpiry(t, "a.test"); off.Abs() > time.Minute {
				t.Errorf("the metric is off by %v", off)
			}
		})
	}
}

// awaitExpiry waits until metrics say how long the certificate of host lasts, and
// returns that.
func (e *edge) awaitExpiry(t *testing.T, host string) (left time.Duration) {
	t.Helper()
	name := fmt.Sprintf("ctlive_cert_expiry_seconds{host=%q} ", host)
	await(t, name, func() bool {
		_, value, _ := strings.Cut(body(t, get(t, e.admin+"/metrics")), name)
		value, _, _ = strings.Cut(value, "\n")
		seconds, err := strconv.ParseFloat(value, 64)
		left = time.Duration(seconds * float64(time.Second))
		return err == nil
	})
	return left
}

// TestCertificateRestart: a restart orders nothing that is there already, and
// orders what is new with the same account. While the authority is down
// everything is served as before, also after a restart.
func TestCertificateRestart(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "", 90*24*time.Hour)
	e.start(t)
	first := e.awaitCertificate(t, "a.test")

	e.hosts = "[a.test, b.test]"
	e.restart(t)
	e.awaitCertificate(t, "b.test")
	e.same(t, first)
	e.made(t, 2)

	e.ca.down.Store(true)
	e.same(t, first)
	e.restart(t)
	e.same(t, first)
	if status, page := e.fetch(t, "https://b.test/"); status != 200 || page != "origin: b.test /" {
		t.Errorf("with the authority down: %d %q", status, page)
	}
	e.made(t, 2)
}

// TestCertificateRestartLate: a certificate that should have been renewed, but could
// not be, is served from the first handshake after a restart until it ends.
func TestCertificateRestartLate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, hosts string }{
		{"configured", "[good.test]"},
		{"on demand", `["*"]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, "", 12*time.Second)
			e.hosts, e.ask = test.hosts, startAsker(t).url
			e.start(t)
			first := e.awaitCertificate(t, "good.test")
			e.ca.mute.Store(true)
			time.Sleep(time.Until(first.NotAfter.Add(-5 * time.Second)))
			e.restart(t)
			for time.Until(first.NotAfter) > time.Second && !t.Failed() {
				e.same(t, first)
				time.Sleep(200 * time.Millisecond)
			}
			e.stopsSoon(t)
		})
	}
}

// same checks that the host of leaf is served at once, with leaf.
func (e *edge) same(t *testing.T, leaf *x509.Certificate) {
	t.Helper()
	got, err := e.shake(leaf.DNSNames[0])
	if err != nil || !got.Equal(leaf) {
		t.Errorf("%s: %v; want the same certificate as before\n%s", leaf.DNSNames[0], err, e.log)
	}
}

// TestCertificateRefused: a host that the authority refuses is tried again with
// patience, is told of in the log, and does not stand in the way of the others.
func TestCertificateRefused(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "", 90*24*time.Hour)
	e.hosts = "[blocked.test, a.test]"
	e.start(t)
	e.awaitCertificate(t, "a.test")
	await(t, "complaint about blocked.test", func() bool { return e.errors("blocked.test") > 0 })
	time.Sleep(2 * time.Second)
	if posts := e.ca.posts.Load(); posts > 30 { // an order takes seven or so
		t.Errorf("%d POSTs to the authority", posts)
	}
	if _, err := e.shake("blocked.test"); err == nil {
		t.Error("blocked.test: a good handshake")
	}
}

// TestCertificateAuthorityDown: the edge starts without its authority and answers
// on its plain listener; when the authority comes back, so do the certificates.
func TestCertificateAuthorityDown(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "", 90*24*time.Hour)
	e.hosts, e.ask = `[a.test, "*"]`, startAsker(t).url
	e.ca.down.Store(true)
	e.start(t)
	if res, err := e.visitor(t).Get("http://a.test/x"); err != nil || res.StatusCode != 308 {
		t.Errorf("%v, %v", res, err)
	}
	await(t, "complaint", func() bool { return e.errors("a.test") > 0 })
	names := []string{"a.test", "good.test"}
	for _, name := range names {
		if _, err := e.shake(name); err == nil {
			t.Errorf("%s: a good handshake", name)
		}
	}
	e.ca.down.Store(false)
	for _, name := range names {
		e.awaitCertificate(t, name)
	}
}

// TestCertificateReload: a reload leaves an order under way alone; a host that it
// adds has its certificate before anybody asks for it, one that it removes is served
// no more, and one that comes back needs no order.
func TestCertificateReload(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "", 90*24*time.Hour)
	e.start(t)
	e.awaitOrder(t)
	e.reload(t, "[a.test, b.test]")
	for _, host := range []string{"a.test", "b.test"} {
		e.awaitExpiry(t, host)
		if _, err := e.shake(host); err != nil {
			t.Errorf("%s: the first handshake: %v", host, err)
		}
	}
	e.made(t, 2)

	e.reload(t, "[b.test]")
	await(t, "refusal of a.test", func() bool { _, err := e.shake("a.test"); return err != nil })
	if _, err := e.shake("b.test"); err != nil {
		t.Errorf("the host that stays: %v", err)
	}
	e.reload(t, "[b.test, a.test]")
	e.awaitCertificate(t, "a.test") // from the storage
	e.made(t, 2)
}

// reload changes the hosts in the running proxy's file and sends SIGHUP.
func (e *edge) reload(t *testing.T, hosts string) {
	t.Helper()
	e.hosts = hosts
	overwrite(t, e.config, e.yaml())
	e.cmd.Process.Signal(syscall.SIGHUP)
}

// TestCertificateInterrupted: a proxy that ends amid an order leaves nothing behind
// that keeps the next one from its certificate.
func TestCertificateInterrupted(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *edge){
		"killed":  func(_ *testing.T, e *edge) { e.kill() },
		"stopped": func(t *testing.T, e *edge) { e.stopsSoon(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, "", 90*24*time.Hour)
			e.start(t)
			e.awaitOrder(t)
			end(t, e)
			e.start(t)
			e.awaitCertificate(t, "a.test")
			if accounts := e.ca.accounts.Load(); accounts != 1 {
				t.Errorf("%d accounts", accounts)
			}
		})
	}
}

// stopsSoon checks that SIGTERM does not wait for the authority.
func (e *edge) stopsSoon(t *testing.T) {
	t.Helper()
	begin := time.Now()
	if err := e.stop(); err != nil || time.Since(begin) > 3*time.Second {
		t.Errorf("stopped after %v: %v\n%s", time.Since(begin), err, e.log)
	}
}

// TestCertificateRenewal: a certificate is replaced before it ends, and nobody
// notices, even if its storage is lost meanwhile. Twelve seconds stand for ninety
// days.
func TestCertificateRenewal(t *testing.T) {
	t.Parallel()
	t.Run("usual", func(t *testing.T) {
		t.Parallel()
		e, first := shortLived(t)
		e.outlives(t, first, 1)
		if accounts := e.ca.accounts.Load(); accounts != 1 {
			t.Errorf("%d accounts", accounts)
		}
	})
	t.Run("storage lost", func(t *testing.T) {
		t.Parallel()
		e, first := shortLived(t)
		if err := os.Rename(e.data+"/certificates", t.TempDir()+"/lost"); err != nil {
			t.Fatal(err)
		}
		e.outlives(t, first, 1)
	})
}

// shortLived starts an edge whose certificates last twelve seconds.
func shortLived(t *testing.T) (e *edge, first *x509.Certificate) {
	t.Helper()
	e = newEdge(t, "", 12*time.Second)
	e.start(t)
	return e, e.awaitCertificate(t, "a.test")
}

// outlives checks that every handshake is good until well after the first
// certificate has ended, and that so many edges do not order one all the time.
func (e *edge) outlives(t *testing.T, first *x509.Certificate, edges int64) {
	t.Helper()
	serials := map[string]bool{first.SerialNumber.String(): true}
	for end := first.NotAfter.Add(6 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		leaf, err := e.shake("a.test")
		if err != nil {
			t.Fatalf("%v after the first certificate began: %v\n%s", time.Since(first.NotBefore), err, e.log)
		}
		serials[leaf.SerialNumber.String()] = true
	}
	// One lasts eight seconds or so: a renewal each second would be a loop.
	if orders := e.ca.orders.Load(); len(serials) < 2 || orders > 8*edges {
		t.Errorf("%d certificates, %d orders in 18 s", len(serials), orders)
	}
}
