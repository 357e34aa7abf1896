package deflate

import (
	"encoding/binary"
	"slices"
)

// load returns at least 57 bits of b from the given bit on, zeros past its end.
// The first bit of a byte is its lowest (RFC 1951 3.1.1).
func load(b []byte, bit int) uint64 {
	i := bit >> 3
	if i+8 <= len(b) {
		return binary.LittleEndian.Uint64(b[i:]) >> (bit & 7)
	}
	var w uint64
	for j := len(b) - 1; j >= i; j-- {
		w = w<<8 | uint64(b[j])
	}
	return w >> (bit & 7)
}

// writer packs bits into bytes, the first bit in the lowest place.
type writer struct {
	buf []byte // whole bytes
	acc uint64 // the n bits that follow them, zeros above
	n   uint   // below 8 between calls: the bit position modulo 8
}

// put appends the low n bits of v, at most 56; the others must be zero.
func (w *writer) put(v uint64, n uint) {
	w.acc |= v << (w.n & 63)
	w.n += n
	whole := int(w.n >> 3)
	w.buf = binary.LittleEndian.AppendUint64(w.buf, w.acc)
	w.buf = w.buf[:len(w.buf)-8+whole]
	w.acc >>= w.n &^ 7 & 63
	w.n &= 7
}

// code appends a Huffman code.
func (w *writer) code(c code) { w.put(c.bits(), c.len()) }

// copy appends the bits [from, to) of b.
func (w *writer) copy(b []byte, from, to int) {
	const step = 56
	if to-from > 2*step {
		if n := -w.n & 7; n > 0 {
			w.put(load(b, from)&(1<<n-1), n)
			from += int(n)
		}
		from += w.copyWords(b[from>>3:(to+7)>>3], from&7, to-from)
	}
	for ; to-from > step; from += step {
		w.put(load(b, from)&(1<<step-1), step)
	}
	if n := uint(to - from); n > 0 {
		w.put(load(b, from)&(1<<n-1), n)
	}
}

// copyWords appends most of the size bits of b from bit shift of the first byte on, w standing at the start of a byte. It
// returns how many.
func (w *writer) copyWords(b []byte, shift, size int) (copied int) {
	if shift == 0 {
		w.buf = append(w.buf, b[:size>>3]...)
		return size &^ 7
	}
	w.buf = slices.Grow(w.buf, len(b))
	to := w.buf[len(w.buf):cap(w.buf)]
	for len(b) > 16 && len(to) >= 8 {
		v := binary.LittleEndian.Uint64(b)>>(shift&7) | uint64(b[8])<<(64-shift&63)
		binary.LittleEndian.PutUint64(to, v)
		b, to = b[8:], to[8:]
		copied += 64
	}
	w.buf = w.buf[:len(w.buf)+copied>>3]
	return copied
}

// literals appends the codes of text, each of which c must have.
func (w *writer) literals(c *codes, text []byte) {
	var v uint64
	var n uint
	for _, b := range text {
		l := c.litCode[b]
		v |= l.bits() << (n & 63)
		if n += l.len(); n > 56-maxCode {
			w.put(v, n)
			v, n = 0, 0
		}
	}
	w.put(v, n)
}

// pad fills the last byte with zeros.
func (w *writer) pad() {
	if w.n > 0 {
		w.put(0, 8-w.n)
	}
}

// putHeader writes the three bits that every block starts with (RFC 1951 3.2.3).
func (w *writer) putHeader(kind blockType, final bool) {
	v := uint64(kind) << 1
	if final {
		v |= 1
	}
	w.put(v, 3)
}

// putEmpty writes an empty block with the fixed codes, of ten bits.
func (w *writer) putEmpty(final bool) {
	w.putHeader(fixedCodes, final)
	w.code(fixed.litCode[endBlock])
}

// putStored writes what stands between those and the bytes of a stored block (RFC 1951 3.2.4).
func (w *writer) putStored(size int) {
	w.pad()
	var b [4]byte
	putSize(b[:], size)
	w.buf = append(w.buf, b[:]...)
}

// putSize writes the size of a stored block and its complement.
func putSize(b []byte, size int) {
	binary.LittleEndian.PutUint32(b, uint32(size)|^uint32(size)<<16)
}
