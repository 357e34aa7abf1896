package deflate

import (
	"math"
	"slices"
)

// search decodes a little and shows it to the placer.
func (r *Reader) search() error {
	err := r.decode(min(max(256, 2*len(r.text)), maxText))
	over := r.s.over()
	if over || len(r.text) > r.fed {
		r.ask(over)
	}
	if err == errStarved && r.phase == searching {
		r.ask(false)
		r.release()
	}
	if len(r.text) >= maxText && r.phase == searching {
		r.leave(TooLong)
	}
	if r.phase != searching {
		return nil
	}
	return err
}

// ask shows the placer what it has not seen, and does as it says.
func (r *Reader) ask(over bool) {
	k, v := r.placer.Feed(r.text[r.fed:], over)
	r.fed = len(r.text)
	switch {
	case v == Insert && k >= 0 && k <= int64(r.fed):
		r.insert(k)
	case v != Undecided || over:
		r.leave(Decline)
	default:
		r.safe = k
	}
}

// release returns what has been decoded if it ends with a sync flush and the place does not lie before that: somebody
// waits for it. Insert then starts from there.
func (r *Reader) release() {
	s := &r.s
	flushed := !s.inside && s.blk.kind == stored && s.blk.size == 0 && s.next.used == 0
	room := r.released < maxHeld && len(r.w.buf)+len(s.in) < highWater // Decide takes nothing away
	if flushed && room && r.phase == searching && s.bit == len(s.in)*8 && s.pos == r.safe {
		r.w.buf = append(r.w.buf, s.in...)
		r.released += len(s.in)
		s.drop(len(s.in))
		s.blk = block{pos: s.pos}
		r.start.bit, r.start.pos = s.bit, s.pos
	}
}

// decode extends text to the given size, or by a token more.
func (r *Reader) decode(size int) error {
	s := &r.s
	for len(r.text) < size && !s.over() {
		if !s.inside {
			if err := s.enter(); err != nil {
				return err
			}
		}
		if s.inside && s.blk.kind != stored {
			r.text = s.expand(slices.Grow(r.text, size-len(r.text)+overrun), size)
		}
		if !s.inside || len(r.text) >= size {
			continue
		}
		t, err := s.peek()
		if err != nil {
			return err
		}
		if s.blk.kind == stored {
			t = t.first(size - len(r.text))
		}
		r.keep(t, math.MaxInt)
		s.take(t)
	}
	return nil
}

// keep extends text, which must reach to where t starts or beyond, by the bytes of t, but not beyond size.
func (r *Reader) keep(t token, size int) {
	have := len(r.text)
	n := min(int(r.s.pos)+t.n, size) - have
	switch {
	case n <= 0:
	case r.s.blk.kind == stored:
		from := r.s.bit>>3 + have - int(r.s.pos)
		r.text = append(r.text, r.s.in[from:from+n]...)
	case t.dist == 0:
		r.text = append(r.text, t.lit)
	default:
		r.text = slices.Grow(r.text, n+8)[:have+n]
		repeat(r.text[:have+n+8], have, n, t.dist)
	}
}
