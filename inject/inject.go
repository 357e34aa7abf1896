// Package inject adds a script to HTML pages as they stream by.
//
// An [Injector] serves one site. For each request [Injector.Request] prepares
// what goes to the origin and returns an [Exchange], whose Response method
// rewrites what comes back: it finds the place where the script becomes the
// first element of <head>, without ever changing another byte, and brings the
// header into line. A page that cannot be injected safely passes untouched, and
// the [Verdict] says why.
//
// Memory per page is bounded, whatever its size: at most 64 KiB of text are
// held while the place is searched, and nothing after that.
package inject

import (
	"sync"
	"sync/atomic"
	"time"
)

// Options say what an Injector inserts, and where.
type Options struct {
	Tag Tag

	Frames  bool     // inject pages shown in frames, too
	Include []string // patterns of paths; none: all
	Exclude []string // patterns of paths that are left alone

	// Patience is how long the header of a page waits for its first text. Past
	// it, the header goes out as for an injected page of unknown length. A page
	// that comes with its length is waited for longer, since it comes in one go
	// and keeps a length. 0 is DefaultPatience, a negative value waits for ever.
	Patience time.Duration
}

// DefaultPatience is too short to be noticed, and long enough for an origin
// that sends header and body at once.
const DefaultPatience = 20 * time.Millisecond

// wholePatience is how many times longer the header of a page with a length waits.
const wholePatience = 10

// An Injector rewrites the pages of a site. It is safe for concurrent use.
type Injector struct {
	tag              Tag
	making           sync.Mutex // held while current is replaced
	current          atomic.Pointer[edition]
	frames           bool
	include, exclude pathSet
	patience         time.Duration
}

// New returns an Injector. It panics if the markup is not fit for every page
// (see [Tag.Check]).
func New(o Options) *Injector {
	in := &Injector{
		tag: o.Tag, frames: o.Frames, patience: o.Patience,
		include: newPathSet(o.Include), exclude: newPathSet(o.Exclude),
	}
	if err := o.Tag.Check(); err != nil {
		panic(err)
	}
	if len(o.Include) == 0 {
		in.include = newPathSet([]string{"**"})
	}
	if in.patience == 0 {
		in.patience = DefaultPatience
	}
	return in
}
