package exchange

import (
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// readHead reads a status line and the header section after it into a.
func (a *answer) readHead(c *conn) error {
	size, lines, err := c.section()
	if err != nil {
		return err
	}
	text := string(c.buf[c.r : c.r+size])
	c.take(size)
	line, fields := cutLine(text)
	if err := a.parseStatus(line); err != nil {
		return err
	}
	a.Header, err = parseFields(fields, lines-1)
	return err
}

// protocol is what every answer begins with.
const protocol = "HTTP/1."

// section reads until the connection's buffer begins with a whole header section,
// and returns its size in bytes, the empty line included, and its lines but for that.
func (c *conn) section() (size, lines int, err error) {
	limit := c.transport.MaxResponseHeaderBytes
	if limit <= 0 {
		limit = defaultMaxHeader
	}
	start := 0 // of the line looked at
	for seen := 0; ; {
		got := c.buf[c.r:c.w]
		for {
			end := bytes.IndexByte(got[seen:], '\n')
			if end < 0 {
				break
			}
			end += seen
			seen = end + 1
			if end == start || end == start+1 && got[start] == '\r' {
				return seen, lines, nil
			}
			start = seen
			if lines++; lines > maxLines {
				return 0, 0, errTooLong
			}
		}
		if n := min(len(got), len(protocol)); string(got[:n]) != protocol[:n] {
			return 0, 0, fmt.Errorf("%w: not HTTP", errMalformed) // it may never end a line
		}
		if seen = len(got); seen >= limit {
			return 0, 0, errTooLong
		}
		if err := c.fill(); err != nil {
			if seen > 0 {
				err = unexpected(err)
			}
			return 0, 0, err
		}
	}
}

// parseStatus takes a status line (RFC 9112 4). Some origins leave out the
// reason, and the space before it.
func (a *answer) parseStatus(line string) error {
	const length = len("HTTP/1.1 200")
	if len(line) < length || len(line) > length && line[length] != ' ' || !all(line, inValue) {
		return fmt.Errorf("%w: status line", errMalformed)
	}
	switch line[:9] {
	case "HTTP/1.1 ":
		a.Proto, a.ProtoMajor, a.ProtoMinor = "HTTP/1.1", 1, 1
	case "HTTP/1.0 ":
		a.Proto, a.ProtoMajor, a.ProtoMinor = "HTTP/1.0", 1, 0
	default:
		return fmt.Errorf("%w: version", errMalformed)
	}
	code := 0
	for _, digit := range []byte(line[9:length]) {
		if digit < '0' || digit > '9' {
			return fmt.Errorf("%w: status code", errMalformed)
		}
		code = code*10 + int(digit-'0')
	}
	if code < 100 {
		return fmt.Errorf("%w: status code", errMalformed)
	}
	a.Status, a.StatusCode = line[9:], code
	return nil
}

// parseFields takes the lines of a header section, up to its empty line. But for
// folded lines nothing is mended: white space before a colon has been read in two
// ways too often (RFC 9112 5.1).
func parseFields(text string, lines int) (http.Header, error) {
	h := make(http.Header, lines)
	values := make([]string, lines)
	for {
		var line string
		if line, text = cutLine(text); line == "" {
			return h, nil
		}
		if isFolded(text) {
			var err error
			if line, text, err = unfold(line, text); err != nil {
				return nil, err
			}
		}
		name, value, found := strings.Cut(line, ":")
		if !found || name == "" || !all(name, inToken) {
			return nil, fmt.Errorf("%w: field name", errMalformed)
		}
		if !all(value, inValue) {
			return nil, fmt.Errorf("%w: field value", errMalformed)
		}
		value = textproto.TrimString(value)
		name = textproto.CanonicalMIMEHeaderKey(name)
		if before, ok := h[name]; ok {
			h[name] = append(before, value)
			continue
		}
		values[0] = value
		h[name], values = values[:1:1], values[1:]
	}
}

// cutLine returns the first line of text, and what follows it.
func cutLine(text string) (line, rest string) {
	line, rest, _ = strings.Cut(text, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// isFolded reports whether text begins in the middle of a field.
func isFolded(text string) bool { return text != "" && (text[0] == ' ' || text[0] == '\t') }

// unfold puts the field together that begins with line and goes on in text, with a
// space in the place of each fold (RFC 9112 5.2). A line of white space alone is
// refused: some take it for the end of the section.
func unfold(line, text string) (field, rest string, err error) {
	var b strings.Builder
	b.WriteString(strings.TrimRight(line, " \t"))
	for isFolded(text) {
		line, text = cutLine(text)
		if line = strings.Trim(line, " \t"); line == "" {
			return "", "", fmt.Errorf("%w: folded field", errMalformed)
		}
		b.WriteString(" " + line)
	}
	return b.String(), text, nil
}
