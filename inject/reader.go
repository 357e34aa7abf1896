package inject

import (
	"io"
	"sync"
)

// chunk is how much is read from the origin at a time until the place is found, in bytes.
const chunk = 16 << 10

// reader copies src and adds markup once, at the place that the decider finds.
// What lies before the place for certain is passed on at once; the rest of the
// page, once all is known about it, goes from src to the caller directly.
type reader struct {
	src    io.Reader
	decide decider
	markup []byte // what is still to go out of it
	placed bool   // it goes out when buf is passed on up to free

	buf      []byte
	from, to int   // buf[from:to] is read from src and not passed on
	free     int   // buf[from:free] may be passed on
	base     int64 // offset of buf[0] in the page
	err      error // sticky, from src
}

var readers = sync.Pool{New: func() any { return &reader{buf: make([]byte, chunk)} }}

// newReader reads a page from src; for encoding and patient see decider.
func newReader(src io.Reader, markup []byte, encoding string, patient bool) *reader {
	r := readers.Get().(*reader)
	r.reset(src, markup, encoding, patient)
	return r
}

func (r *reader) reset(src io.Reader, markup []byte, encoding string, patient bool) {
	r.src, r.markup, r.placed, r.err = src, markup, false, nil
	r.from, r.to, r.free, r.base = 0, 0, 0, 0
	r.decide.reset(encoding, patient)
}

func (r *reader) decision() *decider { return &r.decide }

func (r *reader) step() bool {
	if r.err == nil {
		r.fill()
	}
	return r.err == nil
}

func (r *reader) kept() bool {
	return r.from < r.free || r.placed && len(r.markup) > 0 || r.from < r.to && (r.decide.done() || r.err != nil)
}

func (r *reader) release() {
	if len(r.buf) > chunk {
		return // grown for a rare page
	}
	r.src, r.markup = nil, nil
	readers.Put(r)
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		switch {
		case r.from < r.free:
			n := copy(p, r.buf[r.from:r.free])
			r.from += n
			return n, nil
		case r.placed && len(r.markup) > 0:
			n := copy(p, r.markup)
			r.markup = r.markup[n:]
			return n, nil
		case r.from < r.to && (r.decide.done() || r.err != nil):
			r.free = r.to
		case r.err != nil:
			return 0, r.err
		case r.decide.complete():
			return r.src.Read(p)
		default:
			r.fill()
		}
	}
}

// fill reads once from src and finds out what may be passed on.
func (r *reader) fill() {
	r.makeRoom()
	n, err := r.src.Read(r.buf[r.to:])
	r.err = err
	r.decide.feed(r.buf[r.to : r.to+n])
	r.to += n
	if err == io.EOF {
		r.decide.finish()
	}
	switch d := &r.decide; {
	case !d.done():
		r.free = int(d.mark - r.base)
	case d.reason == "" && !r.placed:
		r.placed, r.free = true, int(d.point-r.base)
		r.markup = inUnits(r.markup, d.decoder.unit)
	}
}

// makeRoom sees to it that buf has room after what is held in it.
func (r *reader) makeRoom() {
	switch {
	case r.from == r.to:
		r.move(r.buf)
	case r.to < len(r.buf):
	case r.from >= len(r.buf)/2:
		r.move(r.buf)
	default: // at most the undecided part of a page is held
		r.move(make([]byte, 2*len(r.buf)))
	}
}

// move moves what is held to the front of buf.
func (r *reader) move(buf []byte) {
	copy(buf, r.buf[r.from:r.to])
	r.base += int64(r.from)
	r.buf, r.free, r.to, r.from = buf, r.free-r.from, r.to-r.from, 0
}
