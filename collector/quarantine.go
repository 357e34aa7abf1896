package collector

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
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
	SHA256          string `json:"sha256"` // of all that was read, in hexadecimal
	Raw             []byte `json:"raw"`    // Base64 in JSON
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
func (s *statements) putReject(site int64, view sql.NullInt64, in input, r *Reject) error {
	sum, err := hex.DecodeString(r.SHA256)
	if err != nil {
		panic(err) // newReject made it
	}
	raw := r.Raw
	if raw == nil {
		raw = []byte{} // nil would be NULL
	}
	_, err = s[addReject].Exec(site, view, in.received, in.client, r.Reason, r.Message,
		r.ContentType, r.ContentEncoding, r.Length, sum, raw)
	if err != nil {
		return err
	}
	return s.evict()
}

// evict drops the oldest input until the quarantine is within its bounds.
func (s *statements) evict() error {
	var rows, size int64
	if err := s[sizeRejects].QueryRow().Scan(&rows, &size); err != nil {
		return err
	}
	for rows > maxRejects || size > maxRejectBytes {
		var site, freed int64
		var reason string
		err := s[evictReject].QueryRow().Scan(&site, &reason, &freed)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := s[countEvicted].Exec(site, reason); err != nil {
			return err
		}
		rows, size = rows-1, size-freed
	}
	return nil
}
