package deflate

import "math"

// openBlock tells what the writer is in.
type openBlock int

const (
	noBlock    openBlock = iota
	ownBlock             // a block with the header and the codes of the source's block
	fixedBlock           // one with the fixed codes, for what is not in the source
)

// insert writes the text up to k and the markup.
func (r *Reader) insert(k int64) {
	r.verdict, r.phase, r.k = Insert, splicing, k
	r.limit = k + maxWindow
	if r.frame.trailer == 4 {
		r.limit = math.MaxInt64 // zlib's wants the length of the text
	}
	s := &r.s
	r.decode(int(k) + maxMatch) // as far as it goes; what stops it comes up again
	s.rewind(k, r.start.bit, r.start.pos)
	t := r.seek()
	r.writePrefix()
	before := int(k - s.pos) // bytes of the match t that belong to the prefix
	if before > 0 {
		r.putMatch(r.text[s.pos:k], t.dist)
	}
	r.putMarkup()
	if s.inside && s.blk.kind == stored {
		r.openStored()
	}
	if before > 0 {
		r.putAcross(k, t.n-before, t.dist)
		s.take(t)
		r.mark = s.bit
	}
}

// seek moves to k, or to the match that k lies inside of, and returns that.
func (r *Reader) seek() token {
	s := &r.s
	for s.pos < r.k {
		if !s.inside {
			if s.enter() != nil {
				break // not where decode has been
			}
			continue
		}
		t, err := s.peek()
		if err != nil {
			break
		}
		if s.blk.kind == stored {
			t = t.first(int(r.k - s.pos))
		}
		if s.pos+int64(t.n) > r.k {
			return t
		}
		s.take(t)
	}
	return token{}
}

// writePrefix copies the source up to s.bit, but makes its last block one that may be followed by others.
func (r *Reader) writePrefix() {
	s := &r.s
	if s.blk.final {
		s.in[s.blk.start>>3] &^= 1 << (s.blk.start & 7)
	}
	if s.inside && s.blk.kind == stored {
		putSize(s.in[s.blk.body>>3-4:], s.blk.size-s.left)
	}
	r.w.copy(s.in, 0, s.bit)
	r.mark = s.bit
	if s.inside && s.blk.kind != stored {
		r.open = ownBlock
	}
}

// splice copies the source after the markup.
func (r *Reader) splice() (err error) {
	s := &r.s
	for err == nil && r.phase == splicing && len(r.w.buf) < highWater {
		switch {
		case s.over():
			r.endBlocks()
		case s.pos >= r.limit:
			r.switchOver()
		case !s.inside:
			if err = s.enter(); err == nil {
				r.enter()
			}
		case s.blk.kind == stored:
			err = r.copyStored()
		default:
			err = r.copyTokens()
		}
	}
	return err
}

// enter writes the header of the block that the source has entered.
func (r *Reader) enter() {
	if r.s.blk.kind == stored {
		r.openStored()
		return
	}
	r.useOwn()
	r.mark = r.s.bit
}

// openStored writes the header of the stored block that the source is in, for what is left of it. If that leads past
// the limit, the rest of the stream can follow as it is.
func (r *Reader) openStored() {
	s := &r.s
	last := s.pos+int64(s.left) >= r.limit
	r.closeBlock()
	r.w.putHeader(stored, last && s.blk.final)
	r.w.putStored(s.left)
	r.mark = s.bit
	if last {
		r.startPassing()
	}
}

func (r *Reader) copyStored() error {
	s := &r.s
	t, err := s.peek()
	if err != nil {
		return err
	}
	r.keep(t, int(r.k)+maxMatch)
	at := s.bit >> 3
	r.w.buf = append(r.w.buf, s.in[at:at+t.n]...)
	s.take(t)
	r.mark = s.bit
	return nil
}

// copyTokens lets tokens go by up to the next that is not copied, and deals with that.
func (r *Reader) copyTokens() error {
	s := &r.s
	if int64(len(r.text)) >= r.k+maxMatch {
		s.run(r.k, r.limit-2) // it may go by three literals at once
	}
	if s.pos >= r.limit {
		return nil
	}
	t, err := s.peek()
	if err != nil {
		r.copyRun()
		return err
	}
	r.keep(t, int(r.k)+maxMatch)
	switch {
	case t.n == 0:
		r.copyRun()
		r.closeBlock()
		s.take(t)
		r.mark = s.bit
	case int64(t.dist) > s.pos-r.k:
		r.copyRun()
		r.putAcross(s.pos, t.n, t.dist)
		s.take(t)
		r.mark = s.bit
	default:
		s.take(t)
	}
	return nil
}

// endBlocks ends the output's blocks as the source's have ended. None of them was written as the final one, because
// when a block is entered it is not known whether it will be ended early.
func (r *Reader) endBlocks() {
	r.closeBlock()
	r.w.putEmpty(true)
	r.w.pad()
	r.s.bit = (r.s.bit + 7) &^ 7
	r.mark = r.s.bit
	r.phase = trailing
}

// poison makes the output fail where the source does: a reserved block type (RFC 1951 3.2.3) is an error to every decoder.
func (r *Reader) poison() {
	r.closeBlock()
	r.w.put(0b111, 3)
	r.w.pad()
	r.passFrom(r.s.bit >> 3)
}

// cut ends the output where the source ends in the middle. The zeros that fill the last byte would be taken for a symbol
// in a compressed block; after its end they begin a stored one that does not come.
func (r *Reader) cut() {
	r.closeBlock()
	r.w.pad()
	r.passFrom(len(r.s.in))
}
