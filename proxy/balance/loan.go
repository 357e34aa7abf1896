package balance

import (
	"io"
	"net/http"
	"sync"
)

// A loan is a long body in the hands of one attempt. net/http closes a body when
// it fails, read or not; a loan that was not read can be taken back instead, and
// lent anew.
type loan struct {
	src io.ReadCloser

	mu     sync.Mutex
	begun  bool // something was read, or tried to be
	closed bool // by the attempt
	over   bool // taken back: the attempt must not touch it any more
	given  bool // for good: closing the loan closes src
	err    error
}

func (l *loan) Read(p []byte) (int, error) {
	if !l.begin() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := l.src.Read(p) // without the lock: it takes as long as the visitor does
	if err != nil && err != io.EOF {
		l.mu.Lock()
		l.err = err
		l.mu.Unlock()
	}
	return n, err
}

func (l *loan) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = l.begun || !l.over && !l.closed
	return !l.over && !l.closed
}

func (l *loan) Close() error {
	l.mu.Lock()
	l.closed = true
	pass := l.begun || l.given
	l.mu.Unlock()
	if pass {
		return l.src.Close()
	}
	return nil
}

// takeBack reports whether the body is as it was lent.
func (l *loan) takeBack() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	return !l.begun
}

// give leaves the body to the attempt for good.
func (l *loan) give() {
	l.mu.Lock()
	l.given = true
	late := l.closed && !l.begun
	l.mu.Unlock()
	if late {
		l.src.Close()
	}
}

// failed returns what reading gave, other than the body's end.
func (l *loan) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
