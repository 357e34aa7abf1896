package deflate

import (
	"errors"
	"math/bits"
)

const maxCode = 15 // bits of the longest code (RFC 1951 3.2.7)

// An entry of a decoding table describes the symbol whose code its index begins with, or points to a second table
// for codes longer than the index.
//
//	bits 0–7    bits of the code and of the extra bits after it (RFC 1951 3.2.5)
//	bits 8–15   bits of the code alone
//	bits 16–    the literal, or the smallest length or distance of the symbol
//	literal     set for literals
//	special     no symbol that stands for bytes: one of link, endOfBlock or neither, which is an error
//
// With link, bits 0–7 are those of the index, 8–15 those of the second table's and 16–27 is where it starts. The codes
// in a second table are described whole.
type entry uint32

const (
	special    entry = 1 << 31
	literal    entry = 1 << 30 // not used with distances, which reach into this bit
	link       entry = 1 << 29 // with special only
	endOfBlock entry = 1 << 28 // with special only

	oneBit entry = 0x101 // per bit of the code
	unused entry = special | oneBit
)

func (e entry) total() uint { return uint(e & 0xff) }

// value returns the length or distance whose code and extra bits w begins with.
func (e entry) value(w uint64) int {
	extra := (w & (1<<(e&63) - 1)) >> (e >> 8 & 63)
	return int(e>>16&0x7fff) + int(extra)
}

// follow returns the index of the second table's entry that e, a link, points to.
func (e entry) follow(w uint64) int {
	return int(e>>16&0xfff) + int(w>>(e&63)&(1<<(e>>8&15)-1))
}

// code is a Huffman code for writing: its bits, the first lowest, above four bits of length; 0 for a symbol without.
type code uint32

func (c code) bits() uint64 { return uint64(c >> 4) }
func (c code) len() uint    { return uint(c & 15) }

// The second tables need at most so many entries: one of 2^s belongs to a complete tree of depth s, which has at least
// s+1 leaves, so that a symbol costs no more than 2^s/(s+1) of them.
const (
	litBits  = 11
	litSize  = 1<<litBits + 288*16/5
	distBits = 8
	distSize = 1<<distBits + 32*128/8
)

// codes are the two Huffman codes of a block, for reading and for writing.
type codes struct {
	lit      [litSize]entry
	dist     [distSize]entry
	litCode  [288]code
	distCode [32]code
}

// litAt returns the entry of the literal, length or end of the block that w begins with.
func (c *codes) litAt(w uint64) entry {
	e := c.lit[w&(1<<litBits-1)]
	if e&special != 0 && e&link != 0 {
		e = c.lit[e.follow(w)]
	}
	return e
}

// distAt returns the entry of the distance that w begins with.
func (c *codes) distAt(w uint64) entry {
	e := c.dist[w&(1<<distBits-1)]
	if e&special != 0 && e&link != 0 {
		e = c.dist[e.follow(w)]
	}
	return e
}

var (
	errOversubscribed = errors.New("over-subscribed Huffman code")
	errIncomplete     = errors.New("incomplete Huffman code")
	errNoEndOfBlock   = errors.New("no code for the end of the block")
)

// set makes c the codes with these code lengths. In error it leaves c as it was.
func (c *codes) set(lits, dists *census) error {
	if !lits.ends {
		return errNoEndOfBlock
	}
	if err := lits.check(); err != nil {
		return err
	}
	if err := dists.check(); err != nil {
		return err
	}
	build(c.lit[:], litBits, lits, litEntries[:], c.litCode[:])
	build(c.dist[:], distBits, dists, distEntries[:], c.distCode[:])
	return nil
}

// match returns the codes of a match with their extra bits, and whether c has both.
func (c *codes) match(length, dist int) (v uint64, n uint, ok bool) {
	sym := lengthSymbol[length]
	lc, le := c.litCode[firstLen+int(sym)], litEntries[firstLen+int(sym)]
	v, n = lc.bits()|uint64(length-int(le>>16&0x1ff))<<lc.len(), lc.len()+le.total()

	ds := distSymbol(dist)
	dc, de := c.distCode[ds], distEntries[ds]
	v |= dc.bits()<<n | uint64(dist-int(de>>16&0x7fff))<<(n+dc.len())
	return v, n + dc.len() + de.total(), lc != 0 && dc != 0
}

// cost returns the bits that text takes as literals, and whether c has a code for each.
func (c *codes) cost(text []byte) (n int, ok bool) {
	for _, b := range text {
		l := c.litCode[b].len()
		if l == 0 {
			return 0, false
		}
		n += int(l)
	}
	return n, true
}

