package deflate

import (
	"bytes"
	"compress/flate"
)

// Packed is markup compressed once for many streams. It is safe for concurrent use.
type Packed struct {
	text   []byte
	blocks []byte // that decode to text, none of them the final one
	size   int    // in bits; 0 if the fixed codes do as well
}

// Pack compresses markup, which must stay as it is.
func Pack(markup []byte) *Packed {
	p := &Packed{text: markup}
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // the level is in range
	w.Write(markup)                                    // a buffer takes everything
	w.Close()
	if size := leading(b.Bytes(), markup); size > 0 && size < fixedSize(markup) {
		p.blocks, p.size = b.Bytes(), size
	}
	return p
}

// leading returns how many bits stand in stream, which must decode to text, before its final block, or 0 unless that is
// empty and these can stand anywhere.
func leading(stream, text []byte) int {
	var r Reader
	r.s.in = stream
	for !r.s.blk.final {
		switch {
		case r.s.inside:
			if err := r.decode(len(r.text) + 1); err != nil {
				return 0
			}
		case r.s.enter() != nil, r.s.blk.kind == stored && !r.s.blk.final: // aligned to bytes
			return 0
		}
	}
	if !bytes.Equal(r.text, text) {
		return 0
	}
	return r.s.blk.start
}

// fixedSize returns the size of a block with the fixed codes, in bits.
func fixedSize(text []byte) int {
	n, _ := fixed.cost(text) // they have all literals
	return 3 + n + int(fixed.litCode[endBlock].len())
}

// putMarkup writes the markup in blocks of its own.
func (r *Reader) putMarkup() {
	if p := r.packed; p != nil && p.size > 0 && r.frame.window == maxWindow {
		r.closeBlock()
		r.w.copy(p.blocks, 0, p.size)
		return
	}
	r.useFixed()
	r.w.literals(fixed, r.markup)
}
