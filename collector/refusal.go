package collector

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"
)

const storeRetry = 5 * time.Second // what a sender is told to wait when the store takes nothing

// refusal is why a body, or with status 0 one event of it, is not taken. The reasons are stable:
//
//	a body: bad_json bad_utf8 bad_gzip incomplete_body not_a_batch version (400) too_large
//	too_many_events (413) content_type content_encoding (415) cross_site (403) method (405)
//	rate (429) store (503)
//	an event: not_an_event bad_id bad_type duplicate_key too_large too_deep
type refusal struct {
	status  int
	reason  string
	message string // for people
	retry   time.Duration
	events  int  // it concerns, as far as is known; 0: one request
	kept    bool // in the quarantine, which counts it
}

func (r *refusal) Error() string { return r.reason + ": " + r.message }

func refuse(status int, reason, message string) error {
	return &refusal{status: status, reason: reason, message: message}
}

// reject refuses one event.
func reject(reason, message string) *refusal { return &refusal{reason: reason, message: message} }

// quarantined reports whether what was refused is kept: it is, unless it was not read or is wanted
// again.
func (r *refusal) quarantined() bool {
	switch r.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return true
	}
	return false
}

// asRefusal returns what a sender is told about err. Whatever is not the sender's fault is the
// store's, and calls for another try; the store has logged it.
func asRefusal(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	return unstored(1)
}

// unstored refuses that many events for now.
func unstored(events int) *refusal {
	return &refusal{
		events:  events,
		status:  http.StatusServiceUnavailable,
		reason:  "store",
		message: "the store takes nothing at the moment, send again",
		retry:   storeRetry,
	}
}

// tooMany refuses that many events for the next wait.
func tooMany(wait time.Duration, events int) error {
	return &refusal{
		events:  events,
		status:  http.StatusTooManyRequests,
		reason:  "rate",
		message: "too many events, send again later",
		retry:   wait,
	}
}

// answerRefusal is the one place where a cause becomes a status code. It counts what is not kept.
func (c *Collector) answerRefusal(w http.ResponseWriter, in input, refused *refusal) {
	c.opt.Observe(in.site, "", refused.reason)
	c.opt.Logger.Debug("events refused", "site", in.site, "status", refused.status, "reason", refused.reason)
	if !refused.kept {
		c.store.lose(in, refused.reason, max(refused.events, 1))
	}
	switch refused.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusRequestEntityTooLarge:
		w.Header().Set("Connection", "close") // the rest of the body is not worth reading
	}
	if refused.retry > 0 {
		w.Header().Set("Retry-After", seconds(refused.retry))
	}
	writeJSON(w, refused.status, refused.body())
}

// seconds returns d as a Retry-After has it, a day at most.
func seconds(d time.Duration) string {
	return strconv.Itoa(int(math.Ceil(min(d, 24*time.Hour).Seconds())))
}

// body is the JSON that tells a sender why.
func (r *refusal) body() any {
	return struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	}{r.reason, r.message}
}
