package certify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	askTimeout = 5 * time.Second
	askRate    = 20     // questions per second
	askBurst   = 100    // questions at once
	maxAnswers = 10_000 // in each of two generations

	allowedFor = 10 * time.Minute // an answer is believed
	deniedFor  = time.Minute
	failedFor  = 5 * time.Second
)

var errAskedTooOften = errors.New("more unlisted hosts than the ask URL is asked about in a second")

// asker asks the operator's URL whether a host may have a certificate. It asks
// once for however many wait, and remembers the answers.
type asker struct {
	ctx    context.Context // of every question, until close
	cancel context.CancelFunc
	url    *url.URL
	client *http.Client
	limit  *rate.Limiter

	asking  sync.WaitGroup
	mu      sync.Mutex
	closed  bool
	pending map[string]*question
	answers [2]map[string]answer // the second is older; it goes when the first is full
}

// question is one under way. Its answer is there when done is closed.
type question struct {
	done chan struct{}
	answer
}

type answer struct {
	allowed bool
	err     error // there was no answer
	until   time.Time
}

func newAsker(u *url.URL) *asker {
	ctx, cancel := context.WithCancel(context.Background())
	return &asker{
		ctx: ctx, cancel: cancel, url: u,
		client: &http.Client{
			Timeout: askTimeout,
			Transport: &http.Transport{
				DialContext:         (&net.Dialer{Timeout: askTimeout}).DialContext,
				MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
				MaxResponseHeaderBytes: 16 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		limit:   rate.NewLimiter(askRate, askBurst),
		pending: map[string]*question{},
		answers: [2]map[string]answer{{}, {}},
	}
}

// close ends questions under way, unanswered.
func (a *asker) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.cancel()
	a.asking.Wait()
	a.client.CloseIdleConnections()
}

// allows reports whether name may have a certificate. It may not as long as there
// is an error.
func (a *asker) allows(ctx context.Context, name string) (bool, error) {
	q, err := a.question(name)
	if err != nil {
		return false, err
	}
	select {
	case <-q.done:
		return q.allowed, q.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// question returns the one about name: answered before, under way, or new.
func (a *asker) question(name string) (*question, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.recallLocked(name); ok {
		return &question{answered, known}, nil
	}
	if q := a.pending[name]; q != nil {
		return q, nil
	}
	if a.closed {
		return nil, errClosed
	}
	if !a.limit.Allow() {
		return nil, errAskedTooOften
	}
	q := &question{done: make(chan struct{})}
	a.pending[name] = q
	a.asking.Go(func() { a.answer(name, q) })
	return q, nil
}

// answered is the channel of questions that need no wait.
var answered = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (a *asker) recallLocked(name string) (answer, bool) {
	for _, generation := range a.answers {
		if known, ok := generation[name]; ok && time.Now().Before(known.until) {
			return known, true
		}
	}
	return answer{}, false
}

// answer asks and makes the answer known.
func (a *asker) answer(name string, q *question) {
	allowed, err := a.ask(name)
	q.answer = answer{allowed, err, time.Now().Add(lifeOf(allowed, err))}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.answers[0]) >= maxAnswers {
		a.answers = [2]map[string]answer{{}, a.answers[0]}
	}
	a.answers[0][name] = q.answer
	delete(a.pending, name)
	close(q.done)
}

func lifeOf(allowed bool, err error) time.Duration {
	switch {
	case err != nil:
		return failedFor
	case allowed:
		return allowedFor
	}
	return deniedFor
}

// ask sends GET url?domain=name. 200 allows; every other status below 500 denies.
func (a *asker) ask(name string) (bool, error) {
	u := *a.url
	query := u.Query()
	query.Set("domain", name)
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(a.ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return false, err
	}
	res, err := a.client.Do(r)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10)) // so that the connection can be used again
	if res.StatusCode >= 500 {
		return false, fmt.Errorf("ask URL: %s", res.Status)
	}
	return res.StatusCode == http.StatusOK, nil
}
