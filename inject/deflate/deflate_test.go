package deflate

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
)

// check splices src, and compares what comes out with the text and the markup in it.
func check(t *testing.T, r *Reader, w wrapping, src io.Reader, text, markup []byte, p placeAt) (out []byte) {
	t.Helper()
	r.Reset(src, w.format, markup, &p)
	if p.packed {
		r.SetPacked(Pack(markup))
	}
	out, err := io.ReadAll(r)
	if err != nil || r.Verdict() != Insert || r.Damage() != nil {
		t.Fatalf("k %d of %d, markup %d: %v, verdict %v, damage %v", p.k, len(text), len(markup), err, r.Verdict(), r.Damage())
	}
	got, err := w.decode(out)
	want := insertAt(text, markup, p.k)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("k %d of %d, markup %d: %v, %s", p.k, len(text), len(markup), err, diff(got, want))
	}
	return out
}

func TestInsertEverywhere(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	texts := [][]byte{nil, []byte("a"), bytes.Repeat([]byte("ab"), 150), page(rnd, 400)}
	var r Reader
	for _, e := range encoders {
		t.Run(e.name, func(t *testing.T) {
			for _, text := range texts {
				raw := e.encode(t, text)
				for _, w := range wrappings {
					stream := w.wrap(raw, text)
					for k := range len(text) + 1 {
						markup := page(rnd, 1+rnd.IntN(1+rnd.IntN(5000)))
						p := placeAt{k: int64(k), enough: rnd.Int64N(int64(len(text) + 1)), packed: rnd.IntN(16) == 0}
						check(t, &r, w, delivered(stream, rnd), text, markup, p)
					}
				}
			}
		})
	}
}

// Past k + 32 KiB, up to 64 KiB into the text, and with markup longer than any distance.
func TestInsertIntoPages(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var r Reader
	for _, e := range encoders {
		t.Run(e.name, func(t *testing.T) {
			for range 2 {
				text := page(rnd, 66_000+rnd.IntN(150_000))
				raw := e.encode(t, text)
				for _, w := range wrappings {
					stream := w.wrap(raw, text)
					for range 8 {
						markup := page(rnd, 1+rnd.IntN(1+rnd.IntN(40_000)))
						p := placeAt{k: rnd.Int64N(1 + rnd.Int64N(60_000)), enough: rnd.Int64N(60_000), packed: rnd.IntN(2) == 0}
						check(t, &r, w, delivered(stream, rnd), text, markup, p)
					}
				}
			}
		})
	}
}

// However the network cuts the page, however it is read, and whenever the placer decides, the result is the same.
func TestInsertCut(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	text, markup := page(rnd, 40_000), page(rnd, 500)
	var r Reader
	for _, w := range wrappings {
		stream := w.wrap(stdlib(6, 5000)(t, text), text)
		want := check(t, &r, w, bytes.NewReader(stream), text, markup, placeAt{k: 61})
		for size := 1; size < 300; size++ {
			r.Reset(&chunked{b: stream, size: size}, w.format, markup, &placeAt{k: 61, enough: rnd.Int64N(20_000)})
			var got bytes.Buffer
			_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{&r}, make([]byte, 1+rnd.IntN(40)))
			if err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Fatalf("%s, size %d: %v, %s", w.name, size, err, diff(got.Bytes(), want))
			}
		}
	}
}

func TestInsertIntoCorpus(t *testing.T) {
	rnd := rand.New(rand.NewPCG(25, 26))
	var r Reader
	for _, s := range corpus(t) {
		for range 4 {
			raw := encoders[rnd.IntN(inProcess)].encode(t, s.text)
			w := wrappings[rnd.IntN(len(wrappings))]
			for _, k := range []int{61, rnd.IntN(maxText)} {
				p := placeAt{k: min(int64(k), int64(len(s.text))), packed: rnd.IntN(2) == 0}
				check(t, &r, w, delivered(w.wrap(raw, s.text), rnd), s.text, benchMarkup, p)
			}
		}
	}
}

