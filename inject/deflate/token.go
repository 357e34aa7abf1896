package deflate

import "encoding/binary"

// token is what stands at one place of a block.
type token struct {
	bits int  // its size
	n    int  // bytes it stands for, 0 for the end of the block
	dist int  // of a match, else 0
	lit  byte // of a literal
}

// peek decodes the token at s.bit, inside a block. In a stored block that is as much as there is.
func (s *source) peek() (token, error) {
	if s.blk.kind == stored {
		n := min(s.left, s.available(0)>>3)
		if n == 0 {
			return token{}, errStarved
		}
		return token{bits: n * 8, n: n}, nil
	}

	c, w, have := s.codes, load(s.in, s.bit), s.available(0)
	e := c.litAt(w)
	t := token{bits: int(e.total())}
	switch {
	case t.bits > have:
		return t, errStarved
	case e&special != 0:
		if e&endOfBlock == 0 {
			return t, errSymbol
		}
		return t, nil
	case e&literal != 0:
		t.n, t.lit = 1, byte(e>>16)
		return t, nil
	}
	t.n = e.value(w)

	w >>= e.total()
	d := c.distAt(w)
	t.bits += int(d.total())
	switch {
	case t.bits > have:
		return t, errStarved
	case d&special != 0:
		return t, errSymbol
	}
	t.dist = d.value(w)
	if int64(t.dist) > s.pos {
		return t, errDistance
	}
	return t, nil
}

// take moves behind t.
func (s *source) take(t token) {
	s.bit += t.bits
	s.pos += int64(t.n)
	if s.blk.kind == stored {
		s.left -= t.n
		s.inside = s.left > 0
	} else {
		s.inside = t.n > 0
	}
}

// first returns the first n bytes of t, a token of a stored block.
func (t token) first(n int) token {
	t.n = min(t.n, n)
	t.bits = t.n * 8
	return t
}

// run takes tokens quickly, in a compressed block, until it comes to limit, close to the end of the input, or to a token
// that wants a closer look: one that reaches back across floor, the end of the block, an error.
func (s *source) run(floor, limit int64) {
	in, c := s.in, s.codes
	pos, i := s.pos, s.bit>>3
	if i+16 > len(in) {
		return
	}
	// The n bits of b come before in[i:]. Above them b may hold more bits of the same, which or-ing does not change.
	b := binary.LittleEndian.Uint64(in[i:]) >> (s.bit & 7)
	i += 7
	n := entry(56 - s.bit&7)
	for pos < limit && i+16 <= len(in) {
		b |= binary.LittleEndian.Uint64(in[i:]) << (n & 63)
		i += 7 - int(n>>3&7)
		n |= 56
		e := c.litAt(b)
		if e&literal != 0 {
			b, n, pos = b>>(e&63), n-e, pos+1
			if e = c.litAt(b); e&literal != 0 {
				b, n, pos = b>>(e&63), n-e, pos+1
				if e = c.litAt(b); e&literal != 0 {
					b, n, pos = b>>(e&63), n-e, pos+1
					continue
				}
			}
			b |= binary.LittleEndian.Uint64(in[i:]) << (n & 63)
			i += 7 - int(n>>3&7)
			n |= 56
		}
		w := b >> (e & 63)
		d := c.distAt(w)
		if (e|d)&special != 0 || int64(d.value(w)) > pos-floor {
			break
		}
		pos += int64(e.value(b))
		b, n = w>>(d&63), n-e-d
	}
	s.bit, s.pos = i*8-int(n&0xff), pos
}

// expand takes tokens quickly as run does, and appends to text, which must be all that was decoded so far, what they stand
// for: up to overrun bytes more than limit, for which text must have room.
func (s *source) expand(text []byte, limit int) []byte {
	in, c := s.in, s.codes
	pos, i := len(text), s.bit>>3
	if i+16 > len(in) {
		return text
	}
	text = text[:cap(text)]
	b := binary.LittleEndian.Uint64(in[i:]) >> (s.bit & 7)
	i += 7
	n := entry(56 - s.bit&7)
	for pos < limit && i+16 <= len(in) {
		b |= binary.LittleEndian.Uint64(in[i:]) << (n & 63)
		i += 7 - int(n>>3&7)
		n |= 56
		e := c.litAt(b)
		if e&literal != 0 {
			text[pos] = byte(e >> 16)
			b, n, pos = b>>(e&63), n-e, pos+1
			if e = c.litAt(b); e&literal != 0 {
				text[pos] = byte(e >> 16)
				b, n, pos = b>>(e&63), n-e, pos+1
				continue
			}
			b |= binary.LittleEndian.Uint64(in[i:]) << (n & 63)
			i += 7 - int(n>>3&7)
			n |= 56
		}
		w := b >> (e & 63)
		d := c.distAt(w)
		dist := d.value(w)
		if (e|d)&special != 0 || dist > pos {
			break
		}
		length := e.value(b)
		repeat(text[:pos+length+8], pos, length, dist)
		pos += length
		b, n = w>>(d&63), n-e-d
	}
	s.bit, s.pos = i*8-int(n&0xff), int64(pos)
	return text[:pos]
}

// overrun is how far expand and repeat may write past what they are asked for.
const overrun = maxMatch + 8

// repeat writes n bytes to text[at:] that stand at the given distance before, and perhaps others behind them, up to eight.
func repeat(text []byte, at, n, dist int) {
	for end := at + n; at < end; {
		if dist < 8 {
			text[at] = text[at-dist]
			at++
			continue
		}
		binary.LittleEndian.PutUint64(text[at:], binary.LittleEndian.Uint64(text[at-dist:]))
		at += 8
	}
}
