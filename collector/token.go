package collector

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	tokenDays  = 8 // full days for which a token is good at least: no CDN should keep a page for longer
	tokenBytes = 2 + 2 + tokenMAC
	tokenMAC   = 14 // bytes of HMAC-SHA256
)

// Tokens makes and checks page tokens. A page carries one in its markup and its listener sends it
// with the events: they come from a page of the site that is at most 8 to 9 days old, however it
// was cached. Events without such a token are stored and flagged [Untrusted].
//
// A token says the day it was made on (in UTC), so that the bytes of a page change once a day, and
// the key that signed it. In base64url it is 24 characters:
//
//	2 bytes of the key's name, 2 bytes day, 14 bytes of HMAC-SHA256(key, day, site)
//
// It stops whoever posts events blindly, from another site or to a list of hosts. It does not stop
// anyone who fetches a page first: whatever a browser can send, a program can, and a token is good
// for as many events as its sender likes.
type Tokens struct {
	shared []tokenKey
	ring   *ring
	now    func() time.Time
	day    atomic.Pointer[tokenDay] // the last one that was asked for
}

// tokenDay is what is known on one day. Tokens are made once: to check one is to compare it.
type tokenDay struct {
	day  int64
	keys []tokenKey // the first one signs

	mu     sync.RWMutex
	tokens map[tokenName]string // sites and days are few
}

// tokenKey is a key with the name that its tokens know it by.
type tokenKey struct {
	name [2]byte
	key  []byte
}

// tokenName is what makes one token differ from others.
type tokenName struct {
	site string
	day  int64
	key  int // index of keys
}

// Tokens returns the page tokens that k and the shared keys sign: the first of those, or, if there
// are none, a key of this data folder that is replaced every 30 days. All of them are accepted.
// Proxies with the same shared keys accept each other's tokens; to replace a key, first add the new
// one behind the old on all of them, then put it first, and remove the old after 9 days.
func (k *Keys) Tokens(shared ...string) *Tokens {
	t := &Tokens{ring: k.tokens, now: k.now}
	for _, text := range shared {
		key := sha256.Sum256([]byte("ctlive page token " + text))
		t.shared = append(t.shared, newTokenKey(key[:]))
	}
	return t
}

func newTokenKey(key []byte) tokenKey {
	key = slices.Clone(key)
	sum := sha256.Sum256(slices.Concat([]byte("name "), key))
	return tokenKey{[2]byte(sum[:2]), key}
}

// Token returns the token that the pages of a site carry today: 24 characters out of A-Z a-z 0-9 - _.
func (t *Tokens) Token(site string) string {
	d := t.today()
	return d.token(tokenName{site: site, day: d.day})
}

// Valid reports whether token is one of the site's. How long that takes says nothing about the good
// ones.
func (t *Tokens) Valid(site, token string) bool {
	var raw [tokenBytes]byte
	if len(token) != base64.RawURLEncoding.EncodedLen(len(raw)) {
		return false
	}
	if _, err := base64.RawURLEncoding.Decode(raw[:], []byte(token)); err != nil {
		return false
	}
	d, made := t.today(), int64(binary.BigEndian.Uint16(raw[2:]))
	if made < d.day-tokenDays || made > d.day+1 { // another proxy's clock may be past midnight
		return false
	}
	for i := range d.keys {
		if d.keys[i].name != [2]byte(raw[:2]) {
			continue
		}
		good := d.token(tokenName{site, made, i})
		if subtle.ConstantTimeCompare([]byte(good), []byte(token)) == 1 {
			return true
		}
	}
	return false
}

// today returns what is known today.
func (t *Tokens) today() *tokenDay {
	today := dayOf(millis(t.now()))
	if d := t.day.Load(); d != nil && d.day == today {
		return d
	}
	d := &tokenDay{day: today, keys: slices.Clone(t.shared), tokens: map[tokenName]string{}}
	for _, k := range t.ring.living(today, len(t.shared) > 0) {
		d.keys = append(d.keys, newTokenKey(k.key[:]))
	}
	t.day.Store(d)
	return d
}

// token returns the token of that name.
func (d *tokenDay) token(name tokenName) string {
	d.mu.RLock()
	token, ok := d.tokens[name]
	d.mu.RUnlock()
	if ok {
		return token
	}
	token = d.keys[name.key].sign(name.site, name.day)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tokens[name] = token
	return token
}

func (k *tokenKey) sign(site string, day int64) string {
	raw := append(make([]byte, 0, sha256.Size+4), k.name[:]...)
	raw = binary.BigEndian.AppendUint16(raw, uint16(day))
	mac := hmac.New(sha256.New, k.key)
	fmt.Fprintf(mac, "%d %s", day, site)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(raw)[:tokenBytes])
}
