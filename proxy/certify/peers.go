package certify

import (
	"context"
	"encoding/json"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

const (
	lookPause = 250 * time.Millisecond // between two looks at the shared storage
	lookTime  = 3 * time.Second        // for a look, and for a request to wait
	maxLoads  = 32                     // challenges read after one
)

// peers finds the challenges of orders that other edges have under way. However
// many ask, and whatever for, there is one look at the storage at a time and four
// in a second. Who asks waits for the next that begins: that sees everything that an
// edge had stored before it told the authority.
type peers struct {
	ctx     context.Context // of looks; it ends before close
	storage certmagic.Storage
	folder  func() string // storage key of the folder with the challenges

	running sync.WaitGroup
	turn    sync.Mutex // held during a look and the pause before it
	last    time.Time  // end of the last look; the holder of turn has it

	mu     sync.Mutex
	closed bool
	next   *sight // has not begun; nil: nobody waits for it
}

// find returns the challenge for name.
func (p *peers) find(ctx context.Context, name string) (acme.Challenge, bool) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	s := p.join()
	select {
	case <-s.done:
		return s.challenge(p, name)
	case <-ctx.Done():
		return acme.Challenge{}, false
	}
}

// join returns the next look.
func (p *peers) join() *sight {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		s := &sight{done: make(chan struct{}), loaded: map[string]acme.Challenge{}}
		p.next = s
		if p.closed {
			close(s.done)
			return s
		}
		p.running.Go(func() { p.look(s) })
	}
	return p.next
}

// look waits for its turn and fills in s.
func (p *peers) look(s *sight) {
	defer close(s.done)
	p.turn.Lock()
	defer p.turn.Unlock()
	select {
	case <-time.After(time.Until(p.last.Add(lookPause))):
	case <-p.ctx.Done():
	}
	p.mu.Lock()
	p.next = nil
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.ctx, lookTime)
	defer cancel()
	s.folder = p.folder()
	s.keys, _ = p.storage.List(ctx, s.folder, false) // an error is one of the storage, which tells of it
	p.last = time.Now()
}

func (p *peers) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.running.Wait()
}

// sight is what one look saw.
type sight struct {
	done   chan struct{} // closed: folder and keys are there
	folder string
	keys   []string

	mu     sync.Mutex
	loaded map[string]acme.Challenge // by key; zero: it cannot be read
}

// challenge returns the challenge for name, which it reads once.
func (s *sight) challenge(p *peers, name string) (acme.Challenge, bool) {
	key := path.Join(s.folder, certmagic.StorageKeys.Safe(name)+".json")
	if !slices.Contains(s.keys, key) {
		return acme.Challenge{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, known := s.loaded[key]
	if !known && len(s.loaded) < maxLoads {
		found = p.load(key)
		s.loaded[key] = found
	}
	return found, found.Identifier.Value == name
}

func (p *peers) load(key string) (found acme.Challenge) {
	ctx, cancel := context.WithTimeout(p.ctx, lookTime)
	defer cancel()
	value, err := p.storage.Load(ctx, key)
	if err != nil || json.Unmarshal(value, &found) != nil {
		return acme.Challenge{}
	}
	return found
}

// challengeFolder is where certmagic stores the challenges of the orders with the
// authority in force.
func (m *Manager) challengeFolder() string {
	return path.Join("acme", certmagic.StorageKeys.Safe(m.plan.Load().issuerKey()), "challenge_tokens")
}
