package accept

const (
	// maxChunkLine bounds a chunk's size and extension together, in bytes.
	maxChunkLine = 1 << 10

	// maxTrailer is what net/http can hold of a trailer section, in bytes.
	maxTrailer = 4 << 10

	// maxExcess bounds what chunks may cost beyond 16 bytes each and twice
	// their data, in bytes: net/http's limit too.
	maxExcess = 16 << 10

	maxHexDigits = 15 // of a chunk's size, so that it is within an int64
)

// chunkState is what the next byte of a chunked body is part of.
type chunkState byte

const (
	inSize chunkState = iota
	inExtension
	atSizeLF
	inData
	atDataCR
	atDataLF
	atTrailer // or the end
	inTrailerName
	inTrailerValue
	atTrailerLF
	atEndLF
	atEnd
)

// chunks follows a chunked body, RFC 9112 7.1, to find its end. Its zero value
// is ready for the first byte.
type chunks struct {
	state   chunkState
	digits  int   // of the current size
	line    int   // bytes of the current size line
	left    int64 // of the current chunk's data; while its size is read: the size so far
	excess  int64
	trailer int // bytes
}

// scan returns how many bytes of b belong to the body; the state says whether
// it ended. With a fault, n is where.
func (c *chunks) scan(b []byte) (n int, fault *Fault) {
	for n < len(b) && c.state != atEnd {
		if c.state == inData {
			k := min(int64(len(b)-n), c.left)
			n += int(k)
			if c.left -= k; c.left == 0 {
				c.state = atDataCR
			}
			continue
		}
		if fault := c.step(b[n]); fault != nil {
			return n, fault
		}
		n++
	}
	return n, nil
}

func (c *chunks) step(b byte) *Fault {
	switch {
	case c.state <= atSizeLF:
		return c.sizeLine(b)
	case c.state <= atDataLF:
		return c.dataEnd(b)
	default:
		return c.trailerSection(b)
	}
}

func (c *chunks) sizeLine(b byte) *Fault {
	if c.line++; c.line > maxChunkLine {
		return faultChunkLine
	}
	switch c.state {
	case inSize:
		return c.size(b)
	case inExtension:
		if b == '\r' {
			c.state = atSizeLF
		} else if !content[b] {
			return faultChunkLine
		}
	case atSizeLF:
		if b != '\n' {
			return faultChunkLine
		}
		return c.begin()
	}
	return nil
}

func (c *chunks) size(b byte) *Fault {
	v, hex := unhex(b)
	switch {
	case hex && c.digits < maxHexDigits:
		c.digits++
		c.left = c.left<<4 | int64(v)
	case hex || c.digits == 0:
		return faultChunkSize
	case b == '\r':
		c.state = atSizeLF
	case b == ';':
		c.state = inExtension
	default:
		return faultChunkSize
	}
	return nil
}

// begin ends a size line.
func (c *chunks) begin() *Fault {
	if c.excess = max(0, c.excess+int64(c.line)-16-2*min(c.left, maxExcess)); c.excess > maxExcess {
		return faultChunkLine
	}
	if c.state = inData; c.left == 0 {
		c.state = atTrailer
	}
	c.line, c.digits = 0, 0
	return nil
}

func (c *chunks) dataEnd(b byte) *Fault {
	switch {
	case c.state == atDataCR && b == '\r':
		c.state = atDataLF
	case c.state == atDataLF && b == '\n':
		c.state = inSize
	default:
		return faultChunkData
	}
	return nil
}

func (c *chunks) trailerSection(b byte) *Fault {
	c.trailer++
	next := c.state
	switch {
	case c.trailer > maxTrailer:
		return faultTrailer
	case c.state == atTrailer && b == '\r':
		next = atEndLF
	case (c.state == atTrailer || c.state == inTrailerName) && token[b]:
		next = inTrailerName
	case c.state == inTrailerName && b == ':':
		next = inTrailerValue
	case c.state == inTrailerValue && b == '\r':
		next = atTrailerLF
	case c.state == inTrailerValue && content[b]:
	case c.state == atTrailerLF && b == '\n':
		next = atTrailer
	case c.state == atEndLF && b == '\n':
		next = atEnd
	default:
		return faultTrailer
	}
	c.state = next
	return nil
}

func unhex(b byte) (v byte, ok bool) {
	switch {
	case digit(b):
		return b - '0', true
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10, true
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}
