package deflate

import (
	"bytes"
	"hash/adler32"
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

func TestChecksums(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	sizes := []int{0, 1, 2, 61, 255, 256, 5551, 5553, 65_520, 65_521, 65_522, 300_000}
	random := func() []byte {
		b := make([]byte, sizes[rnd.IntN(len(sizes))])
		for i := range b {
			b[i] = byte(rnd.Uint32() | rnd.Uint32())
		}
		return b
	}
	for range 500 {
		prefix, markup, rest := random(), random(), random()
		before := append(bytes.Clone(prefix), rest...)
		after := insertAt(before, markup, int64(len(prefix)))
		if got, want := insertCRC(crc32.ChecksumIEEE(before), prefix, markup, uint32(len(rest))), crc32.ChecksumIEEE(after); got != want {
			t.Fatalf("CRC-32 %d, %d, %d: %08x instead of %08x", len(prefix), len(markup), len(rest), got, want)
		}
		if got, want := insertAdler(adler32.Checksum(before), prefix, markup, int64(len(rest))), adler32.Checksum(after); got != want {
			t.Fatalf("Adler-32 %d, %d, %d: %08x instead of %08x", len(prefix), len(markup), len(rest), got, want)
		}
	}
}

// x to the power 2^32-1 is 1 in this field, so that a shift by 2^32-1 bytes of 8 bits is one by none.
func TestLongestShift(t *testing.T) {
	if got := crcShift(0x12345678, 1<<32-1); got != 0x12345678 {
		t.Errorf("got %08x", got)
	}
}
