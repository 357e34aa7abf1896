package report

import (
	"context"
	"time"

	"ctlive/collector"
)

// Source is a store of events as figures are made of it. Its methods are safe for concurrent use and
// return within a bounded time, be it with an error, when the store does not answer: an error is
// tried again. No error contains a password.
//
// Events have rows. A row is above nought, is not given twice, and is in the order of commits: once a
// reader has seen a row, nothing appears at or before it any more. An event that is stored again
// keeps its row, and none changes but by being deleted.
type Source interface {
	// LastRow returns the row of the newest event, 0 if there is none.
	LastRow(ctx context.Context) (int64, error)

	// Head returns what the store looks like at its ends, all as of one moment.
	Head(ctx context.Context) (Head, error)

	// Each calls f with the first limit events behind a row, or as many as there are, in the order
	// of their rows. What f is given is valid until it returns. An error of f ends it and is returned.
	Each(ctx context.Context, after int64, limit int, f func(*Event) error) error

	// PageLosses returns those of page views that sent something since a day, with the largest totals
	// they have told; a page view may come more than once, and not at all if it lost nothing.
	PageLosses(ctx context.Context, since time.Time) ([]PageLoss, error)

	// Losses returns what was lost on the way to the store in a range of Unix milliseconds, on a site
	// or, for "", on all, in the order of the reasons. A store that is not told has none. Some of it
	// is counted by day only: of those it is the days, in UTC, that the range touches.
	Losses(ctx context.Context, site string, since, until int64) ([]Loss, error)

	// OldestMinute returns the minute since 1970 in which the oldest event was received, 0 if there is
	// none.
	OldestMinute(ctx context.Context) (int64, error)
}

// Head is what an event store looks like at its ends.
type Head struct {
	Oldest int64  // row of its oldest event, 0: there is none
	Last   int64  // row of its newest event, 0: there is none
	Erased int64  // grows with each erasure, once its events are gone
	Store  string // which store it is, and never another one's: a new name whenever rows, erasures or counts of pages begin anew
}

// Event is what counts of a stored event.
type Event struct {
	Row              int64
	Site             string
	At               int64 // Unix milliseconds
	Type             string
	Page             []byte // its page view, in whatever form the source always has it; empty: none
	Object           []byte // JSON; of a WidgetClicked, others may have none
	URL, Chat        string
	Flags            collector.Flags
	Refused, Dropped int64  // of its page, so far
	Lost             []byte // Dropped by reason, as far as known: a JSON object of numbers; empty: none
}

// PageLoss is the losses of a page view that told of some.
type PageLoss struct {
	Site             string
	Page             []byte // as in [Event]
	Refused, Dropped int64
	Lost             []byte // as in [Event]
}

// Pages are the counts of pages that injectors looked at. As it is for a [Source], its methods are
// safe for concurrent use and return within a bounded time.
//
// A count has a position, above nought. Up to a settled position nothing appears or changes any more,
// so that what is read once can be added up for good. Positions may be minutes, settled when they are
// over, or, where many edges tell of a minute and some of them late, the numbers of what they added
// to it: a row for each increment, numbered in the order of commits as events are.
type Pages interface {
	// PageCounts returns counts behind a position, and the position up to which what is returned is settled
	// and complete; that is after itself if nothing is. Those beyond it are of now and will be returned
	// again. It may leave out all that is far behind after, to bound the answer: with the settled
	// position as the next after the rest comes.
	PageCounts(ctx context.Context, after int64) (counts []PageCount, settled int64, err error)

	// Forget deletes the counts of minutes before one, together with events as old. Where somebody else
	// sees to that it does nothing.
	Forget(ctx context.Context, minute int64) error
}

// PageCount is how many pages there were of a result, "injected" or "skipped", and a skip reason or "".
type PageCount struct {
	Position             int64
	Minute               int64 // since 1970
	Site, Result, Reason string
	N                    int64
}
