package deflate

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// FuzzSplice compares with decoding and inserting, for any text, encoder and way of delivery.
func FuzzSplice(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range 12 {
		f.Add(page(rnd, i*i*400), uint8(i), uint16(i*i*30), uint16(i*i*200), uint64(i))
	}
	f.Add([]byte{}, uint8(0), uint16(0), uint16(1), uint64(0))
	f.Add(bytes.Repeat([]byte("a"), 70_000), uint8(3), uint16(300), uint16(100), uint64(1))
	f.Fuzz(func(t *testing.T, text []byte, encoder uint8, k, size uint16, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		raw := encoders[int(encoder)%inProcess].encode(t, text)
		w := wrappings[rnd.IntN(len(wrappings))]
		p := placeAt{k: min(int64(k), int64(len(text)), maxText), enough: min(rnd.Int64N(3000), int64(len(text))), packed: rnd.IntN(8) == 0}
		var r Reader
		check(t, &r, w, delivered(w.wrap(raw, text), rnd), text, page(rnd, int(size)), p)
	})
}

// FuzzDamaged splices anything. What can be decoded must be as inserted; what cannot must fail in the same place.
func FuzzDamaged(f *testing.F) {
	rnd := rand.New(rand.NewPCG(2, 2))
	for i := range 12 {
		text := page(rnd, 50+i*i*300)
		for _, w := range wrappings {
			f.Add(w.wrap(encoders[i].encode(f, text), text), w.format == Gzip, uint16(i*40), uint16(i*i*200), uint64(i))
		}
		var c craft
		c.randomBlock(rnd, false)
		c.randomBlock(rnd, true)
		f.Add(c.bytes(), false, uint16(i*100), uint16(i*i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, stream []byte, gz bool, k, size uint16, seed uint64) {
		format := Deflate
		if gz {
			format = Gzip
		}
		rnd := rand.New(rand.NewPCG(seed, 0))
		damaged(t, format, delivered(stream, rnd), stream, page(rnd, int(size)), placeAt{k: int64(k), enough: rnd.Int64N(3000)})
	})
}
