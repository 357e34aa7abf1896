package deflate

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Format is the coding of a body.
type Format int

const (
	// Gzip is RFC 1952.
	Gzip Format = iota
	// Deflate is what HTTP calls "deflate" (RFC 9110 8.4.1.2): zlib (RFC 1950) or, as some servers send, a bare
	// DEFLATE stream (RFC 1951). Which of them shows in the first two bytes, as in browsers.
	Deflate
)

var (
	errMagic = errors.New("not a gzip header")
	errFlags = errors.New("unknown flags in the gzip header")
	errDict  = errors.New("zlib stream with a preset dictionary")
)

// frame is what stands around a DEFLATE stream.
type frame struct {
	trailer int   // bytes of the trailer: 8 with gzip, 4 with zlib
	window  int   // the farthest distance that may be used
	header  int   // bytes of the header, read so far
	flags   uint8 // optional parts of a gzip header yet to come
}

// read goes on reading the header, which starts in[0].
func (f *frame) read(format Format, in []byte) error {
	if format == Gzip {
		return f.readGzip(in)
	}
	return f.readZlib(in)
}

// readZlib tells the two bytes of a zlib header (RFC 1950 2.2) from a bare stream. One that starts with the compression
// method 8 would have to start with a stored block and bits in its padding, which no encoder sets.
func (f *frame) readZlib(in []byte) error {
	if len(in) < 2 {
		return errStarved
	}
	f.window = maxWindow
	if in[0]&15 != 8 || in[0]>>4 > 7 || binary.BigEndian.Uint16(in)%31 != 0 {
		return nil
	}
	if in[1]&0x20 != 0 {
		return errDict
	}
	f.header, f.trailer, f.window = 2, 4, 1<<(8+in[0]>>4)
	return nil
}

// The flags of RFC 1952 2.3.1 that add to the header.
const (
	flagHCRC = 1 << (1 + iota)
	flagExtra
	flagName
	flagComment
	flagReserved = 0xe0
)

func (f *frame) readGzip(in []byte) error {
	if f.header == 0 {
		if len(in) < 10 {
			return errStarved
		}
		if in[0] != 0x1f || in[1] != 0x8b || in[2] != 8 {
			return errMagic
		}
		if in[3]&flagReserved != 0 {
			return errFlags
		}
		f.header, f.flags, f.trailer, f.window = 10, in[3], 8, maxWindow
	}
	if f.flags&flagExtra != 0 {
		if len(in) < f.header+2 {
			return errStarved
		}
		if err := f.skip(flagExtra, in, 2+int(binary.LittleEndian.Uint16(in[f.header:]))); err != nil {
			return err
		}
	}
	if err := f.skipString(flagName, in); err != nil {
		return err
	}
	if err := f.skipString(flagComment, in); err != nil {
		return err
	}
	return f.skip(flagHCRC, in, 2)
}

// skip passes over a part of n bytes if it is there.
func (f *frame) skip(flag uint8, in []byte, n int) error {
	if f.flags&flag == 0 {
		return nil
	}
	if len(in) < f.header+n {
		return errStarved
	}
	f.header += n
	f.flags &^= flag
	return nil
}

// skipString passes over a part that ends with a zero.
func (f *frame) skipString(flag uint8, in []byte) error {
	if f.flags&flag == 0 {
		return nil
	}
	n := bytes.IndexByte(in[f.header:], 0)
	if n < 0 {
		f.header = len(in)
		return errStarved
	}
	f.header += n + 1
	f.flags &^= flag
	return nil
}

// mend writes the markup into the trailer t (RFC 1952 2.3, RFC 1950 2.2). rest is the length of what follows the markup.
// A trailer that was wrong stays wrong.
func (f *frame) mend(t, prefix, markup []byte, rest int64) {
	switch f.trailer {
	case 8:
		le := binary.LittleEndian
		le.PutUint32(t, insertCRC(le.Uint32(t), prefix, markup, uint32(rest)))
		le.PutUint32(t[4:], le.Uint32(t[4:])+uint32(len(markup)))
	case 4:
		be := binary.BigEndian
		be.PutUint32(t, insertAdler(be.Uint32(t), prefix, markup, rest))
	}
}
