package deflate

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// craft writes DEFLATE streams that no encoder writes.
type craft struct {
	bits []bool
	size int // of the text
}

// num writes v with its lowest bit first, huff with its highest.
func (c *craft) num(v, n int) {
	for i := range n {
		c.bits = append(c.bits, v>>i&1 == 1)
	}
}

func (c *craft) huff(v, n int) {
	for i := range n {
		c.bits = append(c.bits, v>>(n-1-i)&1 == 1)
	}
}

func (c *craft) bytes() []byte {
	b := make([]byte, (len(c.bits)+7)/8)
	for i, set := range c.bits {
		if set {
			b[i/8] |= 1 << (i % 8)
		}
	}
	return b
}

func (c *craft) header(final bool, kind int) {
	v := kind << 1
	if final {
		v |= 1
	}
	c.num(v, 3)
}

func (c *craft) stored(final bool, data []byte) {
	c.header(final, 0)
	c.num(0, -len(c.bits)&7)
	c.num(len(data), 16)
	c.num(^len(data), 16)
	for _, b := range data {
		c.num(int(b), 8)
	}
	c.size += len(data)
}

// crafted is an open block: the lengths and values of its codes.
type crafted struct {
	*craft
	lens, codes          []int
	distLens, distCodes  []int
	lits, lengths, dists []int // symbols that have a code
}

func (c *craft) open(lens, distLens []int) *crafted {
	o := &crafted{craft: c, lens: lens, distLens: distLens, codes: canonical(lens), distCodes: canonical(distLens)}
	for sym, l := range lens {
		switch {
		case l == 0 || sym == 256 || sym > 285:
		case sym < 256:
			o.lits = append(o.lits, sym)
		default:
			o.lengths = append(o.lengths, sym)
		}
	}
	for sym, l := range distLens {
		if l != 0 && sym < 30 {
			o.dists = append(o.dists, sym)
		}
	}
	return o
}

func canonical(lens []int) []int {
	codes, code := make([]int, len(lens)), 0
	for l := 1; l <= 15; l++ {
		code <<= 1
		for sym, n := range lens {
			if n == l {
				codes[sym] = code
				code++
			}
		}
	}
	return codes
}

func (c *craft) fixed(final bool) *crafted {
	c.header(final, 1)
	lens := slices.Concat(slices.Repeat([]int{8}, 144), slices.Repeat([]int{9}, 112), slices.Repeat([]int{7}, 24), slices.Repeat([]int{8}, 8))
	return c.open(lens, slices.Repeat([]int{5}, 32))
}

// dynamic writes a header with every code length on its own.
func (c *craft) dynamic(final bool, lens, distLens []int) *crafted {
	c.header(final, 2)
	c.num(len(lens)-257, 5)
	c.num(len(distLens)-1, 5)
	c.num(15, 4)
	order := []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	clens := append(slices.Repeat([]int{4}, 13), slices.Repeat([]int{5}, 6)...)
	codes := canonical(clens)
	for _, sym := range order {
		c.num(clens[sym], 3)
	}
	for _, l := range slices.Concat(lens, distLens) {
		c.huff(codes[l], clens[l])
	}
	return c.open(lens, distLens)
}

func (o *crafted) symbol(sym int) { o.huff(o.codes[sym], o.lens[sym]) }

func (o *crafted) end() { o.symbol(256) }

func (o *crafted) lit(text string) {
	for _, b := range []byte(text) {
		o.symbol(int(b))
	}
	o.size += len(text)
}

// match writes symbols and their extra bits; dist is the distance's.
func (o *crafted) match(sym, extra, dist, distExtra int) {
	o.symbol(sym)
	o.num(extra, int(litEntries[sym]&0xff))
	o.huff(o.distCodes[dist], o.distLens[dist])
	o.num(distExtra, int(distEntries[dist]&0xff))
	o.size += int(litEntries[sym]>>16&0x1ff) + extra
}

// randomCode returns the lengths of a random complete code for the given symbols, or of one bit for one.
func randomCode(rnd *rand.Rand, size int, symbols []int) []int {
	lens := make([]int, size)
	leaves := []int{0}
	for len(leaves) < len(symbols) {
		i := rnd.IntN(len(leaves))
		if rnd.IntN(3) > 0 {
			i = len(leaves) - 1
		}
		if leaves[i] < 15 {
			leaves[i]++
			leaves = append(leaves, leaves[i])
		}
	}
	for i, sym := range symbols {
		lens[sym] = max(1, leaves[i])
	}
	return lens
}

// some returns some of the numbers from 0 up to n.
func some(rnd *rand.Rand, n int) []int {
	return rnd.Perm(n)[:rnd.IntN(n+1)]
}

