package collector

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
)

// Bounds of the quarantine. Beyond either the oldest input is dropped and counted, so that nobody
// can fill the disk with nonsense.
const (
	maxRejects     = 10_000
	maxRejectBytes = 64 << 20
	maxRaw         = 64 << 10 // bytes kept of one input
	maxHeader      = 128      // bytes kept of a header
)

// Reject is quarantined input. Its JSON form is the one of `ctlive rejected --format ndjson`.
type Reject struct {
	Row             int64  `json:"row"`
	ReceivedAt      Millis `json:"received_at"`
	Site            string `json:"site"`
	Client          string `json:"client"`
	Reason          string `json:"reason"` // a stable word
	Message         string `json:"message"`
	ContentType     string `json:"content_type"`
	ContentEncoding string `json:"content_encoding"`
	Length          int64  `json:"length"` // as declared or read; Raw may hold less of it
	SHA256          string `json:"sha256"` // of all that was read, in hexadecimal; under PseudonymUserIDs keyed
	Raw             []byte `json:"raw"`    // Base64 in JSON; under PseudonymUserIDs none

	flags Flags // of the events in it
}

// newReject returns what is kept of raw, which was refused for why and is length bytes long as far
// as is known. raw is copied.
func newReject(why *refusal, raw []byte, length int64) Reject {
	sum := sha256.Sum256(raw)
	return Reject{
		Reason:  why.reason,
		Message: why.message,
		Length:  length,
		SHA256:  hex.EncodeToString(sum[:]),
		Raw:     bytes.Clone(raw[:min(len(raw), maxRaw)]),
	}
}

// storedHeader returns the header of r called name as it may be stored.
func storedHeader(r *http.Request, name string) string {
	value := bytes.ToValidUTF8([]byte(r.Header.Get(name)), []byte("\uFFFD"))
	return string(bytes.ToValidUTF8(value[:min(len(value), maxHeader)], nil))
}

// putReject quarantines r and makes room for it.
func (t *transaction) putReject(site int64, view any, in input, r *Reject) error {
	sum, err := hex.DecodeString(r.SHA256)
	if err != nil {
		panic(err) // newReject made it
	}
	raw := r.Raw
	if raw == nil {
		raw = []byte{} // nil would be NULL
	}
	_, err = t.exec(addReject, site, view, int64(in.received), in.client, r.Reason, r.Message,
		r.ContentType, r.ContentEncoding, r.Length, sum, raw, int64(r.flags))
	if err != nil {
		return err
	}
	return t.evict()
}

// evict drops the oldest input until the quarantine is within its bounds.
func (t *transaction) evict() error {
	sizes, err := t.row(sizeRejects)
	if err != nil {
		return err
	}
	rows, size := sizes[0].(int64), sizes[1].(int64)
	for rows > maxRejects || size > maxRejectBytes {
		gone, err := t.row(evictReject)
		if err == errNoRow {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := t.exec(countEvicted, gone[0], gone[1]); err != nil {
			return err
		}
		rows, size = rows-1, size-gone[2].(int64)
	}
	return nil
}