// Programs of other people take the output.
func TestInsertDecodes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for _, program := range []string{"gzip", "pigz"} {
		t.Run(program, func(t *testing.T) {
			if _, err := exec.LookPath(program); err != nil {
				t.Skipf("%s is not installed", program)
			}
			for i := range 24 {
				text, markup := page(rnd, 50_000), page(rnd, 200+i)
				stream := wrapGzip(stdlib(i%10, 0)(t, text), text)
				var r Reader
				r.Reset(bytes.NewReader(stream), Gzip, markup, &placeAt{k: int64(40 + i)})
				cmd := exec.Command(program, "-dc")
				cmd.Stdin = &r
				got, err := cmd.Output()
				if want := insertAt(text, markup, int64(40+i)); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d: %v, %s", i, err, diff(got, want))
				}
			}
		})
	}
}

// never answers v to everything.
type never Verdict

func (n never) Feed(_ []byte, end bool) (int64, Verdict) { return -1, Verdict(n) }

// outside inserts where it has not been.
type outside int64

func (o outside) Feed([]byte, bool) (int64, Verdict) { return int64(o), Insert }

func TestLeftAlone(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	long, short := page(rnd, 100_000), page(rnd, 3000)
	gz := func(text []byte) []byte { return wrapGzip(stdlib(6, 0)(t, text), text) }
	var flood bytes.Buffer
	for range 40_000 {
		flood.WriteString("\x00\x00\x00\xff\xff")
	}
	tests := []struct {
		name   string
		stream []byte
		format Format
		placer Placer
		want   Verdict
	}{
		{"declined", gz(long), Gzip, never(Decline), Decline},
		{"undecided at the end", gz(short), Gzip, never(Undecided), Decline},
		{"undecided after 64 KiB", gz(long), Gzip, never(Undecided), TooLong},
		{"undecided after 128 KiB of the stream", flood.Bytes(), Deflate, never(Undecided), TooLong},
		{"long header", append([]byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"), bytes.Repeat([]byte("x"), 200_000)...), Gzip, never(Undecided), TooLong},
		{"verdict of the reader's", gz(short), Gzip, never(Broken), Decline},
		{"before the text", gz(short), Gzip, outside(-1), Decline},
		{"after what was seen", gz(short), Gzip, outside(1 << 40), Decline},
		{"empty", nil, Gzip, outside(0), Broken},
		{"one byte", []byte{0x1f}, Gzip, outside(0), Broken},
		{"zlib, one byte", []byte{0x78}, Deflate, outside(0), Broken},
		{"not gzip", long, Gzip, outside(0), Broken},
		{"gzip, reserved flag", []byte("\x1f\x8b\x08\x20\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"), Gzip, outside(0), Broken},
		{"zlib, preset dictionary", []byte("\x78\xbb\x00\x00\x00\x01\x03\x00\x00\x00\x00\x01"), Deflate, outside(0), Broken},
		{"truncated in the header", gz(short)[:8], Gzip, outside(0), Broken},
		{"truncated before the decision", gz(short)[:500], Gzip, never(Undecided), Broken},
		{"broken before the decision", []byte("\x02\x01\xfd\xffabc"), Deflate, never(Undecided), Broken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for range 5 {
				var r Reader
				r.Reset(delivered(test.stream, rnd), test.format, []byte("markup"), test.placer)
				decided := r.Verdict()
				if rnd.IntN(2) == 0 {
					decided = r.Decide()
				}
				out, err := io.ReadAll(&r)
				if err != nil || !bytes.Equal(out, test.stream) {
					t.Fatalf("%v, %s", err, diff(out, test.stream))
				}
				if r.Verdict() != test.want || decided != Undecided && decided != test.want {
					t.Fatalf("verdict %v, first %v", r.Verdict(), decided)
				}
				if (r.Damage() != nil) != (test.want == Broken) {
					t.Fatalf("damage %v", r.Damage())
				}
			}
		})
	}
}

func TestGzipHeaders(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	text := page(rnd, 5000)
	body := wrapGzip(stdlib(6, 0)(t, text), text)[10:]
	var r Reader
	for flags := range byte(32) {
		for _, size := range []int{0, 1, 300, 65_535} {
			header := []byte{0x1f, 0x8b, 8, flags &^ flagHCRC, 1, 2, 3, 4, 0, 3}
			if flags&flagExtra != 0 {
				header = append(header, byte(size), byte(size>>8))
				header = append(header, make([]byte, size)...)
			}
			for _, flag := range []byte{flagName, flagComment} {
				if flags&flag != 0 {
					// compress/gzip takes no names that are longer.
					header = append(header, strings.Repeat("n", min(size, 500))+"\x00"...)
				}
			}
			stream := append(header, body...)
			check(t, &r, wrappings[0], delivered(stream, rnd), text, []byte("markup"), placeAt{k: 61})

			r.Reset(delivered(stream, rnd), Gzip, []byte("markup"), &placeAt{k: 61})
			if out, err := io.ReadAll(&r); err != nil || !bytes.HasPrefix(out, header) {
				t.Fatalf("flags %#x, size %d: %v, header changed", flags, size, err)
			}
		}
	}
	t.Run("checksum", func(t *testing.T) {
		stream := append([]byte{0x1f, 0x8b, 8, flagHCRC, 0, 0, 0, 0, 0, 3, 0x17, 0x2d}, body...)
		r.Reset(bytes.NewReader(stream), Gzip, []byte("markup"), &placeAt{k: 61})
		out, err := io.ReadAll(&r)
		if err != nil || r.Verdict() != Insert || !bytes.HasPrefix(out, stream[:12]) {
			t.Fatalf("%v, verdict %v", err, r.Verdict())
		}
	})
}

// A zlib stream that promises a small window keeps the promise.
func TestZlibWindow(t *testing.T) {
	text := bytes.Repeat([]byte("<html><head><title>a</title>"), 200)
	raw := stdlib(6, 0)(t, text)
	stream := wrapZlib(raw, text)
	stream[0], stream[1] = 0x08, 0x1d // 256 bytes
	var r Reader
	for _, size := range []int{1, 100, 220, 230, 1000} {
		out := check(t, &r, wrappings[1], bytes.NewReader(stream), text, make([]byte, size), placeAt{k: 100})
		if far := farthest(out[2:]); far > 256 {
			t.Fatalf("markup %d: distance of %d", size, far)
		}
	}
	t.Run("broken promise", func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(23, 24))
		text := page(rnd, 20_000)
		stream := wrapZlib(stdlib(6, 0)(t, text), text)
		stream[0], stream[1] = 0x08, 0x1d
		for k := range int64(2000) {
			check(t, &r, wrappings[1], bytes.NewReader(stream), text, []byte("markup"), placeAt{k: k})
		}
	})
}

