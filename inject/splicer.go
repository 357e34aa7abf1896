package inject

import (
	"io"
	"sync"

	"ctlive/inject/deflate"
)

// splicer adds markup to a page in gzip, zlib or bare DEFLATE without
// compressing it again.
type splicer struct {
	src    io.Reader
	begun  bool // src has given something, or failed
	stream deflate.Reader
	decide decider
	markup []byte
	packed *deflate.Packed // the same; or nil
}

var splicers = sync.Pool{New: func() any { return new(splicer) }}

// newSplicer reads a page from src; packed may be nil. For encoding and patient
// see decider.
func newSplicer(src io.Reader, f deflate.Format, markup []byte, packed *deflate.Packed, encoding string, patient bool) *splicer {
	s := splicers.Get().(*splicer)
	s.src, s.begun, s.markup, s.packed = src, false, markup, packed
	s.decide.reset(encoding, patient)
	s.stream.Reset(source{s}, f, nil, s)
	return s
}

func (s *splicer) decision() *decider { return &s.decide }

func (s *splicer) release() {
	s.src, s.markup, s.packed = nil, nil, nil
	s.stream.Reset(nil, 0, nil, nil)
	splicers.Put(s)
}

func (s *splicer) Read(p []byte) (int, error) {
	n, err := s.stream.Read(p)
	s.judge()
	return n, err
}

func (s *splicer) step() bool {
	more := s.stream.Step()
	s.judge()
	return more
}

func (s *splicer) kept() bool { return s.stream.Kept() }

// judge decides on a page whose stream is passed on as it came.
func (s *splicer) judge() {
	switch d := &s.decide; {
	case d.complete():
	case s.stream.Verdict() == deflate.TooLong:
		d.abandon("not-a-document")
	case s.stream.Verdict() == deflate.Broken && !s.begun:
		d.abandon("empty")
	case s.stream.Verdict() == deflate.Broken:
		d.abandon("broken")
	}
}

// source is what the stream reads.
type source struct{ *splicer }

func (s source) Read(p []byte) (int, error) {
	n, err := s.src.Read(p)
	s.begun = s.begun || n > 0 || err != nil && err != io.EOF
	return n, err
}

// Feed implements deflate.Placer. Where the place is known before the encoding,
// it waits for what else has come already, and no longer.
func (s *splicer) Feed(text []byte, end bool) (int64, deflate.Verdict) {
	d := &s.decide
	d.feed(text)
	if end {
		d.finish()
	}
	if d.done() && len(text) == 0 {
		d.settleForNow()
	}
	switch {
	case !d.complete():
		return d.mark, deflate.Undecided
	case d.reason != "":
		return 0, deflate.Decline
	}
	if wide := d.decoder.unit == littleEndian || d.decoder.unit == bigEndian; s.packed != nil && !wide {
		s.stream.SetPacked(s.packed)
	} else {
		s.stream.SetMarkup(inUnits(s.markup, d.decoder.unit))
	}
	return d.point, deflate.Insert
}
