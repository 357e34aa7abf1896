package exchange

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
)

const (
	// maxOverhead is how much more a chunked body may be framing than content, in
	// bytes, before it is taken for an attack: chunks of a byte with long
	// extensions.
	maxOverhead = 16 << 10

	// maxTrailer is how long a trailer section may be, in bytes.
	maxTrailer = 16 << 10

	// maxSizeDigits keeps a chunk's size within 60 bits.
	maxSizeDigits = 15
)

// chunks takes the framing out of a chunked body (RFC 9112 7.1), however it is cut.
// Lines end in CRLF, and in nothing else.
type chunks struct {
	state    chunkState
	digits   int   // of the size
	left     int64 // of the chunk, in bytes
	overhead int64
	fields   []byte // the trailer section, its empty line included
	line     int    // where its last line begins
}

type chunkState uint8

const (
	inSize    chunkState = iota
	afterSize            // white space, with which some origins fill the line
	inExtension
	atSizeLF
	inData
	atDataCR
	atDataLF
	inTrailer
	atEnd
)

// decode moves content from src to dst until src is used up, dst is full or the
// body ends, which io.EOF says. src may begin where dst does.
func (c *chunks) decode(dst, src []byte) (n, used int, err error) {
	for used < len(src) && c.state != atEnd {
		if c.state != inData {
			if err := c.step(src[used]); err != nil {
				return n, used, err
			}
			used++
			continue
		}
		room := min(len(dst)-n, len(src)-used)
		if room == 0 {
			return n, used, nil
		}
		m := copy(dst[n:], src[used:used+int(min(int64(room), c.left))])
		n, used = n+m, used+m
		c.passed(int64(m))
	}
	if c.state == atEnd {
		return n, used, io.EOF
	}
	return n, used, nil
}

// endIn reports whether the body ends, or fails, in p, which is what follows.
func (c *chunks) endIn(p []byte) bool { return c.look(p, false) }

// giveIn reports whether p, which is what follows, has content, or the body ends
// or fails there.
func (c *chunks) giveIn(p []byte) bool { return c.look(p, true) }

// look goes through p without taking it, up to the end or, if that is asked for,
// content.
func (c *chunks) look(p []byte, content bool) bool {
	ahead := *c
	ahead.fields = slices.Clip(c.fields)
	for i := 0; i < len(p); {
		switch {
		case ahead.state != inData:
			if ahead.step(p[i]) != nil || ahead.state == atEnd {
				return true
			}
			i++
		case content:
			return true
		default:
			n := min(ahead.left, int64(len(p)-i))
			ahead.passed(n)
			i += int(n)
		}
	}
	return false
}

// passed notes n bytes of a chunk's content.
func (c *chunks) passed(n int64) {
	c.overhead = max(0, c.overhead-n)
	if c.left -= n; c.left == 0 {
		c.state = atDataCR
	}
}

// step takes a byte of the framing.
func (c *chunks) step(b byte) error {
	if c.overhead++; c.overhead > maxOverhead {
		return fmt.Errorf("%w: chunks are mostly framing", errMalformed)
	}
	switch {
	case c.state == inTrailer:
		return c.stepTrailer(b)
	case c.state == inSize && c.addDigit(b):
	case c.state == inSize && c.digits == 0:
		return fmt.Errorf("%w: chunk size", errMalformed)
	case c.state <= afterSize && (b == ' ' || b == '\t'):
		c.state = afterSize
	case c.state == inSize && b == ';':
		c.state = inExtension
	case c.state <= inExtension && b == '\r':
		c.state = atSizeLF
	case c.state == inExtension && classes[b]&inValue != 0:
	case c.state == atSizeLF && b == '\n':
		c.begin()
	case c.state == atDataCR && b == '\r':
		c.state = atDataLF
	case c.state == atDataLF && b == '\n':
		c.state, c.digits, c.left = inSize, 0, 0
	default:
		return fmt.Errorf("%w: chunk", errMalformed)
	}
	return nil
}

// addDigit reports whether b is the next digit of the size.
func (c *chunks) addDigit(b byte) bool {
	switch {
	case c.digits == maxSizeDigits:
		return false
	case b >= '0' && b <= '9':
		b -= '0'
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		b = b | 0x20 - 'a' + 10
	default:
		return false
	}
	c.left = c.left<<4 | int64(b)
	c.digits++
	return true
}

// begin follows the line with the size.
func (c *chunks) begin() {
	c.state = inData
	if c.left == 0 {
		c.state = inTrailer
	}
}

// stepTrailer takes a byte of the trailer section, which an empty line ends.
func (c *chunks) stepTrailer(b byte) error {
	if len(c.fields) >= maxTrailer {
		return errTooLong
	}
	c.fields = append(c.fields, b)
	if b != '\n' {
		return nil
	}
	switch line := c.fields[c.line:]; {
	case len(line) < 2 || line[len(line)-2] != '\r':
		return fmt.Errorf("%w: trailer", errMalformed)
	case len(line) == 2:
		c.state = atEnd
	}
	c.line = len(c.fields)
	return nil
}

// trailer returns the fields that followed the body, nil for none.
func (c *chunks) trailer() (http.Header, error) {
	lines := bytes.Count(c.fields, []byte("\n")) - 1
	switch {
	case lines == 0:
		return nil, nil
	case lines > maxLines:
		return nil, errTooLong
	}
	return parseFields(string(c.fields), lines)
}
