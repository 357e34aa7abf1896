package deflate

import (
	"bytes"
	"errors"
	"hash/adler32"
	"hash/crc32"
	"io"
	"slices"
)

var errInvalid = errors.New("invalid stream")

// inflater is the plainest decoder there is, bit by bit, and as strict as zlib. Unlike compress/flate it returns all the
// text up to the symbol that is cut off or invalid.
type inflater struct {
	in   []byte
	bit  int
	text []byte
	far  int // longest distance
}

// cutOff and invalid are what an inflater panics with.
type (
	cutOff  struct{}
	invalid struct{}
)

func (z *inflater) bits(n int) (v int) {
	for i := range n {
		if z.bit>>3 >= len(z.in) {
			panic(cutOff{})
		}
		v |= int(z.in[z.bit>>3]>>(z.bit&7)&1) << i
		z.bit++
	}
	return v
}

func (z *inflater) must(ok bool) {
	if !ok {
		panic(invalid{})
	}
}

// huffman maps codes, a leading 1 before their bits, to symbols.
type huffman map[int]int

func (z *inflater) huffman(lens []int) huffman {
	h, code, left := huffman{}, 0, 1<<15
	for l := 1; l <= 15; l++ {
		code <<= 1
		for sym, n := range lens {
			if n == l {
				h[1<<l|code] = sym
				code++
				left -= 1 << (15 - l)
			}
		}
	}
	z.must(left == 0 || len(h) == 0 || len(h) == 1 && left == 1<<14)
	return h
}

func (z *inflater) symbol(h huffman) int {
	for code, l := 1, 0; ; l++ {
		if sym, ok := h[code]; ok {
			return sym
		}
		z.must(l < 15 && (len(h) > 1 || l == 0))
		code = code<<1 | z.bits(1)
	}
}

func (z *inflater) block() (final bool) {
	final = z.bits(1) == 1
	switch z.bits(2) {
	case 0:
		z.bit = (z.bit + 7) &^ 7
		n, c := z.bits(16), z.bits(16)
		z.must(n^c == 0xffff)
		for range n {
			z.text = append(z.text, byte(z.bits(8)))
		}
	case 1:
		lits := slices.Concat(slices.Repeat([]int{8}, 144), slices.Repeat([]int{9}, 112), slices.Repeat([]int{7}, 24), slices.Repeat([]int{8}, 8))
		z.tokens(z.huffman(lits), z.huffman(slices.Repeat([]int{5}, 32)))
	case 2:
		z.tokens(z.dynamic())
	default:
		z.must(false)
	}
	return final
}

func (z *inflater) dynamic() (lits, dists huffman) {
	nl, nd, nc := z.bits(5)+257, z.bits(5)+1, z.bits(4)+4
	z.must(nl <= 286 && nd <= 30)
	var clens [19]int
	for _, sym := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:nc] {
		clens[sym] = z.bits(3)
	}
	c := z.huffman(clens[:])
	var lens []int
	for len(lens) < nl+nd {
		sym, n, v := z.symbol(c), 1, 0
		switch sym {
		case 16:
			n = 3 + z.bits(2)
			z.must(len(lens) > 0)
			v = lens[len(lens)-1]
		case 17:
			n = 3 + z.bits(3)
		case 18:
			n = 11 + z.bits(7)
		default:
			v = sym
		}
		for range n {
			lens = append(lens, v)
		}
	}
	z.must(len(lens) == nl+nd && lens[256] != 0)
	return z.huffman(lens[:nl]), z.huffman(lens[nl:])
}

func (z *inflater) tokens(lits, dists huffman) {
	for {
		sym := z.symbol(lits)
		switch {
		case sym < 256:
			z.text = append(z.text, byte(sym))
			continue
		case sym == 256:
			return
		}
		z.must(sym < 286)
		n, extra := 3, 0
		for s := 257; s < sym; s++ {
			n += 1 << extra
			extra = max(0, (s+1-257)/4-1)
		}
		if sym == 285 {
			n, extra = 258, 0
		}
		n += z.bits(extra)
		ds := z.symbol(dists)
		z.must(ds < 30)
		dist, extra := 1, 0
		for s := range ds {
			dist += 1 << extra
			extra = max(0, (s+1)/2-1)
		}
		dist += z.bits(extra)
		z.must(dist <= len(z.text))
		z.far = max(z.far, dist)
		for range n {
			z.text = append(z.text, z.text[len(z.text)-dist])
		}
	}
}

// inflate decodes a bare stream, and returns what follows it.
func inflate(in []byte) (text, behind []byte, err error) {
	z := inflater{in: in}
	defer func() {
		switch p := recover(); p.(type) {
		case nil:
		case cutOff:
			text, err = z.text, io.ErrUnexpectedEOF
		case invalid:
			text, err = z.text, errInvalid
		default:
			panic(p)
		}
	}()
	for !z.block() {
	}
	return z.text, in[(z.bit+7)>>3:], nil
}

// farthest returns the longest distance in a bare stream.
func farthest(in []byte) int {
	z := inflater{in: in}
	for !z.block() {
	}
	return z.far
}

// inflateAny decodes a stream with what its format has around it, and checks the trailer.
func inflateAny(format Format, in []byte) (text []byte, err error) {
	var f frame
	switch err := f.read(format, in); err {
	case nil:
	case errStarved:
		return nil, io.ErrUnexpectedEOF
	default:
		return nil, errInvalid
	}
	text, behind, err := inflate(in[f.header:])
	if err != nil {
		return text, err
	}
	if len(behind) < f.trailer {
		return text, io.ErrUnexpectedEOF
	}
	want := make([]byte, 8)
	switch f.trailer {
	case 4:
		want = be32(adler32.Checksum(text))
	case 8:
		want = append(le32(crc32.ChecksumIEEE(text)), le32(uint32(len(text)))...)
	}
	if !bytes.Equal(behind[:f.trailer], want[:f.trailer]) {
		return text, errInvalid
	}
	return text, nil
}

func le32(v uint32) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)} }
func be32(v uint32) []byte { return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)} }
