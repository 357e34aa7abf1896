package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// asker answers whether a host may have a certificate: it may when its name begins
// with "good".
type asker struct {
	url   string
	mu    sync.Mutex
	names []string // asked for
}

func startAsker(t *testing.T) *asker {
	a := &asker{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("domain")
		a.mu.Lock()
		a.names = append(a.names, name)
		a.mu.Unlock()
		if !strings.HasPrefix(name, "good") {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	a.url = server.URL + "/may?key=1"
	return a
}

// heard returns the names asked for.
func (a *asker) heard() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.names)
}

// TestCertificateOnDemand: a name that is refused costs the authority nothing, one
// that is allowed is ordered once, however many visitors are first.
func TestCertificateOnDemand(t *testing.T) {
	t.Parallel()
	asker := startAsker(t)
	e := newEdge(t, "", 90*24*time.Hour)
	e.hosts, e.ask = `["*"]`, asker.url
	e.start(t)

	for range 3 {
		if _, err := e.shake("bad.test"); err == nil {
			t.Error("bad.test: a good handshake")
		}
	}
	if posts := e.ca.posts.Load(); posts != 0 {
		t.Errorf("bad.test: %d POSTs to the authority", posts)
	}
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() {
			_, err := e.shake("good.test")
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Errorf("good.test: %v", err)
		}
	}
	if status, page := e.fetch(t, "https://good.test/"); status != 200 || page != "origin: good.test /" {
		t.Errorf("good.test: %d %q", status, page)
	}
	// edge 58: answers are remembered.
	if names := asker.heard(); !slices.Equal(names, []string{"bad.test", "good.test"}) {
		t.Errorf("asked for %q", names)
	}
	e.restart(t)
	if _, err := e.shake("good.test"); err != nil {
		t.Errorf("good.test after a restart: %v", err)
	}
	e.made(t, 1)
	if t.Failed() {
		t.Logf("%s", e.log)
	}
}

// TestCertificateVisitorLeaves: an order goes on without the visitor who caused it.
func TestCertificateVisitorLeaves(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "", 90*24*time.Hour)
	e.hosts, e.ask = `["*"]`, startAsker(t).url
	e.start(t)
	hurried := &net.Dialer{Timeout: 100 * time.Millisecond}
	if _, err := tls.DialWithDialer(hurried, "tcp", loopback(e.tls), &tls.Config{ServerName: "good.test", RootCAs: e.ca.pool}); err == nil {
		t.Fatal("the certificate is there in no time")
	}
	e.awaitExpiry(t, "good.test")
	if _, err := e.shake("good.test"); err != nil {
		t.Errorf("the second visitor: %v", err)
	}
	e.made(t, 1)
}

// TestCertificateNameFlood: made-up names cost the authority nothing, the ask URL
// little, and visitors of the sites nothing either (edge 58).
func TestCertificateNameFlood(t *testing.T) {
	t.Parallel()
	asker := startAsker(t)
	e := newEdge(t, "", 90*24*time.Hour)
	e.hosts, e.ask = `[a.test, "*"]`, asker.url
	e.start(t)
	e.awaitCertificate(t, "a.test")
	posts, begin := e.ca.posts.Load(), time.Now()
	for i := range 400 {
		e.greets(t, fmt.Sprintf("bad%d.test", i), "")
		if i%20 > 0 {
			continue
		}
		if _, err := e.shake("a.test"); err != nil {
			t.Errorf("an honest visitor: %v", err)
		}
	}
	if n := e.ca.posts.Load() - posts; n > 0 {
		t.Errorf("%d POSTs to the authority", n)
	}
	if n, most := len(asker.heard()), 120+int(20*time.Since(begin).Seconds()); n > most {
		t.Errorf("the ask URL was asked %d times, want at most %d", n, most)
	}
}

// TestCertificateStrangeNames: whatever a ClientHello calls the server, the answer
// is the right certificate or unrecognized_name, and nothing is ordered or asked
// for (edge 28, 33, 58).
func TestCertificateStrangeNames(t *testing.T) {
	t.Parallel()
	asker := startAsker(t)
	for _, onDemand := range []bool{false, true} {
		t.Run(fmt.Sprintf("on demand is %t", onDemand), func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, "", 90*24*time.Hour)
			e.hosts = `[a.test, bücher.test]`
			if onDemand {
				e.hosts, e.ask = `[a.test, bücher.test, "*"]`, asker.url
			}
			e.start(t)
			await(t, "order for each host that is configured", func() bool { return e.ca.orders.Load() == 2 })
			e.awaitCertificate(t, "a.test")
			e.awaitCertificate(t, "xn--bcher-kva.test")
			posts := e.ca.posts.Load()
			for _, test := range []struct{ sni, served string }{
				{"a.test", "a.test"},
				{"A.Test", "a.test"},
				{"XN--BCHER-KVA.test", "xn--bcher-kva.test"},
				{"", ""},
				{"127.0.0.1", ""},
				{"::1", ""},
				{"[::1]", ""},
				{"*.a.test", ""},
				{"*.x", ""},
				{"*", ""},
				{"..x", ""},
				{".a.test", ""},
				{"a..test", ""},
				{"a.test:443", ""},
				{"a.test/", ""},
				{"../a.test", ""},
				{"a_b", ""},
				{"good b.test", ""},
				{"good\x00.test", ""},
				{strings.Repeat("good.", 60) + "test", ""},
				{"good" + strings.Repeat("x", 60) + ".test", ""},
			} {
				e.greets(t, test.sni, test.served)
			}
			// crypto/tls refuses the dot itself: RFC 6066, section 3.
			if g := greet(t, loopback(e.tls), hello{name: "a.test."}); g.certificate != nil || g.alert == 0 {
				t.Errorf("trailing dot: %+v", g)
			}
			if g := greet(t, loopback(e.tls), hello{name: "bücher.test"}); g.certificate == nil && g.alert != unrecognizedName {
				t.Errorf("IDN that is not ASCII: %+v", g)
			}
			if !onDemand {
				e.greets(t, "good.test", "") // unlisted
			}
			if now := e.ca.posts.Load(); now != posts {
				t.Errorf("%d POSTs to the authority", now-posts)
			}
		})
	}
	t.Cleanup(func() {
		if names := asker.heard(); len(names) > 0 {
			t.Errorf("asked for %q", names)
		}
	})
}

// greets checks the answer to a ClientHello for sni: the certificate of served, or
// unrecognized_name if that is "".
func (e *edge) greets(t *testing.T, sni, served string) {
	t.Helper()
	g := greet(t, loopback(e.tls), hello{name: sni})
	switch {
	case served == "" && (g.certificate != nil || g.alert != unrecognizedName):
		t.Errorf("%.40q: %v, want unrecognized_name", sni, g)
	case served != "" && (g.certificate == nil || g.certificate.VerifyHostname(served) != nil):
		t.Errorf("%.40q: %v, want the certificate of %s", sni, g, served)
	}
}
