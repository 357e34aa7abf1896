package inject

import (
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"ctlive/inject/deflate"
)

// A coding is a content coding that pages come in (RFC 9110 8.4.1). Markup is
// put into DEFLATE as it is; the others are taken off the page and put on again.
type coding struct {
	format deflate.Format
	codecs *codecs // nil: as it is, in format
}

// reencodes reports whether an injected page is compressed anew.
func (c *coding) reencodes() bool { return c != nil && c.codecs != nil }

// codecs are pooled: one of brotli weighs 2 MB.
type codecs struct {
	decoders, encoders sync.Pool // of streamDecoder, of streamEncoder
}

// A streamDecoder reads a coded stream.
type streamDecoder interface {
	io.Reader
	Reset(src io.Reader) error
}

// A streamEncoder writes one; Flush makes all that was written readable.
type streamEncoder interface {
	io.WriteCloser
	Reset(dst io.Writer)
	Flush() error
}

func newCodecs(decoder func() streamDecoder, encoder func() streamEncoder) *codecs {
	return &codecs{
		sync.Pool{New: func() any { return decoder() }},
		sync.Pool{New: func() any { return encoder() }},
	}
}

const (
	// zstdReach is the window of pages that we code, in bytes. It holds most of
	// the pages that there are.
	zstdReach = 256 << 10

	// zstdWindow is the largest window that a browser takes (RFC 9659).
	zstdWindow = 8 << 20
)

// contentCoding returns the coding of a body: nil for identity. It reports
// whether the body can be read at all.
func contentCoding(h http.Header) (c *coding, ok bool) {
	fields := h["Content-Encoding"]
	switch {
	case len(fields) == 0:
		return nil, true
	case len(fields) == 1 && fields[0] == "gzip":
		return gzipCoding, true
	}
	var names []string
	for _, field := range fields {
		for name := range splitQuoted(field, ',') {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" && name != "identity" {
				names = append(names, name)
			}
		}
	}
	switch len(names) {
	case 0:
		return nil, true
	case 1:
		c = codings[names[0]]
	}
	return c, c != nil
}

var (
	gzipCoding    = &coding{format: deflate.Gzip}
	deflateCoding = &coding{format: deflate.Deflate}
	brotliCoding  = &coding{codecs: newCodecs(
		func() streamDecoder { return brotliDecoder{brotli.NewReader(nil)} },
		func() streamEncoder { return newBrotliEncoder() })}
	zstdCoding = &coding{codecs: newCodecs(
		func() streamDecoder {
			return must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(zstdWindow)))
		},
		func() streamEncoder {
			return must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
				zstd.WithWindowSize(zstdReach), zstd.WithLowerEncoderMem(true)))
		})}
)

var codings = map[string]*coding{
	"gzip": gzipCoding, "x-gzip": gzipCoding, "deflate": deflateCoding, "br": brotliCoding, "zstd": zstdCoding,
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are constants
	}
	return v
}

// brotliDecoder takes the end of a stream for what it is.
type brotliDecoder struct{ *brotli.Reader }

func (d brotliDecoder) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	// The reader believes that something follows the stream when something
	// does, which browsers ignore, but also when the last bytes of it arrive
	// one by one.
	if err != nil && err.Error() == "brotli: excessive input" {
		err = io.EOF
	}
	return n, err
}
