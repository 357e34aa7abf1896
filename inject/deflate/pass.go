package deflate

import (
	"bytes"
	"encoding/binary"
	"io"
)

// oddBlock is an empty block of an odd number of bits.
var oddBlock, oddSize = newOddBlock()

// newOddBlock writes a block (RFC 1951 3.2.7) whose codes are of one bit each: the symbols 255 and 256, one distance.
func newOddBlock() (b []byte, size int) {
	var w writer
	w.putHeader(dynamicCodes, false)
	w.put(0, 5)         // HLIT: 257 literal and length symbols
	w.put(0, 5)         // HDIST: one distance symbol
	w.put(14, 4)        // HCLEN: 18 of the codes for code lengths
	w.put(0, 3+3)       // for 16 and 17
	w.put(1, 3)         // for 18, which then is 1
	w.put(0, 3*14)      // for 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14
	w.put(1, 3)         // for 1, which then is 0
	w.put(127<<1|1, 8)  // 138 symbols without a code
	w.put(106<<1|1, 8)  // 117
	w.put(0b000, 1+1+1) // one bit for each of the other three
	w.put(1, 1)         // the end of the block
	size = len(w.buf)*8 + int(w.n)
	w.pad()
	return w.buf, size
}

// switchOver brings the output to the source's bit position, in the same kind of block, so that bytes can follow.
func (r *Reader) switchOver() {
	s := &r.s
	header := 0
	if s.inside {
		r.copyRun()
		header = s.header.size
	}
	r.closeBlock()
	r.align(uint(s.bit-header) & 7)
	if s.inside {
		r.repeatHeader(s.blk.final)
	}
	r.startPassing()
}

// align writes empty blocks, of ten bits or an odd number, up to the given bit position modulo 8.
func (r *Reader) align(to uint) {
	if (to-r.w.n)&1 != 0 {
		r.w.copy(oddBlock, 0, oddSize)
	}
	for r.w.n != to {
		r.w.putEmpty(false)
	}
}

// startPassing goes over to passing bytes on, the output standing at the source's bit position.
func (r *Reader) startPassing() {
	s := &r.s
	if n := uint(s.bit & 7); n > 0 {
		r.w.put(uint64(s.in[s.bit>>3]>>n), 8-n)
	}
	r.passFrom((s.bit + 7) >> 3)
	r.hold, r.tail = r.frame.trailer, int64(len(s.in))
}

// passFrom goes over to passing on s.in from the given byte, and what follows it.
func (r *Reader) passFrom(at int) {
	r.s.drop(at)
	r.mark, r.phase = 0, passing
}

// pass moves to the output what has been read, but for what may be the trailer.
func (r *Reader) pass() error {
	n := len(r.s.in) - r.held(r.s.in)
	r.w.buf = append(r.w.buf, r.s.in[:n]...)
	r.s.drop(n)
	return errStarved
}

// direct does the same as pass, past s.in.
func (r *Reader) direct(p []byte) int {
	n := copy(p, r.s.in)
	n += r.read(p[n:])
	keep := r.held(p[:n])
	r.s.in = append(r.s.in[:0], p[n-keep:n]...)
	return n - keep
}

// held returns how many bytes at the end of b may belong to the trailer. Those of a sync flush do not: read as one, they
// would tell of 4 GiB of text, and a block and a trailer are still to come. They go out, because somebody waits for them.
func (r *Reader) held(b []byte) int {
	if bytes.HasSuffix(b, []byte{0, 0, 0xff, 0xff}) {
		return 0
	}
	return min(len(b), r.hold)
}

// endTrailer mends the trailer behind the last block.
func (r *Reader) endTrailer() error {
	at := r.s.bit >> 3
	if len(r.s.in) < at+r.frame.trailer {
		return errStarved
	}
	r.frame.mend(r.s.in[at:], r.text[:r.k], r.markup, r.s.pos-r.k)
	r.passFrom(at)
	return nil
}

// endTail mends the trailer at the end of the source, if that is what stands there.
func (r *Reader) endTail() {
	r.hold = 0
	if t := r.s.in; r.end == io.EOF && len(t) == r.frame.trailer && r.plausible(t) {
		rest := binary.LittleEndian.Uint32(t[4:]) - uint32(r.k)
		r.frame.mend(t, r.text[:r.k], r.markup, int64(rest))
	}
}

// plausible reports whether the length in a gzip trailer can be the text's: DEFLATE makes at most 258 bytes of two bits.
func (r *Reader) plausible(trailer []byte) bool {
	const perByte = 258 * 4
	rest := binary.LittleEndian.Uint32(trailer[4:]) - uint32(r.s.pos)
	return int64(rest) <= (r.tail-int64(len(trailer))+1)*perByte
}