func TestTrailing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	member := wrapGzip(stdlib(6, 0)(t, []byte("second")), []byte("second"))
	markup := []byte("markup")
	tests := []struct {
		name   string
		size   int // of the text
		behind []byte
		kept   bool  // what follows stays as it was
		sum    error // from a decoder that reads the first member only
	}{
		{"short page, second member", 3000, member, true, nil},
		{"short page, garbage", 3000, []byte("\r\n"), true, nil},
		{"page, zeros", 100_000, make([]byte, 512), true, gzip.ErrChecksum},
		{"page, line", 100_000, []byte("<!-- 0.123 s -->\n"), true, gzip.ErrChecksum},
		{"page, second member", 100_000, member, true, gzip.ErrChecksum},
		{"page, second member as long", 100_000, wrapGzip(stdlib(6, 0)(t, make([]byte, 200_000)), make([]byte, 200_000)), false, gzip.ErrChecksum},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := page(rnd, test.size)
			stream := append(wrapGzip(stdlib(6, 0)(t, text), text), test.behind...)
			var r Reader
			r.Reset(delivered(stream, rnd), Gzip, markup, &placeAt{k: 61})
			out, err := io.ReadAll(&r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := wrappings[0].decode(out)
			if want := insertAt(text, markup, 61); !bytes.Equal(got, want) || err != test.sum {
				t.Fatalf("%v, %s", err, diff(got, want))
			}
			if kept := bytes.HasSuffix(out, test.behind); kept != test.kept {
				t.Fatalf("what follows the trailer is as it was: %v", kept)
			}
		})
	}
}

