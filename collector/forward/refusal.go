package forward

import "errors"

// refusal is an error that is the fault of an event.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// Refuse marks err as the answer of an engine that has looked at the events and will not have one of
// them: without that one it would take the others. An engine that is down, or takes nothing from anybody,
// refuses none.
func Refuse(err error) error { return refusal{err} }

func refused(err error) bool {
	_, ok := errors.AsType[refusal](err)
	return ok
}
