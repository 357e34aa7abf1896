package webhook

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"ctlive/collector/forward"
)

// longestPause is what a receiver may ask for: more would look like a sink that has died.
const longestPause = time.Hour

// Refused is an answer that is not 2xx.
type Refused struct {
	Status int
	After  time.Duration // what the receiver asks to wait, an hour at most; 0: it does not say
}

func (e *Refused) Error() string {
	text := fmt.Sprintf("answer %d %s", e.Status, http.StatusText(e.Status))
	if e.After > 0 {
		text += fmt.Sprintf(", again in %s", e.After)
	}
	return text
}

// RetryAfter returns how long to wait before the next attempt; 0: as you like.
func (e *Refused) RetryAfter() time.Duration { return e.After }

// verdict returns nil if res says that the batch was taken.
func (s *Sink) verdict(res *http.Response) error {
	if res.StatusCode/100 == 2 {
		return nil
	}
	err := &Refused{res.StatusCode, retryAfter(res.Header.Get("Retry-After"), s.now())}
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity: // of what we sent, not of who we are
		return forward.Refuse(err)
	}
	return err
}

// retryAfter reads a Retry-After field (RFC 9110, section 10.2.3); 0 if it makes no sense.
func retryAfter(field string, now time.Time) time.Duration {
	var after time.Duration
	if seconds, err := strconv.ParseInt(field, 10, 32); err == nil {
		after = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(field); err == nil {
		after = at.Sub(now)
	}
	return min(max(after, 0), longestPause)
}