// randomBlock writes a block of any kind.
func (c *craft) randomBlock(rnd *rand.Rand, final bool) {
	switch rnd.IntN(6) {
	case 0:
		c.stored(final, page(rnd, rnd.IntN(1+rnd.IntN(1+rnd.IntN(65_535)))))
	case 1:
		c.fixed(final).randomTokens(rnd)
	default:
		lits := append(some(rnd, 256), 256)
		if rnd.IntN(3) == 0 {
			lits = lits[len(lits)-1:]
		}
		for _, sym := range some(rnd, 29) {
			lits = append(lits, 257+sym)
		}
		rnd.Shuffle(len(lits), func(i, j int) { lits[i], lits[j] = lits[j], lits[i] })
		dists := some(rnd, 30)
		c.dynamic(final, randomCode(rnd, 286, lits), randomCode(rnd, 30, dists)).randomTokens(rnd)
	}
}

func (o *crafted) randomTokens(rnd *rand.Rand) {
	for range rnd.IntN(1 + rnd.IntN(800)) {
		if len(o.lits) > 0 && rnd.IntN(3) > 0 {
			o.symbol(o.lits[rnd.IntN(len(o.lits))])
			o.size++
			continue
		}
		if len(o.lengths) == 0 || len(o.dists) == 0 {
			continue
		}
		sym, dist := o.lengths[rnd.IntN(len(o.lengths))], o.dists[rnd.IntN(len(o.dists))]
		extra := 1 << (distEntries[dist] & 0xff)
		if left := o.size - int(distEntries[dist]>>16) + 1; left > 0 {
			o.match(sym, rnd.IntN(1<<(litEntries[sym]&0xff)), dist, rnd.IntN(min(extra, left)))
		}
	}
	o.end()
}

// tryEvery splices a bare stream in all formats, at every k if that is not too many.
func tryEvery(t *testing.T, rnd *rand.Rand, raw []byte) {
	t.Helper()
	text, behind, err := inflate(raw)
	if err != nil || len(behind) > 0 {
		t.Fatalf("the test's own stream: %v, %d bytes behind", err, len(behind))
	}
	var r Reader
	last := min(len(text), maxText)
	for i := range min(last+1, 200) {
		k := i
		if last >= 200 {
			k = rnd.IntN(1 + rnd.IntN(1+last))
		}
		w := wrappings[rnd.IntN(len(wrappings))]
		markup := page(rnd, 1+rnd.IntN(1+rnd.IntN(1+rnd.IntN(40_000))))
		p := placeAt{k: int64(k), enough: int64(rnd.IntN(1 + last))}
		stream := w.wrap(raw, text)
		out := check(t, &r, w, delivered(stream, rnd), text, markup, p)
		r.Reset(delivered(stream, rnd), w.format, markup, &placeAt{k: p.k, enough: int64(rnd.IntN(1 + last))})
		if again, err := io.ReadAll(&r); err != nil || !bytes.Equal(again, out) {
			t.Fatalf("k %d, markup %d: delivered otherwise %v, %s", k, len(markup), err, diff(again, out))
		}
	}
}

