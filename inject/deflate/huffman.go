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
func (c *codes) set(lits, dists []uint8) error {
	if lits[endBlock] == 0 {
		return errNoEndOfBlock
	}
	nl, err := count(lits)
	if err != nil {
		return err
	}
	nd, err := count(dists)
	if err != nil {
		return err
	}
	build(c.lit[:], litBits, lits, &nl, litEntries[:], c.litCode[:])
	build(c.dist[:], distBits, dists, &nd, distEntries[:], c.distCode[:])
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

// tally is the number of codes by length.
type tally [maxCode + 1]int

// count counts code lengths, and refuses those that make no code. Like zlib it takes an incomplete code only where that
// is a single bit or nothing.
func count(lens []uint8) (t tally, err error) {
	for _, l := range lens {
		t[l]++
	}
	missing := 1
	for l := 1; l <= maxCode; l++ {
		if missing = missing<<1 - t[l]; missing < 0 {
			return t, errOversubscribed
		}
	}
	if missing == 0 || missing == 1<<maxCode || missing == 1<<(maxCode-1) && t[1] == 1 {
		return t, nil
	}
	return t, errIncomplete
}

// build fills table and list for the canonical code with the given code lengths (RFC 1951 3.2.2). entries describes
// each symbol but for its code.
func build(table []entry, indexBits uint, lens []uint8, t *tally, entries []entry, list []code) {
	var sorted [288]uint16
	sortSymbols(&sorted, lens, t)
	clear(list)
	f := filler{table: table, bits: indexBits, entries: entries, list: list, symbols: sorted[:len(lens)-t[0]]}
	f.short(t)
	f.long(t)
}

// sortSymbols lists the symbols that have a code by its length, then by value.
func sortSymbols(sorted *[288]uint16, lens []uint8, t *tally) {
	var next [maxCode + 1]int
	for l := 1; l < maxCode; l++ {
		next[l+1] = next[l] + t[l]
	}
	for sym, l := range lens {
		if l != 0 {
			sorted[next[l]] = uint16(sym)
			next[l]++
		}
	}
}

// filler gives out codes to symbols, in order.
type filler struct {
	table   []entry
	bits    uint // of the index
	entries []entry
	list    []code
	symbols []uint16
	next    uint // code, its first bit lowest
}

// give returns the table entry of the next symbol, and its code, which is of l bits.
func (f *filler) give(l uint) (entry, uint) {
	sym, c := f.symbols[0], f.next
	f.symbols = f.symbols[1:]
	f.list[sym] = code(c<<4 | l)
	// Add one at bit l-1 and carry downwards. After the last code of all, none of the l bits is free.
	if free := ^c & (1<<l - 1); free != 0 {
		top := uint(1) << (bits.Len(free) - 1)
		f.next = c&(top-1) | top
	}
	return f.entries[sym] + entry(l)*oneBit, c
}

// short enters the codes that the index covers. With each bit more, what is there repeats itself.
func (f *filler) short(t *tally) {
	f.table[0] = unused
	for l := uint(1); l <= f.bits; l++ {
		half := 1 << (l - 1)
		copy(f.table[half:2*half], f.table[:half])
		for range t[l] {
			e, c := f.give(l)
			f.table[c] = e
		}
	}
}

// long enters the longer codes in second tables, one for each index they begin with.
func (f *filler) long(t *tally) {
	index, start, end, size := uint(1)<<f.bits, 0, 1<<f.bits, uint(0)
	for l := f.bits + 1; l <= maxCode; l++ {
		for ; t[l] > 0; t[l]-- {
			if f.next&(1<<f.bits-1) != index {
				index, start = f.next&(1<<f.bits-1), end
				size = depth(t, l, f.bits)
				end += 1 << size
				f.table[index] = special | link | entry(start)<<16 | entry(size)<<8 | entry(f.bits)
			}
			e, c := f.give(l)
			for i := c >> f.bits; i < 1<<size; i += 1 << (l - f.bits) {
				f.table[start+int(i)] = e
			}
		}
	}
}

// depth returns the bits of the second table that starts with a code of l bits, t being what is left to give out.
func depth(t *tally, l, indexBits uint) uint {
	n := l - indexBits
	for used := t[l]; used < 1<<n; used = used<<1 + t[indexBits+n] {
		n++
	}
	return n
}
