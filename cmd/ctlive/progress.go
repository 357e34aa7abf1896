package main

import (
	"fmt"
	"io"
	"iter"
	"time"
)

const (
	progressAfter = time.Second // what takes less says nothing
	progressEvery = 250 * time.Millisecond
)

// progress tells people at a terminal how far something long is, on one line.
type progress struct {
	w     io.Writer // nil: there is no terminal
	shown time.Time // last
	wrote bool
	now   func() time.Time
}

// newProgress returns a progress on w that says nothing unless w is a terminal.
func newProgress(w io.Writer) *progress {
	p := &progress{now: time.Now}
	if isTerminal(w) {
		p.w = w
	}
	p.shown = p.now().Add(progressAfter - progressEvery)
	return p
}

// say shows text in place of what was said before, now and then.
func (p *progress) say(format string, args ...any) {
	if p.w == nil {
		return
	}
	if now := p.now(); now.Sub(p.shown) >= progressEvery {
		p.shown, p.wrote = now, true
		fmt.Fprintf(p.w, "\r\x1b[K"+format, args...)
	}
}

// end clears the line.
func (p *progress) end() {
	if p.wrote {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.wrote = false
	}
}

// counted passes items on and says how many there were.
func counted[T any](p *progress, what string, items iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer p.end()
		n := int64(0)
		for item, err := range items {
			if !yield(item, err) {
				return
			}
			if n++; n%256 == 0 {
				p.say("%s %s", thousands(n), what)
			}
		}
	}
}