// An error of the source comes after all that it has delivered.
func TestSourceErrors(t *testing.T) {
	rnd := rand.New(rand.NewPCG(15, 16))
	text, markup := page(rnd, 60_000), []byte("markup")
	lost := errors.New("connection lost")
	for _, w := range wrappings {
		stream := w.wrap(stdlib(6, 900)(t, text), text)
		for range 100 {
			n := rnd.IntN(len(stream))
			var r Reader
			r.Reset(io.MultiReader(delivered(stream[:n], rnd), iotest.ErrReader(lost)), w.format, markup, &placeAt{k: 61})
			out, err := io.ReadAll(&r)
			if err != lost {
				t.Fatalf("%s, %d bytes: %v", w.name, n, err)
			}
			want, _ := inflateAny(w.format, stream[:n])
			if r.Verdict() == Insert {
				want = insertAt(want, markup, 61)
			}
			got, err := inflateAny(w.format, out)
			if err != io.ErrUnexpectedEOF || !bytes.Equal(got, want) {
				t.Fatalf("%s, %d bytes: %v, %s", w.name, n, err, diff(got, want))
			}
		}
	}
	t.Run("no progress", func(t *testing.T) {
		var r Reader
		r.Reset(&idle{}, Gzip, markup, &placeAt{})
		if _, err := io.ReadAll(&r); err != io.ErrNoProgress {
			t.Fatal(err)
		}
	})
}

// idle returns nothing.
type idle struct{}

func (*idle) Read([]byte) (int, error) { return 0, nil }

// stages delivers a stream in pieces, and tells when the next is wanted.
type stages struct {
	pieces [][]byte
	size   int // of a read at most
	wanted func()
}

func (s *stages) Read(p []byte) (int, error) {
	for len(s.pieces) > 0 && len(s.pieces[0]) == 0 {
		s.wanted()
		s.pieces = s.pieces[1:]
	}
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.size)], s.pieces[0])
	s.pieces[0] = s.pieces[0][n:]
	return n, nil
}

// When the source has delivered a flush, all text before it has been returned.
func TestFlush(t *testing.T) {
	rnd := rand.New(rand.NewPCG(17, 18))
	markup := page(rnd, 700)
	for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, 1, 6, 9} {
		for _, w := range wrappings {
			t.Run(fmt.Sprintf("%d/%s", level, w.name), func(t *testing.T) {
				text := page(rnd, 90_000)
				k := 61 + rnd.Int64N(2000)
				parts, ends := flushed(rnd, level, text)
				stream := w.wrap(bytes.Join(parts, nil), text)
				front := bytes.Index(stream, parts[0])
				parts[0] = stream[:front+len(parts[0])]
				last := len(parts) - 1
				parts[last] = stream[len(stream)-len(parts[last])-w.trailer():]

				var out bytes.Buffer
				stage := 0
				src := &stages{pieces: parts, size: 1 + rnd.IntN(5000), wanted: func() {
					want := text[:ends[stage]]
					if int64(len(want)) >= k {
						want = insertAt(want, markup, k)
					}
					if got, _ := w.decode(out.Bytes()); !bytes.Equal(got, want) {
						t.Fatalf("flush %d after %d bytes of text: %s", stage, ends[stage], diff(got, want))
					}
					stage++
				}}
				var r Reader
				r.Reset(src, w.format, markup, &placeAt{k: k, sure: true})
				if _, err := io.CopyBuffer(struct{ io.Writer }{&out}, struct{ io.Reader }{&r}, make([]byte, 1+rnd.IntN(5000))); err != nil {
					t.Fatal(err)
				}
				if stage != len(ends) {
					t.Fatalf("%d of %d stages", stage, len(ends))
				}
			})
		}
	}
}