func TestCrafted(t *testing.T) {
	lens := func(size int, of map[int]int) []int {
		list := make([]int, size)
		for sym, l := range of {
			list[sym] = l
		}
		return list
	}
	long := page(rand.New(rand.NewPCG(1, 1)), 65_535)
	tests := []struct {
		name  string
		write func(c *craft)
	}{
		{"overlapping matches", func(c *craft) {
			b := c.fixed(true)
			b.lit("a")
			b.match(285, 0, 0, 0)
			b.lit("bcd")
			b.match(264, 0, 2, 0)
			b.match(284, 30, 1, 0)
			b.end()
		}},
		{"258 in both forms", func(c *craft) {
			b := c.fixed(true)
			b.lit("abc")
			b.match(284, 31, 2, 0)
			b.match(285, 0, 2, 0)
			b.end()
		}},
		{"258 in the long form only", func(c *craft) {
			b := c.dynamic(true, lens(286, map[int]int{'a': 2, 'b': 2, 256: 2, 284: 2}), lens(2, map[int]int{0: 1, 1: 1}))
			b.lit("ab")
			b.match(284, 31, 1, 0)
			b.match(284, 31, 0, 0)
			b.end()
		}},
		{"no distance code", func(c *craft) {
			b := c.dynamic(true, lens(257, map[int]int{'a': 2, 'b': 2, 256: 1}), lens(1, nil))
			b.lit("abba")
			b.end()
		}},
		{"one distance code", func(c *craft) {
			b := c.dynamic(true, lens(258, map[int]int{'a': 2, 256: 2, 257: 1}), lens(1, map[int]int{0: 1}))
			b.lit("a")
			for range 30 {
				b.match(257, 0, 0, 0)
			}
			b.end()
		}},
		{"no literals", func(c *craft) {
			c.stored(false, []byte("abcdefghij"))
			b := c.dynamic(false, lens(259, map[int]int{256: 2, 257: 2, 258: 1}), lens(7, map[int]int{4: 1, 6: 1}))
			for range 20 {
				b.match(257, 0, 6, 1)
				b.match(258, 0, 4, 0)
			}
			b.end()
			c.stored(true, []byte("klm"))
		}},
		{"only ends of blocks", func(c *craft) {
			for range 20 {
				c.dynamic(false, lens(257, map[int]int{256: 1}), lens(1, nil)).end()
			}
			c.stored(false, []byte("text"))
			for range 20 {
				c.fixed(false).end()
			}
			c.dynamic(true, lens(257, map[int]int{256: 1}), lens(1, map[int]int{0: 1})).end()
		}},
		{"empty stored blocks", func(c *craft) {
			c.stored(false, nil)
			c.stored(false, nil)
			c.fixed(false).end()
			c.stored(false, []byte("t"))
			c.stored(false, nil)
			b := c.fixed(false)
			b.lit("ext")
			b.end()
			c.stored(true, nil)
		}},
		{"nothing", func(c *craft) { c.stored(true, nil) }},
		{"farthest distance", func(c *craft) {
			c.stored(false, long)
			b := c.fixed(false)
			for range 150 {
				b.match(285, 0, 29, 8191)
				b.match(257, 0, 29, 8190)
			}
			b.end()
			c.stored(true, long)
		}},
		{"farthest distance early", func(c *craft) {
			c.stored(false, long[:32_768])
			b := c.fixed(true)
			for range 150 {
				b.match(285, 0, 29, 8191)
				b.lit("x")
			}
			b.end()
		}},
		{"padding that is not zero", func(c *craft) {
			c.num(0b1111_0000, 8)
			c.num(1, 16)
			c.num(^1, 16)
			c.num('a', 8)
			b := c.fixed(true)
			b.lit("b")
			b.end()
			c.num(0xff, -len(c.bits)&7)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(2, 2))
			var c craft
			test.write(&c)
			for range 3 {
				tryEvery(t, rnd, c.bytes())
			}
		})
	}
}

func TestCraftedAtRandom(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(3, seed))
		var c craft
		for range rnd.IntN(12) {
			c.randomBlock(rnd, false)
		}
		c.randomBlock(rnd, true)
		tryEvery(t, rnd, c.bytes())
	}
}

