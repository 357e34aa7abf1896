package balance

import (
	"errors"
	"fmt"
	"net"
)

var (
	// ErrNoConnection is why a request reached no origin: connecting failed.
	ErrNoConnection = errors.New("cannot connect")

	// ErrTooManyConns is why no connection was tried: the origin has as many as
	// it may. It will pass.
	ErrTooManyConns = errors.New("too many connections")

	// ErrRequestBody is a body that the visitor did not send as announced, or
	// not to its end.
	ErrRequestBody = errors.New("read request body")

	// ErrInformational is an origin that sends 1xx responses without end.
	ErrInformational = errors.New("too many informational responses")
)

// An Error is why no answer came. errors.Is and errors.As see its cause: a
// timeout is a net.Error, and where no connection could be made it is
// ErrNoConnection.
type Error struct {
	Upstream string // the last that was tried
	Attempts int
	Err      error
}

func (e *Error) Error() string {
	return fmt.Sprintf("origin %s, attempt %d: %v", e.Upstream, e.Attempts, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// connectError is what dial returns: nothing was written.
type connectError struct{ err error }

func (e *connectError) Error() string        { return "connect: " + e.err.Error() }
func (e *connectError) Unwrap() error        { return e.err }
func (e *connectError) Is(target error) bool { return target == ErrNoConnection }

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
