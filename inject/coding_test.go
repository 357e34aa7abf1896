package inject

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// wire is a way to send a page: a coding, and how to apply and undo it. Where the
// standard library has one, it is not by the code that the package uses.
type wire struct {
	name    string // of the test
	coding  string // Content-Encoding, "" for identity
	encoder flushWriter
	decoder func(io.Reader) (io.Reader, error)
}

type flushWriter interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

var wires = []wire{
	{"identity", "", nil, nil},
	{"gzip-1", "gzip", must(gzip.NewWriterLevel(nil, 1)), func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"gzip-9", "x-gzip", must(gzip.NewWriterLevel(nil, 9)), func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"zlib", "deflate", zlib.NewWriter(nil), func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }},
	{"deflate", "deflate", must(flate.NewWriter(nil, 6)), func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil }},
	{"br", "br", brotli.NewWriterLevel(nil, 2), reset(brotli.NewReader(nil))},
	{"zstd", "zstd", must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))), reset(must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))))},
}

// reset returns a function that resets d.
func reset(d streamDecoder) func(io.Reader) (io.Reader, error) {
	return func(r io.Reader) (io.Reader, error) { return d, d.Reset(r) }
}

func (w wire) encode(page []byte) []byte {
	if w.encoder == nil {
		return page
	}
	var b bytes.Buffer
	w.encoder.Reset(&b)
	w.encoder.Write(page)
	w.encoder.Close()
	return b.Bytes()
}

func (w wire) decode(body []byte) ([]byte, error) {
	if w.decoder == nil {
		return body, nil
	}
	d, err := w.decoder(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(d)
}

// encode applies the coding of this name.
func encode(t testing.TB, coding string, page []byte) []byte {
	for _, w := range wires {
		if w.coding == coding {
			return w.encode(page)
		}
	}
	t.Fatalf("no wire for %s", coding)
	return nil
}
