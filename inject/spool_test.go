package inject

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// However it is written and read, a spool gives back what it got.
func TestSpool(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var s spool
	var want, got []byte
	p := make([]byte, 3*spoolChunk)
	for i := range 300 {
		piece := bytes.Repeat([]byte{byte(i)}, random.IntN(2*spoolChunk))
		s.Write(piece)
		want = append(want, piece...)
		for range random.IntN(3) {
			n := s.read(p[:1+random.IntN(len(p)-1)])
			got = append(got, p[:n]...)
		}
		if s.size() != len(want)-len(got) {
			t.Fatalf("after %d pieces: size %d of %d", i, s.size(), len(want)-len(got))
		}
	}
	for s.size() > 0 {
		n := s.read(p)
		got = append(got, p[:n]...)
	}
	if !bytes.Equal(got, want) || len(s.chunks) != 0 {
		t.Errorf("got %d bytes of %d, %d chunks are left", len(got), len(want), len(s.chunks))
	}
	s.Write(p)
	if s.clear(); s.size() != 0 || s.read(p) != 0 {
		t.Error("not empty once cleared")
	}
}
