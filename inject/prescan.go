package inject

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// prescanLength is how much of a page a browser looks at for a <meta charset>
// before it settles on an encoding, in bytes.
const prescanLength = 1024

// encodingName returns the name of the encoding with this label (Encoding
// Standard 4.2), in lower case, or "" for a label that browsers ignore.
func encodingName(label string) string {
	label = strings.Trim(label, "\t\n\f\r ")
	if strings.ContainsFunc(label, func(r rune) bool { return r <= ' ' || r >= utf8.RuneSelf }) {
		return "" // htmlindex would trim and fold more than a browser does
	}
	e, err := htmlindex.Get(label)
	if err != nil {
		return ""
	}
	name, _ := htmlindex.Name(e) // every encoding of the index has one
	return name
}

// prescan returns the encoding that the start of a page declares, or ""
// (HTML Standard 13.2.3.2, "prescan a byte stream to determine its encoding").
// It reports whether more bytes cannot change the answer.
func prescan(page []byte) (name string, final bool) {
	switch {
	case bytes.HasPrefix(page, []byte("<\x00?\x00x\x00")):
		return "utf-16le", true
	case bytes.HasPrefix(page, []byte("\x00<\x00?\x00x")):
		return "utf-16be", true
	}
	p := prescanner{rest: page}
	for len(p.rest) > 0 {
		if name := p.next(); name != "" && !p.cut {
			return name, true
		}
	}
	return xmlEncoding(page), len(page) >= prescanLength
}

// xmlEncoding returns the encoding of an XML declaration at the very start
// ("get an XML encoding").
func xmlEncoding(page []byte) string {
	end := bytes.IndexByte(page, '>')
	if !bytes.HasPrefix(page, []byte("<?xml")) || end < 0 {
		return ""
	}
	_, value, found := bytes.Cut(page[:end], []byte("encoding"))
	if !found {
		return ""
	}
	value = trimLeftControls(value)
	if len(value) == 0 || value[0] != '=' {
		return ""
	}
	value = trimLeftControls(value[1:])
	if len(value) == 0 || value[0] != '"' && value[0] != '\'' {
		return ""
	}
	label, _, closed := bytes.Cut(value[1:], value[:1])
	if !closed || bytes.ContainsFunc(label, func(r rune) bool { return r <= 0x20 }) {
		return ""
	}
	return declared(string(label))
}

func trimLeftControls(b []byte) []byte {
	return bytes.TrimLeftFunc(b, func(r rune) bool { return r <= 0x20 })
}

// declared returns the encoding that a label found inside a page stands for: a
// page whose label could be read as ASCII is not UTF-16.
func declared(label string) string {
	switch name := encodingName(label); name {
	case "utf-16le", "utf-16be":
		return "utf-8"
	case "x-user-defined":
		return "windows-1252"
	default:
		return name
	}
}

type prescanner struct {
	rest []byte
	cut  bool // the page ended inside what was read last
}

// next reads one construct and returns the encoding that it declares, or "".
func (p *prescanner) next() string {
	switch {
	case bytes.HasPrefix(p.rest, []byte("<!--")):
		p.skipPast(2, "-->") // the "--" of "<!-->" may also be its end
	case isMeta(p.rest):
		p.rest = p.rest[len("<meta"):]
		return p.meta()
	case len(p.rest) > 1 && p.rest[0] == '<' && isLetter(p.rest[1]),
		len(p.rest) > 2 && p.rest[0] == '<' && p.rest[1] == '/' && isLetter(p.rest[2]):
		p.tag()
	case len(p.rest) > 1 && p.rest[0] == '<' && (p.rest[1] == '!' || p.rest[1] == '/' || p.rest[1] == '?'):
		p.skipPast(2, ">")
	default:
		p.skipTo('<')
	}
	return ""
}

// skipTo goes on to the next c, at least one byte.
func (p *prescanner) skipTo(c byte) {
	n := bytes.IndexByte(p.rest[1:], c)
	if n < 0 {
		n = len(p.rest) - 1
	}
	p.rest = p.rest[n+1:]
}

func isMeta(b []byte) bool {
	const name = "<meta"
	return len(b) > len(name) && asciiEqual(b[:len(name)], name) && (isSpace(b[len(name)]) || b[len(name)] == '/')
}

