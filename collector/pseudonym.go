package collector

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// UserIDMode says what is stored of user ids.
type UserIDMode string

const (
	KeepUserIDs UserIDMode = "keep"

	// PseudonymUserIDs stores a keyed hash in place of each user id. The key is a new one each day
	// (in UTC) and is destroyed within 48 hours: then nobody can tell whose events they were, or
	// whether those of two days were the same person's. Events that come late are given the name of
	// the day they happened on while there is its key.
	//
	// Whatever stands in a member userID, user or users, anywhere in an event, is taken for user ids. Of
	// input that is no event nothing is kept but its length, the reason and a keyed digest, because
	// nobody can say what in it is a user id.
	PseudonymUserIDs UserIDMode = "pseudonym"
)

const (
	pseudonymPrefix = "p:"
	pseudonymBytes  = 16 // of HMAC-SHA256
)

// mask makes pseudonyms for one site on one day.
type mask struct {
	site string
	key  [keySize]byte
}

// mask returns the mask for what happened on the day of at. Only yesterday's key is left besides
// today's.
func (k *Keys) mask(site string, at, now Millis) mask {
	return mask{site, k.pseudonyms.on(dayOf(at), dayOf(now))}
}

func (m *mask) sum(kind, text string) []byte {
	h := hmac.New(sha256.New, m.key[:])
	for _, part := range []string{kind, m.site, text} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return h.Sum(nil)
}

// pseudonym returns what stands for the user id in the store. Nobody has the empty id.
func (m *mask) pseudonym(id string) string {
	if id == "" {
		return ""
	}
	return pseudonymPrefix + base64.RawURLEncoding.EncodeToString(m.sum("user", id)[:pseudonymBytes])
}

// event replaces the user ids of e.
func (m *mask) event(e *event) {
	e.object = m.append(make(jsontext.Value, 0, len(e.object)), e.object, false)
	if len(e.extra) > 0 {
		e.extra = m.append(make(jsontext.Value, 0, len(e.extra)), e.extra, false)
	}
	if e.userID == "" {
		return
	}
	for name, value := range members(e.object) {
		if string(nameOf(name)) == "userID" {
			e.userID, _ = text(value, len(value))
		}
	}
}

// append appends v to out without user ids; inside says that all of v is some.
func (m *mask) append(out, v jsontext.Value, inside bool) jsontext.Value {
	switch kind := v.Kind(); {
	case kind == '{':
		return m.appendObject(out, v, inside)
	case kind == '[':
		return m.appendArray(out, v, inside)
	case inside && kind == '"':
		return m.appendText(out, v)
	case inside && kind == '0':
		return appendQuoted(out, m.pseudonym(string(v)))
	}
	return append(out, v...)
}

func (m *mask) appendObject(out, v jsontext.Value, inside bool) jsontext.Value {
	out = append(out, '{')
	for name, value := range members(v) {
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		if inside {
			out = m.appendText(out, name)
		} else {
			out = append(out, name...)
		}
		out = append(out, ':')
		out = m.append(out, value, inside || holdsUsers(string(nameOf(name))))
	}
	return append(out, '}')
}

func (m *mask) appendArray(out, v jsontext.Value, inside bool) jsontext.Value {
	out = append(out, '[')
	for item := range elements(v) {
		if out[len(out)-1] != '[' {
			out = append(out, ',')
		}
		out = m.append(out, item, inside)
	}
	return append(out, ']')
}

// appendText appends what stands for the quoted text v. Two texts that differ, if only in what a store
// cannot hold, stay two: they may be names in one object.
func (m *mask) appendText(out, v jsontext.Value) jsontext.Value {
	return appendQuoted(out, m.pseudonym(string(nameOf(v))))
}

func appendQuoted(out jsontext.Value, s string) jsontext.Value {
	out, _ = jsontext.AppendQuote(out, s) // an error is invalid UTF-8, which we do not write
	return out
}

// holdsUsers reports whether a member of that name holds user ids, however a site spells it.
func holdsUsers(name string) bool {
	switch strings.ToLower(joiners.Replace(name)) {
	case "user", "users", "userid", "userids":
		return true
	}
	return false
}

var joiners = strings.NewReplacer("_", "", "-", "")

// reject leaves of r what says nothing about anybody.
func (m *mask) reject(r *Reject) {
	r.SHA256 = hex.EncodeToString(m.sum("input", r.SHA256))
	r.Raw, r.ContentType, r.ContentEncoding = nil, "", "" // all that the sender has written
}
