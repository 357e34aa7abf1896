package inject

// A decoder turns the bytes of a page into the characters that the scanner
// reads: ASCII as it is, anything else as some byte ≥ 0x80. The zero value
// serves every encoding that is a superset of ASCII.
type decoder struct {
	unit unit

	half    byte // UTF-16: first byte of a unit
	hasHalf bool

	escape  int  // ISO-2022-JP: bytes read of an escape sequence
	set     byte // the second of them
	twoByte bool // characters are two bytes each, not ASCII
}

// unit is how bytes make up characters.
type unit uint8

const (
	asciiSuperset unit = iota
	littleEndian       // UTF-16
	bigEndian
	shifted // ISO-2022-JP
)

const other = 0xff // stands for any character outside ASCII

// scan passes the characters in p, which lies at offset in the page, to s until
// it has decided.
func (d *decoder) scan(s *scanner, p []byte, offset int64) {
	for i := 0; i < len(p) && !s.decided(); i++ {
		switch at := offset + int64(i); d.unit {
		case asciiSuperset:
			s.step(p[i], at, at+1)
		case shifted:
			d.shiftedByte(s, p[i], at)
		default:
			d.utf16Byte(s, p[i], at)
		}
	}
}

func (d *decoder) utf16Byte(s *scanner, b byte, at int64) {
	d.hasHalf = !d.hasHalf
	if d.hasHalf {
		d.half = b
		return
	}
	low, high := d.half, b
	if d.unit == bigEndian {
		low, high = high, low
	}
	if high != 0 || low >= 0x80 {
		low = other
	}
	s.step(low, at-1, at+1)
}

// shiftedByte decodes ISO-2022-JP (Encoding Standard 12.2.1) as far as pages use
// it: ASCII, and escape sequences to two-byte characters and back.
func (d *decoder) shiftedByte(s *scanner, b byte, at int64) {
	switch {
	case b == 0x1b && d.escape > 0:
		s.leave("charset")
	case b == 0x1b:
		d.escape = 1
	case d.escape == 1:
		d.set, d.escape = b, 2
	case d.escape == 2:
		d.escape = 0
		d.shift(s, b, at-2)
	case d.twoByte || b >= 0x80:
		s.step(other, at, at+1)
	default:
		s.step(b, at, at+1)
	}
}

// shift ends the escape sequence that began at offset from. Markup must stand
// before it and not after, where it would not be read as ASCII. Sets that no
// page uses at its start, and sequences that are cut off or change nothing,
// which may stand for U+FFFD, are not worth getting right.
func (d *decoder) shift(s *scanner, b byte, from int64) {
	switch {
	case d.set == '$' && (b == '@' || b == 'B') && !d.twoByte:
		d.twoByte = true
		if s.state == stateData || s.state == stateDecimalReference || s.state == stateHexReference {
			s.step(other, from, from+3)
		}
	case d.set == '(' && b == 'B' && d.twoByte:
		d.twoByte = false
	default:
		s.leave("charset")
	}
}
