package collector

import (
	"context"
	"errors"
	"iter"
)

// ErrAway says that the machine that has the store does not answer, or not now.
var ErrAway = errors.New("no answer")

// Source is a store of events, with what [API] needs to show it: a [Store] is one. Its methods are safe for
// concurrent use and, but for the time a caller takes over what they yield, return within a bounded
// time, be it with an error, when the store does not answer: [ErrAway]. No error contains a password. One
// that is not told of everything may have a method Elsewhere, which says to people who is.
//
// Rows are as in [Record]: above nought, not given twice, and in the order of commits, so that once a
// reader has seen a row nothing appears at or before it any more.
type Source interface {
	// Events yields the events that f selects, ordered by their At, then Seq, then Row. An error ends
	// it. Memory does not grow with the number of events.
	Events(ctx context.Context, f Filter) iter.Seq2[Record, error]

	// Rejected yields quarantined input, the oldest first; a store that is not told of any yields none.
	Rejected(ctx context.Context, f Filter) iter.Seq2[Reject, error]

	// Stats returns the counts that f selects, ordered by site and type, and what the store knows of
	// accounts and losses.
	Stats(ctx context.Context, f Filter) (Stats, error)

	// LastRow returns the row of the event that was stored last, 0 if there is none.
	LastRow(ctx context.Context) (int64, error)

	// Next returns the first events that f selects behind the row after, f.Limit at most, in the order
	// of their rows, and the row to go on from: nothing that f selects lies between them that was not
	// returned. Every client of a live stream asks several times a second, so it has to be cheap while
	// there is nothing new: a store on another machine looks once a second for all of them.
	Next(ctx context.Context, f Filter, after int64) (page []Record, next int64, err error)

	// Landed returns a channel that is closed at the next commit that the source knows of without
	// looking; nil if it knows of none. Who waits looks again after a moment anyway.
	Landed() <-chan struct{}

	// Done returns a channel that is closed when the source is.
	Done() <-chan struct{}
}
