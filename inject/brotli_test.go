package inject

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/andybalholm/brotli"
)

// However a page is written and flushed, what was written before a flush can be
// read after it.
func TestBrotliFlush(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 100<<10)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	page := bytes.Join([][]byte{longPage(), noise, longPage(), longPage(), noise}, nil)
	e := newBrotliEncoder()
	for _, most := range []int{1, 7, 30, 1000, 50 << 10, 200 << 10} {
		var coded bytes.Buffer
		e.Reset(&coded)
		d := brotli.NewReader(&coded)
		sent, read := 0, 0
		for end := min(len(page), 1000*most); sent < end; {
			for range random.IntN(3) {
				n := min(end-sent, random.IntN(most+1))
				e.Write(page[sent : sent+n])
				sent += n
			}
			e.Flush()
			got := make([]byte, sent-read)
			if _, err := io.ReadFull(d, got); err != nil || !bytes.Equal(got, page[read:sent]) {
				t.Fatalf("pieces of at most %d bytes: %d of %d arrive wrong, %v", most, len(got), sent, err)
			}
			read = sent
		}
		e.Close()
		if n, err := io.Copy(io.Discard, d); n != 0 || err != nil {
			t.Fatalf("pieces of at most %d bytes: %d bytes more, %v", most, n, err)
		}
	}
}

// The size of pages, and of none, one after the other.
func TestBrotliSize(t *testing.T) {
	long := longPage()
	e := newBrotliEncoder()
	for _, page := range [][]byte{
		nil, []byte("<"), []byte(testPage), long[:brotliSmall], long, []byte(testPage), long[:brotliSmall+1], long[:brotliBlock], long[:brotliBlock+1], nil,
	} {
		var coded, want bytes.Buffer
		e.Reset(&coded)
		e.Write(page)
		e.Close()
		w := brotli.NewWriterLevel(&want, 4)
		w.Write(page)
		w.Close()
		if coded.Len() > want.Len()*5/4+16 {
			t.Errorf("%d bytes become %d, with quality 4 they are %d", len(page), coded.Len(), want.Len())
		}
		if got, err := io.ReadAll(brotli.NewReader(&coded)); err != nil || !bytes.Equal(got, page) {
			t.Errorf("%d bytes: got %d, %v", len(page), len(got), err)
		}
	}
}
