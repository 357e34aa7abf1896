package inject

import (
	"fmt"
	"runtime/debug"
)

// A fault is a panic over a page, which bytes of an origin might cause in a
// decoder. It is the error of that page, whichever goroutine worked on it; in the
// handler's it is a panic again, which the server logs and contains.
type fault struct {
	value any
	stack []byte
}

func (f *fault) Error() string { return fmt.Sprintf("%v\n\n%s", f.value, f.stack) }

// caught makes a fault of what recover returned, nil of nil.
func caught(value any) *fault {
	if value == nil {
		return nil
	}
	return &fault{value, debug.Stack()}
}
