package inject

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// A coding is a content coding that can be taken off a page and put on again
// (RFC 9110 8.4.1). Its codecs are pooled: one of brotli weighs 1.9 MB.
type coding struct {
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

func newCoding(decoder func() streamDecoder, encoder func() streamEncoder) *coding {
	return &coding{
		sync.Pool{New: func() any { return decoder() }},
		sync.Pool{New: func() any { return encoder() }},
	}
}

const (
	// brotliQuality and brotliWindow weigh what a page costs the visitor and
	// us. A window of 256 KiB holds the pages that there are, at a fifth of
	// the default's memory.
	brotliQuality = 4
	brotliWindow  = 18

	gzipLevel = 5

	// zstdWindow is the largest window that a browser takes (RFC 9659).
	zstdWindow = 8 << 20
)

// contentCoding returns the coding of a body: nil for identity. It reports
// whether the body can be read at all.
func contentCoding(h http.Header) (c *coding, ok bool) {
	var names []string
	for _, field := range h.Values("Content-Encoding") {
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

var codings = map[string]*coding{
	"gzip": gzipCoding, "x-gzip": gzipCoding, "deflate": zlibCoding, "br": brotliCoding, "zstd": zstdCoding,
}

var (
	gzipCoding = newCoding(
		func() streamDecoder { return new(gzipDecoder) },
		func() streamEncoder { return must(gzip.NewWriterLevel(nil, gzipLevel)) })
	zlibCoding = newCoding(
		func() streamDecoder { return &zlibDecoder{} },
		func() streamEncoder { return must(zlib.NewWriterLevel(nil, gzipLevel)) })
	rawDeflateCoding = newCoding(
		func() streamDecoder { return flateDecoder{flate.NewReader(nil)} },
		func() streamEncoder { return must(flate.NewWriter(nil, gzipLevel)) })
	brotliCoding = newCoding(
		func() streamDecoder { return brotliDecoder{brotli.NewReader(nil)} },
		func() streamEncoder {
			return brotli.NewWriterOptions(nil, brotli.WriterOptions{Quality: brotliQuality, LGWin: brotliWindow})
		})
	zstdCoding = newCoding(
		func() streamDecoder {
			return must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(zstdWindow)))
		},
		func() streamEncoder {
			return must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
				zstd.WithWindowSize(1<<brotliWindow), zstd.WithLowerEncoderMem(true)))
		})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are constants
	}
	return v
}

// wrapping tells apart what goes by the name "deflate": zlib by the standard
// (RFC 9110 8.4.1.2), raw by custom.
func (c *coding) wrapping(src *bufio.Reader) *coding {
	if c != zlibCoding {
		return c
	}
	head, err := src.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlibCoding
	}
	return rawDeflateCoding
}

// gzipDecoder reads members until something else follows, which browsers ignore.
// The end of a member is passed on before it looks for another: gzip.Reader alone
// would wait with the last of the page.
type gzipDecoder struct {
	gzip.Reader
	src   *bufio.Reader
	ended bool // a member has
}

func (d *gzipDecoder) Reset(src io.Reader) error {
	d.src, d.ended = src.(*bufio.Reader), false
	err := d.Reader.Reset(src)
	d.Multistream(false)
	return err
}

func (d *gzipDecoder) Read(p []byte) (int, error) {
	if d.ended {
		magic, err := d.src.Peek(2)
		if string(magic) == "\x1f\x8b" {
			err = d.Reset(d.src)
		} else if err == nil {
			err = io.EOF
		}
		if err != nil {
			return 0, err
		}
	}
	n, err := d.Reader.Read(p)
	if err == io.EOF {
		d.ended, err = true, nil
	}
	return n, err
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

// flateDecoder and zlibDecoder fit the readers of their packages to streamDecoder.
type flateDecoder struct{ io.ReadCloser }

func (d flateDecoder) Reset(src io.Reader) error {
	return d.ReadCloser.(flate.Resetter).Reset(src, nil)
}

type zlibDecoder struct{ io.ReadCloser }

func (d *zlibDecoder) Reset(src io.Reader) (err error) {
	if d.ReadCloser == nil {
		d.ReadCloser, err = zlib.NewReader(src)
		return err
	}
	return d.ReadCloser.(zlib.Resetter).Reset(src, nil)
}