// flushed returns a bare stream cut behind its flushes, and the text up to each. Some flush nothing new.
func flushed(rnd *rand.Rand, level int, text []byte) (parts [][]byte, ends []int) {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, level)
	for at := 0; at < len(text); {
		n := min(rnd.IntN(1+rnd.IntN(4000)), len(text)-at)
		w.Write(text[at : at+n])
		at += n
		w.Flush()
		parts, ends = append(parts, bytes.Clone(b.Bytes())), append(ends, at)
		b.Reset()
	}
	w.Close()
	return append(parts, bytes.Clone(b.Bytes())), append(ends, len(text))
}

// The decision is known as soon as the text for it has been read.
func TestDecide(t *testing.T) {
	text := page(rand.New(rand.NewPCG(19, 20)), 100_000)
	stream := wrapGzip(stdlib(6, 0)(t, text), text)
	for k := range int64(500) {
		src := &chunked{b: stream, size: 1}
		var r Reader
		r.Reset(src, Gzip, []byte("markup"), &placeAt{k: k})
		if v := r.Decide(); v != Insert {
			t.Fatalf("k %d: %v", k, v)
		}
		read := len(stream) - len(src.b)
		if have, _ := wrappings[0].decode(stream[:read-1]); int64(len(have)) >= k && k > 0 {
			t.Fatalf("k %d: %d bytes read, with one less there are %d of text", k, read, len(have))
		}
		out, err := io.ReadAll(&r)
		got, broken := wrappings[0].decode(out)
		if want := insertAt(text, []byte("markup"), k); err != nil || broken != nil || !bytes.Equal(got, want) {
			t.Fatalf("k %d: %v, %v, %s", k, err, broken, diff(got, want))
		}
	}
}

func TestNoAllocations(t *testing.T) {
	text := page(rand.New(rand.NewPCG(21, 22)), 150_000)
	markup := bytes.Repeat([]byte("m"), 1000)
	for _, w := range wrappings {
		stream := w.wrap(stdlib(6, 0)(t, text), text)
		var r Reader
		var src bytes.Reader
		p := new(placeAt)
		buf := make([]byte, 4096)
		allocs := testing.AllocsPerRun(20, func() {
			src.Reset(stream)
			*p = placeAt{k: 61}
			r.Reset(&src, w.format, markup, p)
			for {
				if _, err := r.Read(buf); err != nil {
					break
				}
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", w.name, allocs)
		}
	}
}

// insertAfterHead is a Placer for pages that are well behaved.
type insertAfterHead struct{ text []byte }

func (p *insertAfterHead) Feed(text []byte, end bool) (int64, Verdict) {
	p.text = append(p.text, text...)
	if i := bytes.Index(p.text, []byte("<head>")); i >= 0 {
		return int64(i + len("<head>")), Insert
	}
	return 0, Undecided
}

func Example() {
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	io.WriteString(w, "<!DOCTYPE html><html><head><title>Page</title></head></html>")
	w.Close()

	var r Reader
	r.Reset(&compressed, Gzip, []byte("<script></script>"), new(insertAfterHead))
	fmt.Println(r.Decide())

	z, err := gzip.NewReader(&r)
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := io.ReadAll(z)
	fmt.Printf("%s %v\n", page, err)
	// Output:
	// insert
	// <!DOCTYPE html><html><head><script></script><title>Page</title></head></html> <nil>
}
