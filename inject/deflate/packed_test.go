package deflate

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// Packed markup takes less, wherever it goes, unless a window is too small for it.
func TestPacked(t *testing.T) {
	rnd := rand.New(rand.NewPCG(41, 42))
	text := page(rnd, 3000)
	for _, markup := range [][]byte{benchMarkup, bytes.Repeat([]byte("m"), 300), []byte("<script>"), page(rnd, 300_000), nil} {
		packed := Pack(markup)
		for _, w := range wrappings {
			stream := w.wrap(stdlib(6, 0)(t, text), text)
			for k := 30; k < 60; k++ {
				var sizes []int
				for _, p := range []*Packed{nil, packed} {
					var r Reader
					r.Reset(delivered(stream, rnd), w.format, markup, &placeAt{k: int64(k)})
					if p != nil {
						r.SetPacked(p)
					}
					out, err := io.ReadAll(&r)
					got, bad := w.decode(out)
					if want := insertAt(text, markup, int64(k)); err != nil || bad != nil || !bytes.Equal(got, want) {
						t.Fatalf("%s, k %d, markup %d: %v, %v, %s", w.name, k, len(markup), err, bad, diff(got, want))
					}
					sizes = append(sizes, len(out))
				}
				if packed.size > 0 && sizes[1] >= sizes[0] {
					t.Errorf("%s, k %d, markup %d: %d bytes instead of %d", w.name, k, len(markup), sizes[1], sizes[0])
				}
			}
		}
	}
}

func TestPackedInSmallWindow(t *testing.T) {
	markup := bytes.Repeat([]byte("far away from here "), 200)
	text := []byte("<p>text</p>")
	stream := wrapZlib(stdlib(6, 0)(t, text), text)
	stream[0], stream[1] = 0x08, 0x1d // 256 bytes
	var r Reader
	r.Reset(bytes.NewReader(stream), Deflate, nil, &placeAt{k: 3})
	r.SetPacked(Pack(markup))
	out, err := io.ReadAll(&r)
	if err != nil || len(out) < len(markup)*7/8 {
		t.Errorf("%d bytes, %v: matches may reach too far back", len(out), err)
	}
}
