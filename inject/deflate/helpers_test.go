package deflate

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	kflate "github.com/klauspost/compress/flate"
)

// placeAt inserts at k once it has seen enough of the text, or all of it.
type placeAt struct {
	k, enough int64
	seen      int64
	sure      bool // tells what cannot be the place
	packed    bool // the markup is to be packed
}

func (p *placeAt) Feed(text []byte, end bool) (int64, Verdict) {
	p.seen += int64(len(text))
	switch {
	case p.seen >= max(p.k, p.enough) || end && p.seen >= p.k:
		return p.k, Insert
	case end:
		return 0, Decline
	}
	if p.sure {
		return min(p.k, p.seen), Undecided
	}
	return -1, Undecided
}

// chunked returns at most size bytes per read, or a random number of them with size 0.
type chunked struct {
	b    []byte
	size int
	rnd  *rand.Rand
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	size := c.size
	if size == 0 {
		size = 1 + c.rnd.IntN(1+c.rnd.IntN(3000))
	}
	n := copy(p[:min(size, len(p))], c.b)
	c.b = c.b[n:]
	return n, nil
}

// delivered returns a reader of b that cuts it in one of several ways.
func delivered(b []byte, rnd *rand.Rand) io.Reader {
	switch rnd.IntN(4) {
	case 0:
		return &chunked{b: b, size: 1}
	case 1:
		return iotest.DataErrReader(bytes.NewReader(b))
	case 2:
		return bytes.NewReader(b)
	}
	return &chunked{b: b, rnd: rnd}
}

// wrapping is a format in which a bare DEFLATE stream is sent.
type wrapping struct {
	name   string
	format Format
	wrap   func(raw, text []byte) []byte
	open   func(io.Reader) (io.Reader, error)
}

var wrappings = []wrapping{
	{"gzip", Gzip, wrapGzip, func(r io.Reader) (io.Reader, error) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		z.Multistream(false)
		return z, nil
	}},
	{"zlib", Deflate, wrapZlib, func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }},
	{"raw", Deflate, func(raw, _ []byte) []byte { return raw }, func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil }},
}

func wrapGzip(raw, text []byte) []byte {
	header := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}
	return slices.Concat(header, raw, le32(crc32.ChecksumIEEE(text)), le32(uint32(len(text))))
}

func wrapZlib(raw, text []byte) []byte {
	return slices.Concat([]byte{0x78, 0x9c}, raw, be32(adler32.Checksum(text)))
}

// decode returns what stream decodes to, as far as it does.
func (w wrapping) decode(stream []byte) ([]byte, error) {
	r, err := w.open(bytes.NewReader(stream))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func (w wrapping) trailer() int {
	return map[string]int{"gzip": 8, "zlib": 4}[w.name]
}

// inProcess is how many of the encoders are not programs.
const inProcess = 13

// encoders make bare DEFLATE streams.
var encoders = []struct {
	name   string
	encode func(testing.TB, []byte) []byte
}{
	{"stored", stdlib(flate.NoCompression, 0)},
	{"huffman", stdlib(flate.HuffmanOnly, 0)},
	{"stdlib-1", stdlib(1, 0)},
	{"stdlib-6", stdlib(6, 0)},
	{"stdlib-9", stdlib(9, 0)},
	{"stdlib-6-flush-700", stdlib(6, 700)},
	{"stdlib-1-flush-30", stdlib(1, 30)},
	{"stored-flush-100", stdlib(0, 100)},
	{"klauspost-1", klauspost(1)},
	{"klauspost-6", klauspost(6)},
	{"klauspost-9", klauspost(9)},
	{"klauspost-huffman", klauspost(kflate.HuffmanOnly)},
	{"klauspost-stateless", func(_ testing.TB, text []byte) []byte {
		var b bytes.Buffer
		kflate.StatelessDeflate(&b, text, true, nil)
		return b.Bytes()
	}},
	{"gzip-1", command("gzip", "-1", "-c")},
	{"gzip-6", command("gzip", "-6", "-c")},
	{"gzip-9", command("gzip", "-9", "-c")},
	{"pigz-9", command("pigz", "-9", "-c")},
	{"pigz-independent", command("pigz", "-i", "-b", "128", "-c")},
	{"zopfli", command("zopfli", "--i1", "-c")},
}

// stdlib flushes after every so many bytes, if not 0.
func stdlib(level, flush int) func(testing.TB, []byte) []byte {
	return func(_ testing.TB, text []byte) []byte {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, level)
		for ; flush > 0 && len(text) > flush; text = text[flush:] {
			w.Write(text[:flush])
			w.Flush()
		}
		w.Write(text)
		w.Close()
		return b.Bytes()
	}
}

func klauspost(level int) func(testing.TB, []byte) []byte {
	return func(_ testing.TB, text []byte) []byte {
		var b bytes.Buffer
		w, _ := kflate.NewWriter(&b, level)
		w.Write(text)
		w.Close()
		return b.Bytes()
	}
}

// command strips the gzip framing from what a program writes.
func command(name string, args ...string) func(testing.TB, []byte) []byte {
	return func(t testing.TB, text []byte) []byte {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
		file := filepath.Join(t.TempDir(), "text")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(name, append(args, file)...)
		z, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var f frame
		if err := f.read(Gzip, z); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return z[f.header : len(z)-8]
	}
}

// page is markup of about the given size, with repetitions near and far as pages have them.
func page(rnd *rand.Rand, size int) []byte {
	words := make([]string, 300)
	for i := range words {
		b := make([]byte, 2+rnd.IntN(9))
		for j := range b {
			b[j] = "etaoinshrdlucmfwypvbgkjqxz"[min(rnd.IntN(26), rnd.IntN(26))]
		}
		words[i] = string(b)
	}
	word := func() string { return words[min(rnd.IntN(len(words)), rnd.IntN(len(words)))] }
	var b bytes.Buffer
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" + word() + "</title>\n")
	for b.Len() < size {
		switch rnd.IntN(8) {
		case 0:
			fmt.Fprintf(&b, "<link rel=\"stylesheet\" href=\"/static/%s-%x.css\" media=\"all\">\n", word(), rnd.Uint32())
		case 1:
			fmt.Fprintf(&b, "<script src=\"https://%s.example/%s.%x.js\" async></script>\n", word(), word(), rnd.Uint64())
		case 2:
			fmt.Fprintf(&b, "<li class=\"nav-item %s\"><a href=\"/%s/%s-%d\" title=\"%s\">%s %s</a></li>\n",
				word(), word(), word(), rnd.IntN(1e6), word(), word(), word())
		case 3:
			fmt.Fprintf(&b, "{\"id\":%d,\"%s\":\"%s\",\"price\":%d.%02d},", rnd.IntN(1e7), word(), word(), rnd.IntN(300), rnd.IntN(100))
		default:
			b.WriteString("<p class=\"text\">")
			for range 10 + rnd.IntN(40) {
				b.WriteString(word() + " ")
			}
			b.WriteString("</p>\n")
		}
	}
	return b.Bytes()[:size]
}

func insertAt(text, markup []byte, k int64) []byte {
	return append(append(bytes.Clone(text[:k]), markup...), text[k:]...)
}

// diff describes the first difference.
func diff(got, want []byte) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("%d bytes instead of %d, first different at %d", len(got), len(want), i)
}
