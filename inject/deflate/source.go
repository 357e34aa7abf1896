package deflate

import (
	"encoding/binary"
	"errors"
)

// errStarved says that the source must be read on first.
var errStarved = errors.New("needs more input")

var (
	errBlockType  = errors.New("reserved block type")
	errStoredSize = errors.New("size of a stored block does not match its complement")
	errCounts     = errors.New("too many symbols in a block header")
	errRepeat     = errors.New("bad repetition of a code length")
	errSymbol     = errors.New("bits that are no symbol")
	errDistance   = errors.New("match reaches back before the start")
)

// blockType is the BTYPE of a block (RFC 1951 3.2.3).
type blockType uint8

const (
	stored blockType = iota
	fixedCodes
	dynamicCodes
)

// block is the block of the source that was entered last.
type block struct {
	kind  blockType
	final bool // BFINAL
	start int  // bit of source.in at which its header starts
	body  int  // bit after its header
	size  int  // LEN of a stored block
	pos   int64
}

// source decodes a DEFLATE stream (RFC 1951) token by token. Its owner appends to in, and may drop what lies before bit
// when it corrects bit and gives up going back.
type source struct {
	in  []byte
	bit int   // next to decode, counted from in[0]
	pos int64 // decoded bytes before that bit

	blk    block
	inside bool // blk is not over
	left   int  // bytes to come of a stored block

	codes  *codes // of a compressed block
	own    codes
	header blockHeader // its bits, to be written again
	next   lengths     // of the dynamic block that is about to be entered
}

// blockHeader keeps the bits of a compressed block's header. The longest has 3 + 14 + 19·3 bits and, for 316 code lengths,
// 7 bits each: a repetition takes up to 14, but stands for three or more.
type blockHeader struct {
	bytes [300]byte
	from  int // its first bit
	size  int // in bits
}

// lengths are the code lengths of a dynamic block (RFC 1951 3.2.7) while they are read.
type lengths struct {
	used  int // bits read since the start of the block, 0 when none is being entered
	count int // of literal and length symbols
	total int // with the distances
	got   int
	last  uint8 // length that was read last
	lits  census
	dists census
	table [1 << codeBits]entry
	codes [19]code
}

const codeBits = 7 // bits of the longest code for a code length

func (s *source) reset() {
	s.in, s.bit, s.pos = s.in[:0], 0, 0
	s.blk, s.inside, s.left = block{}, false, 0
	s.next.used = 0
}

// drop removes the first n bytes of in.
func (s *source) drop(n int) {
	if n > 0 {
		s.in = s.in[:copy(s.in, s.in[n:])]
		s.bit -= n * 8
	}
}

// over reports whether the last block has been decoded to its end.
func (s *source) over() bool { return s.blk.final && !s.inside }

// rewind goes back to pos or before: to the start of the block entered last, or to the bit of in where a block starts
// whose text starts at startPos.
func (s *source) rewind(pos int64, start int, startPos int64) {
	s.next.used = 0
	if pos > s.blk.pos {
		s.bit, s.pos, s.left, s.inside = s.blk.body, s.blk.pos, s.blk.size, true
		return
	}
	s.bit, s.pos, s.inside, s.blk = start, startPos, false, block{}
}

// enter reads the header of the next block. When it starves, it goes on from there the next time.
func (s *source) enter() error {
	size, err := s.readHeader()
	if err != nil {
		return err
	}
	h := load(s.in, s.bit)
	s.blk = block{kind: blockType(h >> 1 & 3), final: h&1 == 1, start: s.bit, body: s.bit + size, pos: s.pos}
	s.inside = true
	if s.blk.kind == stored {
		s.blk.size = int(binary.LittleEndian.Uint16(s.in[s.blk.body>>3-4:]))
		s.left = s.blk.size
		s.inside = s.left > 0
	} else {
		s.header.from, s.header.size = s.bit&7, size
		copy(s.header.bytes[:], s.in[s.bit>>3:(s.blk.body+7)>>3])
	}
	s.bit, s.next.used = s.blk.body, 0
	return nil
}

