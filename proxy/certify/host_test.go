package certify

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

func TestFailuresAreRepeatedWithRestraint(t *testing.T) {
	e := newEdge(t, Options{Internal: true, Sites: sites("a.test")})
	h := e.hosts["a.test"]
	inFirstHour, waited := 1, time.Duration(0)
	for i := range 12 {
		e.settle(h, "", errors.New("down"))
		wait := time.Until(h.next).Round(time.Second)
		if i > 0 && wait < again[min(i, len(again)-1)]-time.Second || wait > again[len(again)-1] {
			t.Errorf("failure %d: waits %v", i+1, wait)
		}
		if waited += wait; waited < time.Hour {
			inFirstHour++
		}
	}
	if inFirstHour > 5 { // rate limit of Let's Encrypt for failed validations
		t.Errorf("%d tries in the first hour", inFirstHour)
	}
	e.settle(h, "", nil)
	if h.err != nil || h.failed != 0 || !h.next.IsZero() {
		t.Errorf("after a success: %+v", h)
	}
}

// A host whose authority fails is not tried anew by every visitor.
func TestFailureIsRemembered(t *testing.T) {
	var told events
	e := newEdge(t, Options{CA: "https://127.0.0.1:1/dir", TLSPort: 1, Sites: sites("a.test"), Event: told.note})
	for range 5 {
		if _, err := e.visit("a.test"); alertOf(err) != internalError {
			t.Fatalf("got %v", err)
		}
	}
	if n := told.count("failed a.test"); n != 1 {
		t.Errorf("%d tries", n)
	}
	if s := e.Certificates(); len(s) != 1 || s[0].Err == "" || !s[0].NotAfter.IsZero() {
		t.Errorf("status %+v", s)
	}
}

// A hundred reloads do not become a hundred orders.
func TestUpdateTriesAgainWithRestraint(t *testing.T) {
	var told events
	o := Options{Dir: t.TempDir(), CA: "https://127.0.0.1:1/dir", TLSPort: 1, Sites: sites("a.test"), Event: told.note}
	e := newEdge(t, o)
	e.Start(t.Context())
	eventually(t, "a failure", func() bool { return told.count("failed a.test") == 1 })
	h := func() host { return e.table()[0] }
	eventually(t, "its end", func() bool { return h().order == nil })
	for range 100 {
		if err := e.Update(o); err != nil {
			t.Fatal(err)
		}
	}
	if n := told.count("failed a.test"); n != 1 {
		t.Errorf("%d orders", n)
	}
	e.mu.Lock()
	e.hosts["a.test"].next = time.Now().Add(time.Hour)
	e.mu.Unlock()
	if err := e.Update(o); err != nil {
		t.Fatal(err)
	}
	if wait := time.Until(h().next); wait > restraint {
		t.Errorf("waits %v after a reload", wait)
	}
}

func TestCloseDoesNotWaitForTheAuthority(t *testing.T) {
	silent := httptest.NewUnstartedServer(nil) // accepts connections, says nothing
	defer silent.Listener.Close()
	e := newEdge(t, Options{CA: "https://" + silent.Listener.Addr().String(), TLSPort: 1, Sites: sites("a.test")})
	e.Start(t.Context())
	eventually(t, "an order", func() bool { return e.table()[0].order != nil })
	begun := time.Now()
	e.Close()
	if took := time.Since(begun); took > time.Second {
		t.Errorf("took %v", took)
	}
}

func TestTableIsBounded(t *testing.T) {
	e := newEdge(t, Options{Internal: true, Sites: sites("a.test")})
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range maxHosts + 100 {
		if _, err := e.hostLocked(fmt.Sprintf("n%d.test", i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(e.hosts) > maxHosts || e.hosts["a.test"] == nil {
		t.Errorf("%d hosts, listed one %v", len(e.hosts), e.hosts["a.test"])
	}
}

func TestPaceFor(t *testing.T) {
	for _, c := range []struct{ life, want time.Duration }{
		{90 * 24 * time.Hour, 10 * time.Minute},
		{6 * 24 * time.Hour, 10 * time.Minute},
		{time.Hour, 3 * time.Minute},
		{12 * time.Second, 600 * time.Millisecond},
		{time.Second, 200 * time.Millisecond},
	} {
		if got := paceFor(c.life); got != c.want {
			t.Errorf("%v: got %v, want %v", c.life, got, c.want)
		}
	}
}

func TestNoEmailIsNotRegistered(t *testing.T) {
	a, err := withoutPlaceholder(t.Context(), nil, acme.Account{Contact: []string{"mailto:" + noEmail}})
	if err != nil || len(a.Contact) != 0 {
		t.Errorf("got %v, %v", a.Contact, err)
	}
	if a, _ := withoutPlaceholder(t.Context(), nil, acme.Account{Contact: []string{"mailto:ops@example.com"}}); len(a.Contact) != 1 {
		t.Errorf("got %v", a.Contact)
	}
}