// Where a stream breaks after k, the output breaks at the same place, and in no other way.
func TestBrokenAfter(t *testing.T) {
	lens := func(size int, l int, symbols ...int) []int {
		list := make([]int, size)
		for _, sym := range symbols {
			list[sym] = l
		}
		return list
	}
	tests := []struct {
		name  string
		write func(c *craft)
	}{
		{"reserved block type", func(c *craft) { c.num(0b110, 3) }},
		{"size of a stored block", func(c *craft) {
			c.num(0, 3)
			c.num(0, -len(c.bits)&7)
			c.num(0x00010001, 32)
		}},
		{"too many literals", func(c *craft) { c.dynamic(false, lens(287, 1, 256, 286), lens(1, 1)) }},
		{"too many distances", func(c *craft) { c.dynamic(false, lens(257, 1, 0, 256), lens(31, 1)) }},
		{"incomplete literals", func(c *craft) { c.dynamic(false, lens(257, 2, 0, 256), lens(1, 1)) }},
		{"over-subscribed literals", func(c *craft) { c.dynamic(false, lens(257, 1, 0, 1, 256), lens(1, 1)) }},
		{"incomplete distances", func(c *craft) { c.dynamic(false, lens(257, 1, 0, 256), lens(3, 2, 0, 1, 2)) }},
		{"over-subscribed distances", func(c *craft) { c.dynamic(false, lens(257, 1, 0, 256), lens(3, 1, 0, 1, 2)) }},
		{"no end of block", func(c *craft) { c.dynamic(false, lens(258, 1, 0, 257), lens(1, 1)) }},
		{"over-subscribed code lengths", func(c *craft) {
			c.num(0b100, 3)
			c.num(0, 14)
			c.num(0b001001001001, 12)
		}},
		{"incomplete code lengths", func(c *craft) {
			c.num(0b100, 3)
			c.num(0, 14)
			c.num(0b010010, 12)
		}},
		{"repetition of nothing", func(c *craft) {
			c.num(0b100, 3)
			c.num(0, 14)
			c.num(0b001001, 12)
			c.num(0, 1+2)
		}},
		{"repetition past the end", func(c *craft) {
			c.num(0b100, 3)
			c.num(0, 14)
			c.num(0b001000001, 12)
			c.num(0xffff, 16)
			c.num(0xffff, 16)
		}},
		{"unused code", func(c *craft) {
			c.dynamic(false, lens(257, 1, 256), lens(1, 0))
			c.num(1, 1)
		}},
		{"distance without codes", func(c *craft) {
			c.dynamic(false, lens(258, 1, 256, 257), lens(1, 0))
			c.num(0b11, 2)
		}},
		{"length symbol 286", func(c *craft) { c.fixed(false).symbol(286) }},
		{"distance symbol 30", func(c *craft) {
			b := c.fixed(false)
			b.symbol(257)
			b.huff(30, 5)
		}},
		{"distance before the start", func(c *craft) { c.fixed(false).match(257, 0, 11, 0) }},
		{"distance into the markup", func(c *craft) { c.fixed(false).match(264, 0, 10, 0) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for bits := range 8 {
				var c craft
				b := c.fixed(false)
				b.lit("<!DOCTYPE html><html>")
				for range bits {
					b.lit("\xff") // nine bits
				}
				b.end()
				test.write(&c)
				broken := len(c.bits)
				for range 64 {
					c.num(0b10110100, 8)
				}
				for k := int64(0); k < 21; k += 3 {
					for _, w := range wrappings {
						stream := w.wrap(c.bytes(), nil)
						damaged(t, w.format, bytes.NewReader(stream), stream, []byte("markup, and more of it"), placeAt{k: k})
					}
				}
				if text, _, err := inflate(c.bytes()[:(broken+7)/8]); err != errInvalid || len(text) != 21+bits {
					t.Fatalf("the test's own stream: %v after %d bytes", err, len(text))
				}
			}
		})
	}
}

// damaged splices a stream that may be broken, and checks that what comes out is broken in the same way.
func damaged(t *testing.T, format Format, src io.Reader, stream, markup []byte, p placeAt) {
	t.Helper()
	var r Reader
	r.Reset(src, format, markup, &p)
	out, err := io.ReadAll(&r)
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict() != Insert {
		if !bytes.Equal(out, stream) {
			t.Fatalf("verdict %v, %s", r.Verdict(), diff(out, stream))
		}
		return
	}
	want, wantErr := inflateAny(format, stream)
	want = insertAt(want, markup, p.k)
	got, gotErr := inflateAny(format, out)
	if r.tail > 0 && format == Gzip {
		// The end was not decoded, so its last bytes may have been changed for a trailer.
		if gotErr == nil && wantErr != nil {
			t.Fatalf("%d bytes of text, ends cleanly instead of %v", len(got), wantErr)
		}
		n := max(0, len(out)-8)
		sure, _ := inflateAny(format, out[:n])
		got, want = got[:len(sure)], want[:min(len(sure), len(want))]
		gotErr = wantErr
	}
	// A symbol that is cut off at the end may be one that no bits could have completed: the output just ends.
	if wantErr == errInvalid && gotErr == io.ErrUnexpectedEOF {
		gotErr = wantErr
	}
	if gotErr != wantErr || !bytes.Equal(got, want) {
		t.Fatalf("k %d, markup %d: %v instead of %v, %s", p.k, len(markup), gotErr, wantErr, diff(got, want))
	}
}

func TestDamaged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	for _, e := range encoders[:inProcess] {
		t.Run(e.name, func(t *testing.T) {
			for range 6 {
				text := page(rnd, 300+rnd.IntN(1+rnd.IntN(80_000)))
				raw := e.encode(t, text)
				for range 12 {
					w := wrappings[rnd.IntN(len(wrappings))]
					stream := bytes.Clone(w.wrap(raw, text))
					for range rnd.IntN(3) {
						at := rnd.IntN(1 + rnd.IntN(len(stream)))
						stream[at] ^= 1 << rnd.IntN(8)
					}
					if rnd.IntN(2) == 0 {
						stream = stream[:rnd.IntN(len(stream)+1)]
					}
					p := placeAt{k: rnd.Int64N(1 + rnd.Int64N(300)), enough: rnd.Int64N(300)}
					damaged(t, w.format, delivered(stream, rnd), stream, page(rnd, 1+rnd.IntN(3000)), p)
				}
			}
		})
	}
}
