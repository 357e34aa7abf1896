package accept

import (
	"bytes"
	"net/textproto"
)

const (
	// maxHead is more than browsers send even with every cookie they may keep
	// for a site full, and few origins take more, in bytes.
	maxHead = 16 << 10

	// maxLines bounds the work that a head of tiny fields causes behind us.
	maxLines = 100

	// maxDigits keeps a Content-Length within an int64.
	maxDigits = 18
)

// head reads the head of a request, RFC 9112 2 to 5, as it comes in. Its zero
// value is ready for the first byte.
type head struct {
	line, pos int // where the current line starts, and how far we have searched
	lines     int // ended so far
	minor     byte
	hosts     int
	host      bool // the Host has a value
	lengths   int
	length    int64
	codings   int
	chunked   bool // the last Transfer-Encoding is exactly "chunked"
}

// scan goes on reading b, which holds the head from its first byte on: all that
// earlier calls saw, and more. It returns the length of the head, or 0 as long
// as its end has not come.
func (h *head) scan(b []byte) (end int, fault *Fault) {
	if len(b) > 0 && !token[b[0]] {
		return 0, faultRequestLine // no need to wait for a line's end that may never come
	}
	for {
		i := bytes.IndexByte(b[h.pos:], '\n')
		if i < 0 {
			h.pos = len(b)
		} else {
			h.pos += i + 1
		}
		switch {
		case h.pos > maxHead:
			return 0, faultHeadSize
		case i < 0:
			return 0, nil
		}
		line := b[h.line:h.pos]
		h.line = h.pos
		if len(line) < 2 || line[len(line)-2] != '\r' {
			return 0, faultLineEnd
		}
		if line = line[:len(line)-2]; len(line) == 0 {
			return h.pos, h.judge()
		}
		if fault := h.take(line); fault != nil {
			return 0, fault
		}
	}
}

// take reads one line, without its end.
func (h *head) take(line []byte) *Fault {
	h.lines++
	switch {
	case h.lines == 1:
		return h.request(line)
	case h.lines > maxLines+1:
		return faultHeadLines
	case line[0] == ' ' || line[0] == '\t':
		return faultFold
	}
	name, value, fault := field(line)
	if fault != nil {
		return fault
	}
	switch len(name) {
	case len("host"):
		if isName(name, "host") {
			h.hosts++
			h.host = len(value) > 0
		}
	case len("content-length"):
		if isName(name, "content-length") {
			return h.setLength(value)
		}
	case len("transfer-encoding"):
		if isName(name, "transfer-encoding") {
			h.codings++
			h.chunked = isName(value, "chunked")
		}
	}
	return nil
}

// request reads the request line: method SP request-target SP HTTP-version.
func (h *head) request(line []byte) *Fault {
	method := bytes.IndexByte(line, ' ')
	target := bytes.LastIndexByte(line, ' ')
	if method <= 0 || target <= method+1 || !all(line[:method], &token) || !all(line[method+1:target], &visible) {
		return faultRequestLine
	}
	version := line[target+1:]
	if len(version) != len("HTTP/1.1") || string(version[:5]) != "HTTP/" || !digit(version[5]) || version[6] != '.' || !digit(version[7]) {
		return faultRequestLine
	}
	if version[5] != '1' || version[7] > '1' {
		return faultVersion // among them PRI * HTTP/2.0
	}
	h.minor = version[7] - '0'
	return nil
}

// field splits a field line. The value comes without the space around it.
func field(line []byte) (name, value []byte, fault *Fault) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || !all(line[:colon], &token) {
		return nil, nil, faultName
	}
	value = line[colon+1:]
	if !all(value, &content) {
		return nil, nil, faultValue
	}
	return line[:colon], textproto.TrimBytes(value), nil
}

func (h *head) setLength(value []byte) *Fault {
	if h.lengths++; h.lengths > 1 {
		return faultLengths
	}
	if len(value) == 0 || len(value) > maxDigits {
		return faultLength
	}
	for _, c := range value {
		if !digit(c) {
			return faultLength
		}
		h.length = h.length*10 + int64(c-'0')
	}
	return nil
}

// judge decides on the head as a whole. Host is wanted of HTTP/1.0 too: without
// it there is no site to ask.
func (h *head) judge() *Fault {
	switch {
	case h.lines == 0:
		return faultRequestLine
	case h.hosts > 1:
		return faultHosts
	case !h.host:
		return faultNoHost
	case h.codings > 0 && h.minor == 0:
		return faultOldCoding // RFC 9112 6.1: its framing is faulty
	case h.codings > 0 && h.lengths > 0:
		return faultBoth
	case h.codings > 1 || h.codings == 1 && !h.chunked:
		return faultCoding
	}
	return nil
}