func (p *prescanner) skipPast(from int, end string) {
	_, after, found := bytes.Cut(p.rest[from:], []byte(end))
	if !found {
		after = nil
	}
	p.rest = after
}

func (p *prescanner) tag() {
	name := bytes.IndexFunc(p.rest, func(r rune) bool { return r == '>' || r < 0x80 && isSpace(byte(r)) })
	if name < 0 {
		p.rest = nil
		return
	}
	p.rest = p.rest[name:]
	for more := true; more; {
		_, _, more = p.attribute()
	}
}

// meta reads the attributes of a <meta> and returns the encoding that it declares.
func (p *prescanner) meta() string {
	var equiv, content, charset []byte // nil until seen: of several, the first counts
	for {
		name, value, ok := p.attribute()
		switch {
		case !ok:
			return metaEncoding(equiv, content, charset)
		case equiv == nil && asciiEqual(name, "http-equiv"):
			equiv = value
		case content == nil && asciiEqual(name, "content"):
			content = value
		case charset == nil && asciiEqual(name, "charset"):
			charset = value
		}
	}
}

func metaEncoding(equiv, content, charset []byte) string {
	switch {
	case charset != nil:
		return declared(string(charset))
	case asciiEqual(equiv, "content-type"):
		return declared(string(charsetInContent(content)))
	}
	return ""
}

// attribute reads one attribute, if there is one ("get an attribute").
func (p *prescanner) attribute() (name, value []byte, ok bool) {
	p.skip(func(c byte) bool { return isSpace(c) || c == '/' })
	if p.peek() == '>' || p.cut {
		return nil, nil, false
	}
	name = p.until(func(n int, c byte) bool { return n > 0 && c == '=' || c == '/' || c == '>' || isSpace(c) })
	p.skip(isSpace)
	if p.peek() != '=' {
		return name, []byte{}, !p.cut
	}
	p.rest = p.rest[1:]
	p.skip(isSpace)
	value = p.value()
	return name, value, !p.cut
}

func (p *prescanner) value() []byte {
	quote := p.peek()
	if quote == '"' || quote == '\'' {
		value, after, closed := bytes.Cut(p.rest[1:], p.rest[:1])
		p.rest, p.cut = after, !closed
		return value
	}
	return p.until(func(_ int, c byte) bool { return isSpace(c) || c == '>' })
}

// until reads up to the first byte, n behind here, that ends what is read.
func (p *prescanner) until(ends func(n int, c byte) bool) []byte {
	for n, c := range p.rest {
		if ends(n, c) {
			read := p.rest[:n:n]
			p.rest = p.rest[n:]
			return read
		}
	}
	p.rest, p.cut = nil, true
	return nil
}

// peek returns the next byte; at the end it marks the page as cut and returns 0.
func (p *prescanner) peek() byte {
	if len(p.rest) == 0 {
		p.cut = true
		return 0
	}
	return p.rest[0]
}

func (p *prescanner) skip(is func(byte) bool) {
	for len(p.rest) > 0 && is(p.rest[0]) {
		p.rest = p.rest[1:]
	}
}

// charsetInContent extracts the label from the content of a <meta http-equiv>
// (HTML Standard 2.6, "extracting a character encoding from a meta element").
func charsetInContent(content []byte) []byte {
	const name, spaces = "charset", "\t\n\f\r "
	for len(content) >= len(name) {
		if !asciiEqual(content[:len(name)], name) {
			content = content[1:]
			continue
		}
		content = bytes.TrimLeft(content[len(name):], spaces)
		if len(content) > 0 && content[0] == '=' {
			return labelAfterEquals(bytes.TrimLeft(content[1:], spaces))
		}
	}
	return nil
}

func labelAfterEquals(s []byte) []byte {
	if len(s) > 0 && (s[0] == '"' || s[0] == '\'') {
		label, _, closed := bytes.Cut(s[1:], s[:1])
		if !closed {
			return nil
		}
		return label
	}
	if end := bytes.IndexAny(s, "\t\n\f\r ;"); end >= 0 {
		s = s[:end]
	}
	return s
}
