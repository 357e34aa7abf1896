package certify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// counting is a storage that counts what is asked of it.
type counting struct {
	*certmagic.FileStorage
	lists, loads atomic.Int64
	down         atomic.Bool
}

var errDown = fmt.Errorf("%w: it is down", ErrStorage)

func (c *counting) List(ctx context.Context, key string, recursive bool) ([]string, error) {
	c.lists.Add(1)
	if c.down.Load() {
		return nil, errDown
	}
	return c.FileStorage.List(ctx, key, recursive)
}

func (c *counting) Load(ctx context.Context, key string) ([]byte, error) {
	c.loads.Add(1)
	if c.down.Load() {
		return nil, errDown
	}
	return c.FileStorage.Load(ctx, key)
}

// put stores a challenge as certmagic does for another edge.
func (c *counting) put(t *testing.T, folder string, chal acme.Challenge) {
	t.Helper()
	value, err := json.Marshal(chal)
	if err == nil {
		err = c.Store(t.Context(), path.Join(folder, chal.Identifier.Value+".json"), value)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func challengeOf(kind, name string) acme.Challenge {
	return acme.Challenge{Type: kind, Token: "token", KeyAuthorization: "token.key",
		Identifier: acme.Identifier{Type: "dns", Value: name}}
}

// TestPeersFlood: however many ask, the storage is looked at four times a second,
// and whoever asks after a challenge was stored finds it.
func TestPeersFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &counting{FileStorage: &certmagic.FileStorage{Path: t.TempDir()}}
		p := &peers{ctx: t.Context(), storage: storage, folder: func() string { return "tokens" }}
		defer p.close()
		var asking sync.WaitGroup
		for i := range 10_000 {
			asking.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if _, ok := p.find(t.Context(), fmt.Sprintf("%d.test", i%100)); ok {
					t.Error("found what is not there")
				}
			})
		}
		for i := range 10 {
			time.Sleep(time.Second)
			name := fmt.Sprintf("%d.peer", i)
			storage.put(t, "tokens", challengeOf("http-01", name))
			begin := time.Now()
			if _, ok := p.find(t.Context(), name); !ok {
				t.Errorf("%s: not found", name)
			}
			if waited := time.Since(begin); waited > 2*lookPause {
				t.Errorf("%s: after %v", name, waited)
			}
		}
		asking.Wait()
		if lists, loads := storage.lists.Load(), storage.loads.Load(); lists > 45 || loads != 10 {
			t.Errorf("10,010 questions in 10 s: %d lists, %d loads", lists, loads)
		}
	})
}

// TestPeersDown: a storage that fails finds nothing, and a name that nobody has
// stored is looked for in the list alone.
func TestPeersDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &counting{FileStorage: &certmagic.FileStorage{Path: t.TempDir()}}
		p := &peers{ctx: t.Context(), storage: storage, folder: func() string { return "tokens" }}
		storage.put(t, "tokens", challengeOf("http-01", "a.test"))
		for _, down := range []bool{true, false} {
			storage.down.Store(down)
			if _, ok := p.find(t.Context(), "a.test"); ok == down {
				t.Errorf("down %v: found %v", down, ok)
			}
		}
		p.close()
		if _, ok := p.find(t.Context(), "a.test"); ok {
			t.Error("found after the end")
		}
	})
}

// TestPeerChallenge: an edge answers for an order of another one, by either
// challenge, and only for hosts that its sites list.
func TestPeerChallenge(t *testing.T) {
	storage := &counting{FileStorage: &certmagic.FileStorage{Path: t.TempDir()}}
	e := newEdge(t, Options{CA: "https://127.0.0.1:1/dir", Storage: storage, HTTPPort: 1, TLSPort: 1, Sites: sites("a.test", "b.test")})
	folder := e.challengeFolder()
	storage.put(t, folder, challengeOf("http-01", "a.test"))
	storage.put(t, folder, challengeOf("tls-alpn-01", "b.test"))
	storage.put(t, folder, challengeOf("http-01", "other.test"))
	for _, c := range []struct {
		host, path string
		want       bool
	}{
		{"a.test", "token", true},
		{"A.Test:80", "token", true},
		{"a.test", "other", false},
		{"b.test", "token", false},
		{"other.test", "token", false},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://"+c.host+challengePath+c.path, nil)
		if got := e.Challenge(w, r); got != c.want || got && w.Body.String() != "token.key" {
			t.Errorf("%s %s: got %v %q", c.host, c.path, got, w.Body)
		}
	}
	for name, want := range map[string]bool{"b.test": true, "a.test": false, "other.test": false} {
		hello := helloFor(name)
		hello.SupportedProtos = []string{acmez.ACMETLS1Protocol}
		cert, err := e.getCertificate(hello)
		if got := cert != nil; got != want || err != nil {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

// TestSharedStorage: two edges have one certificate between them, the second one
// from the storage; without that, and after a restart, it serves its copy; and a
// storage that fails makes nobody order.
func TestSharedStorage(t *testing.T) {
	storage := &counting{FileStorage: &certmagic.FileStorage{Path: t.TempDir()}}
	var told events
	o := Options{Dir: t.TempDir(), Internal: true, Storage: storage, Event: told.note, Sites: sites("a.test")}
	first := newEdge(t, o).mustVisit("a.test")
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "internal"), os.DirFS(filepath.Join(o.Dir, "internal"))); err != nil {
		t.Fatal(err)
	}
	o.Dir = dir
	second := newEdge(t, o)
	if !second.mustVisit("a.test").Equal(first) {
		t.Error("each edge has a certificate of its own")
	}
	second.Close()
	storage.down.Store(true)
	third := newEdge(t, o)
	if !third.mustVisit("a.test").Equal(first) {
		t.Error("after a restart, without the storage: another certificate")
	}
	o.Sites = sites("a.test", "b.test")
	if err := third.Update(o); err != nil {
		t.Fatal(err)
	}
	if _, err := third.visit("b.test"); err == nil {
		t.Error("a certificate without the storage")
	}
	if n := told.count("obtained b.test") + told.count("renewed b.test"); n != 0 {
		t.Errorf("%d certificates ordered without the storage", n)
	}
	if h := third.table(); !retriesSoon(h, "b.test") {
		t.Errorf("the next try is late: %+v", h)
	}
	if n := told.count("obtained a.test"); n != 1 {
		t.Errorf("%d orders", n)
	}
}

func retriesSoon(all []host, name string) bool {
	for _, h := range all {
		if h.name == name {
			return h.failed == 0 && time.Until(h.next) <= storeWait
		}
	}
	return false
}
