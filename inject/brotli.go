package inject

import (
	"io"
	"math/bits"

	"github.com/andybalholm/brotli"
	"github.com/andybalholm/brotli/matchfinder"
)

const (
	// brotliReach is how far back a repetition is looked for, in bytes. It holds
	// most of the pages that there are.
	brotliReach = 256 << 10

	// brotliBlock is how much is coded with the same tables, in bytes.
	brotliBlock = 64 << 10

	// brotliSmall is the largest page that a finder of 32 KB is for, in bytes. To
	// clear the megabyte of the other takes longer than to code a page of 5 KB.
	brotliSmall = 8 << 10
)

// brotliEncoder writes brotli (RFC 7932) at half the time of [brotli.Writer] of
// quality 4. Pages come out as large, those of a few KB a tenth larger: it does
// not use the static dictionary. Errors of dst are not looked for: it is memory.
type brotliEncoder struct {
	dst     io.Writer
	finder  *matchfinder.ZM // nil until a page needs it
	used    bool            // finder, by this page
	small   matchfinder.M4
	encoder brotli.Encoder
	block   []byte // not coded yet
	coded   []byte
	matches []matchfinder.Match
}

func newBrotliEncoder() *brotliEncoder {
	return &brotliEncoder{
		small: matchfinder.M4{MaxDistance: brotliSmall, HashLen: 5, TableBits: 13},
		block: make([]byte, 0, brotliBlock),
	}
}

func (e *brotliEncoder) Reset(dst io.Writer) {
	e.encoder.Reset()
	e.dst, e.block, e.used = dst, e.block[:0], false
}

func (e *brotliEncoder) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := copy(e.block[len(e.block):brotliBlock], rest)
		e.block, rest = e.block[:len(e.block)+n], rest[n:]
		if len(e.block) == brotliBlock {
			e.encode()
			e.dst.Write(e.coded)
		}
	}
	return len(p), nil
}

// encode codes the block.
func (e *brotliEncoder) encode() {
	e.coded = e.coded[:0]
	if len(e.block) > 0 {
		e.matches = e.large().FindMatches(e.matches[:0], e.block)
		e.coded = e.encoder.Encode(e.coded, e.block, e.matches, false)
		e.block = e.block[:0]
	}
}

// large returns the finder, which knows this page only.
func (e *brotliEncoder) large() matchfinder.MatchFinder {
	switch {
	case e.finder == nil:
		e.finder = &matchfinder.ZM{MaxDistance: brotliReach}
	case !e.used:
		e.finder.Reset()
	}
	e.used = true
	return e.finder
}

// Flush completes the last byte by an empty block of metadata (RFC 7932 9.2).
// What the encoder has to complete it with is the end of the stream, two bits
// that are set, which it can be told to write and then to go on: they are
// replaced by ISLAST 0, MNIBBLES 11, a reserved 0, MSKIPBYTES 00.
func (e *brotliEncoder) Flush() error {
	e.encode()
	b := e.encoder.Encode(e.coded, nil, nil, true)
	end := 8*len(b) - 1 - bits.LeadingZeros8(b[len(b)-1]) // the second of the two
	b = append(b, 0)
	b[(end-1)/8] &^= 1 << ((end - 1) % 8)
	b[(end+1)/8] |= 1 << ((end + 1) % 8)
	e.coded = b[:(end+4)/8+1]
	_, err := e.dst.Write(e.coded)
	return err
}

func (e *brotliEncoder) Close() error {
	if !e.used && len(e.block) <= brotliSmall {
		e.closeSmall()
	} else {
		e.encode()
		e.coded = e.encoder.Encode(e.coded, nil, nil, true)
	}
	_, err := e.dst.Write(e.coded)
	return err
}

// closeSmall codes a page that is small.
func (e *brotliEncoder) closeSmall() {
	e.small.Reset()
	e.matches = e.small.FindMatches(e.matches[:0], e.block)
	e.coded = e.encoder.Encode(e.coded[:0], e.block, e.matches, true)
	e.block = e.block[:0]
}
