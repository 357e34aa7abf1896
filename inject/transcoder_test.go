package inject

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// inPieces is a body of which at most size bytes come at a time.
type inPieces struct {
	io.Reader
	size int
}

func (b inPieces) Read(p []byte) (int, error) { return b.Reader.Read(p[:min(len(p), b.size)]) }

// A page is coded, and what that takes is free, before a visitor who is slow has
// read it. One that is too large for that is coded as far as there is room.
func TestSlowVisitor(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	large := make([]byte, 3*maxAhead)
	random.Read(large[copy(large, testPage):])
	cases := []struct {
		name string
		page []byte
		size int
		ends bool
	}{
		{"whole", longPage(), 1 << 20, true},
		{"in pieces", longPage(), 1000, true},
		{"too large", large, 1 << 20, false},
	}
	for _, c := range cases {
		for _, w := range wires {
			coding := codings[w.coding]
			if !coding.reencodes() {
				continue
			}
			t.Run(c.name+" "+w.name, func(t *testing.T) {
				src := inPieces{bytes.NewReader(w.encode(c.page)), c.size}
				page := newTranscoder(src, coding.codecs, []byte(testMarkup), "utf-8", true)
				got := make([]byte, 300)
				n, _ := io.ReadAtLeast(page, got, 1)
				m, _ := page.Read(got[n:])
				page.mu.Lock()
				for page.running {
					page.change.Wait()
				}
				page.mu.Unlock()
				if ends := page.encoder == nil && page.decoder == nil && page.desk == nil; ends != c.ends {
					t.Errorf("codecs are free: %t", ends)
				}
				if size := page.out.size(); size > maxAhead+2*brotliBlock || page.turn.held {
					t.Errorf("%d bytes ahead, a turn is held: %t", size, page.turn.held)
				}
				rest, err := io.ReadAll(page)
				page.release()
				if err != nil {
					t.Fatal(err)
				}
				all, err := w.decode(append(got[:n+m], rest...))
				if want := strings.Replace(string(c.page), "<head>", "<head>"+testMarkup, 1); string(all) != want || err != nil {
					t.Errorf("%d bytes of %d, %v", len(all), len(want), err)
				}
			})
		}
	}
}

// A page that is left alone needs nothing of ours any more while the rest of it
// passes, however long that takes.
func TestLeftAloneHoldsNothing(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	text := make([]byte, 2*maxRecorded)
	random.Read(text[copy(text, "no document"):])
	for _, w := range wires {
		coding := codings[w.coding]
		if !coding.reencodes() {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			coded := w.encode(text)
			page := newTranscoder(bytes.NewReader(coded), coding.codecs, []byte(testMarkup), "utf-8", true)
			defer page.release()
			var got bytes.Buffer
			for passed := false; !passed; passed = page.asIs && len(page.pending) == 0 {
				if _, err := io.CopyN(&got, page, 1000); err != nil {
					t.Fatal(err)
				}
			}
			if page.desk != nil || page.decoder != nil || page.turn.held {
				t.Error("it holds a desk, a decoder or a turn")
			}
			if _, err := got.ReadFrom(page); err != nil || !bytes.Equal(got.Bytes(), coded) {
				t.Errorf("%d bytes of %d, %v", got.Len(), len(coded), err)
			}
		})
	}
}
