package deflate

// putAcross writes the match of n bytes at the given distance that stands at pos, after the markup, and whose source
// starts before it. Only the bytes whose source lies before the markup have moved away from it: that of the others, and
// they themselves, have moved by the same.
func (r *Reader) putAcross(pos int64, n, dist int) {
	if r.open == noBlock {
		r.useOwn()
	}
	from := pos - int64(dist)
	across := min(int64(n), r.k-from)
	r.putMatch(r.text[from:from+across], dist+len(r.markup))
	if rest := int64(n) - across; rest > 0 {
		r.putMatch(r.text[r.k:r.k+rest], dist)
	}
}

// putMatch writes text, which stands at the given distance before, in the way that costs least.
func (r *Reader) putMatch(text []byte, dist int) {
	if len(text) < minMatch || dist > r.frame.window {
		r.putLiterals(text)
		return
	}
	if v, size, ok := r.codes().match(len(text), dist); ok {
		r.w.put(v, size)
		return
	}
	detour := r.s.header.size + 32 // back into the block, and ends of two
	if size, ok := r.codes().cost(text); ok && size < detour {
		r.w.literals(r.codes(), text)
		return
	}
	r.useFixed()
	v, size, _ := fixed.match(len(text), dist)
	r.w.put(v, size)
}

func (r *Reader) putLiterals(text []byte) {
	if _, ok := r.codes().cost(text); !ok {
		r.useFixed()
	}
	r.w.literals(r.codes(), text)
}

// codes returns those of the open block.
func (r *Reader) codes() *codes {
	if r.open == ownBlock {
		return r.s.codes
	}
	return fixed
}

// copyRun copies the tokens that have gone by unchanged.
func (r *Reader) copyRun() {
	if r.mark < r.s.bit {
		r.useOwn()
		r.w.copy(r.s.in, r.mark, r.s.bit)
		r.mark = r.s.bit
	}
}

// useOwn opens a block with the codes of the source's block.
func (r *Reader) useOwn() {
	if r.open != ownBlock {
		r.closeBlock()
		r.repeatHeader(false)
	}
}

// useFixed opens a block with the fixed codes.
func (r *Reader) useFixed() {
	if r.open != fixedBlock {
		r.closeBlock()
		r.w.putHeader(fixedCodes, false)
		r.open = fixedBlock
	}
}

func (r *Reader) closeBlock() {
	switch r.open {
	case ownBlock:
		r.w.code(r.s.codes.litCode[endBlock])
	case fixedBlock:
		r.w.code(fixed.litCode[endBlock])
	}
	r.open = noBlock
}

// repeatHeader writes the header of the source's block, but for BFINAL.
func (r *Reader) repeatHeader(final bool) {
	h := &r.s.header
	r.w.putHeader(r.s.blk.kind, final)
	r.w.copy(h.bytes[:], h.from+3, h.from+h.size)
	r.open = ownBlock
}