// census lists the symbols of a code by the length of theirs, each list in the order of add.
type census struct {
	number [maxCode + 1]uint16       // of symbols, by length
	last   [maxCode + 1]uint16       // of each list, an index of next
	next   [288 + maxCode + 1]uint16 // symbol after a symbol; the lists start behind the symbols
	ends   bool                      // endBlock has a code
}

func (c *census) reset() {
	c.number, c.ends = [maxCode + 1]uint16{}, false
	for l := range c.last {
		c.last[l] = uint16(288 + l)
	}
}

// add gives symbols, from sym on, codes of l bits, which may not be 0.
func (c *census) add(sym, n int, l uint8) {
	l &= maxCode
	at := c.last[l]
	for end := sym + n; sym < end; sym++ {
		c.next[at] = uint16(sym)
		at = uint16(sym)
		c.ends = c.ends || sym == endBlock
	}
	c.last[l] = at
	c.number[l] += uint16(n)
}

// check refuses code lengths that make no code. Like zlib it takes an incomplete code only where that is a single bit or
// nothing.
func (c *census) check() error {
	missing := 1
	for l := 1; l <= maxCode; l++ {
		if missing = missing<<1 - int(c.number[l]); missing < 0 {
			return errOversubscribed
		}
	}
	if missing == 0 || missing == 1<<maxCode || missing == 1<<(maxCode-1) && c.number[1] == 1 {
		return nil
	}
	return errIncomplete
}

// build fills table and list for the canonical code of lens (RFC 1951 3.2.2). entries describes each symbol but for its
// code.
func build(table []entry, indexBits uint, lens *census, entries []entry, list []code) {
	clear(list)
	f := filler{table: table, bits: indexBits, entries: entries, list: list, lens: lens}
	f.short()
	f.long()
}

// filler gives out codes to symbols, in order.
type filler struct {
	table   []entry
	bits    uint // of the index
	entries []entry
	list    []code
	lens    *census
	at      uint16 // index of lens.next, the next symbol's
	next    uint16 // code, its first bit highest
}

// turn goes on to the codes of l bits.
func (f *filler) turn(l uint) {
	f.at, f.next = uint16(288+l), f.next<<1
}

// give returns the table entry of the next symbol, and its code, which is of l bits, the first lowest.
func (f *filler) give(l uint) (entry, uint) {
	sym, c := f.lens.next[f.at], uint(bits.Reverse16(f.next<<(16-l)))
	f.at, f.next = sym, f.next+1
	f.list[sym] = code(c<<4 | l)
	return f.entries[sym] + entry(l)*oneBit, c
}

// short enters the codes that the index covers. With each bit more, what is there repeats itself.
func (f *filler) short() {
	f.table[0] = unused
	for l := uint(1); l <= f.bits; l++ {
		half := 1 << (l - 1)
		copy(f.table[half:2*half], f.table[:half])
		f.turn(l)
		at, next := f.at, f.next // in registers
		for range f.lens.number[l] {
			at = f.lens.next[at]
			c := bits.Reverse16(next << (16 - l))
			f.list[at] = code(c)<<4 | code(l)
			f.table[c] = f.entries[at] + entry(l)*oneBit
			next++
		}
		f.at, f.next = at, next
	}
}

// long enters the longer codes in second tables, one for each index they begin with.
func (f *filler) long() {
	t := f.lens.number
	index, start, end, size := uint(1)<<f.bits, 0, 1<<f.bits, uint(0)
	for l := f.bits + 1; l <= maxCode; l++ {
		f.turn(l)
		for ; t[l] > 0; t[l]-- {
			e, c := f.give(l)
			if i := c & (1<<f.bits - 1); i != index {
				index, start = i, end
				size = depth(&t, l, f.bits)
				end += 1 << size
				f.table[index] = special | link | entry(start)<<16 | entry(size)<<8 | entry(f.bits)
			}
			for i := c >> f.bits; i < 1<<size; i += 1 << (l - f.bits) {
				f.table[start+int(i)] = e
			}
		}
	}
}

// depth returns the bits of the second table that starts with a code of l bits, t being what is left to give out.
func depth(t *[maxCode + 1]uint16, l, indexBits uint) uint {
	n := l - indexBits
	for used := int(t[l]); used < 1<<n; used = used<<1 + int(t[indexBits+n]) {
		n++
	}
	return n
}