// readHeader returns the size in bits of the header at s.bit, and leaves the codes of the block in s.codes.
func (s *source) readHeader() (size int, err error) {
	if s.next.used > 0 {
		return s.readLengths()
	}
	if s.available(0) < 3 {
		return 0, errStarved
	}
	switch blockType(load(s.in, s.bit) >> 1 & 3) {
	case stored:
		return s.readSize()
	case fixedCodes:
		s.codes = fixed
		return 3, nil
	case dynamicCodes:
		return s.readCounts()
	}
	return 0, errBlockType
}

// available returns how many bits there are from the given one after s.bit on.
func (s *source) available(from int) int { return len(s.in)*8 - s.bit - from }

// readSize checks the header of a stored block (RFC 1951 3.2.4).
func (s *source) readSize() (size int, err error) {
	at := (s.bit + 3 + 7) >> 3
	if at+4 > len(s.in) {
		return 0, errStarved
	}
	if binary.LittleEndian.Uint16(s.in[at:]) != ^binary.LittleEndian.Uint16(s.in[at+2:]) {
		return 0, errStoredSize
	}
	return (at+4)*8 - s.bit, nil
}

// codeOrder is the order in which the lengths of the codes for code lengths are sent.
var codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCounts reads HLIT, HDIST, HCLEN and the code for code lengths, then the lengths (RFC 1951 3.2.7).
func (s *source) readCounts() (size int, err error) {
	n := &s.next
	w := load(s.in, s.bit+3)
	sent := int(w>>10&15) + 4
	n.used = 3 + 14 + 3*sent
	if s.available(n.used) < 0 {
		n.used = 0
		return 0, errStarved
	}
	n.count, n.got, n.last = int(w&31)+firstLen, 0, 0
	dists := int(w>>5&31) + 1
	if n.total = n.count + dists; n.count > maxLits || dists > maxDists {
		return 0, errCounts
	}
	if err := n.readCode(load(s.in, s.bit+17), sent); err != nil {
		return 0, err
	}
	n.lits.reset()
	n.dists.reset()
	return s.readLengths()
}

// readCode makes the table of the code for code lengths out of w, which starts with as many lengths as were sent.
func (n *lengths) readCode(w uint64, sent int) error {
	var lens [19]uint8
	for _, sym := range codeOrder[:sent] {
		lens[sym] = uint8(w & 7)
		w >>= 3
	}
	n.lits.reset()
	for sym, l := range lens {
		if l > 0 {
			n.lits.add(sym, 1, l)
		}
	}
	if err := n.lits.check(); err != nil {
		return err
	}
	build(n.table[:], codeBits, &n.lits, codeEntries[:], n.codes[:])
	return nil
}

func (s *source) readLengths() (size int, err error) {
	n := &s.next
	have := s.available(n.used)
	var w uint64
	for left := 0; n.got < n.total; {
		if left < codeBits+7 {
			w, left = load(s.in, s.bit+n.used), 57
		}
		e := n.table[w&(1<<codeBits-1)]
		l, bits, repeat := uint8(e>>16&31), int(e.total()), 1
		switch l {
		case 16:
			repeat, bits = 3+int(w>>bits&3), bits+2
		case 17:
			repeat, bits = 3+int(w>>bits&7), bits+3
		case 18:
			repeat, bits = 11+int(w>>bits&127), bits+7
		}
		switch {
		case e&special != 0:
			return 0, errSymbol
		case bits > have:
			return 0, errStarved
		}
		if err := n.add(l, repeat); err != nil {
			return 0, err
		}
		n.used += bits
		have, left, w = have-bits, left-bits, w>>(bits&63)
	}
	if err := s.own.set(&n.lits, &n.dists); err != nil {
		return 0, err
	}
	s.codes = &s.own
	return n.used, nil
}

// add takes in one symbol of the code for code lengths.
func (n *lengths) add(l uint8, repeat int) error {
	if n.got+repeat > n.total || l == 16 && n.got == 0 {
		return errRepeat
	}
	switch l {
	case 16:
		l = n.last
	case 17, 18:
		l = 0
	}
	from := n.got
	n.got, n.last = from+repeat, l
	if l == 0 {
		return nil
	}
	if lits := min(repeat, n.count-from); lits > 0 {
		n.lits.add(from, lits, l)
		from, repeat = from+lits, repeat-lits
	}
	if repeat > 0 {
		n.dists.add(from-n.count, repeat, l)
	}
	return nil
}
