package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// answer is what the generator looks at in a response to a batch.
type answer struct {
	status    int
	stored    int    // events with this verdict
	declined  int    // events not stored because the visitor objects
	unflagged int    // events without a flag
	body      []byte // part of what was parsed
}

// maxAnswer bounds a response, in bytes.
const maxAnswer = 1 << 20

var (
	headEnd       = []byte("\r\n\r\n")
	lengthField   = []byte("\r\ncontent-length:")
	storedVerdict = []byte(`"verdict":"stored"`)
	gpcReason     = []byte(`"reason":"gpc"`)
	noFlags       = []byte(`"flags":[]`)
)

// parseAnswer parses the response that b begins with and returns how long it is: 0 if b does not
// hold all of it yet. It takes what one server sends to one kind of request: HTTP/1.1 with a
// Content-Length. It does not allocate.
func parseAnswer(b []byte) (a answer, n int, err error) {
	end := bytes.Index(b, headEnd)
	if end < 0 {
		if len(b) > maxAnswer {
			err = fmt.Errorf("response without an end of its head: %.80q", b)
		}
		return a, 0, err
	}
	length, err := contentLength(b[:end])
	if err != nil {
		return a, 0, err
	}
	start := end + len(headEnd)
	if n = start + length; n > len(b) {
		return a, 0, nil
	}
	if a.status, err = parseDigits(b[len("HTTP/1.1 "):len("HTTP/1.1 200")]); err != nil {
		return a, 0, fmt.Errorf("status line: %w", err)
	}
	a.body = b[start:n]
	a.stored = bytes.Count(a.body, storedVerdict)
	a.declined = bytes.Count(a.body, gpcReason)
	a.unflagged = bytes.Count(a.body, noFlags)
	return a, n, nil
}

// contentLength returns the length that head, all up to the empty line, declares for the body.
func contentLength(head []byte) (int, error) {
	if len(head) < len("HTTP/1.1 200") || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("not a response of HTTP/1.1: %.80q", head)
	}
	at := indexFold(head, lengthField)
	if at < 0 {
		return 0, fmt.Errorf("response without Content-Length: %.200q", head)
	}
	value := head[at+len(lengthField):]
	if eol := bytes.IndexByte(value, '\r'); eol >= 0 {
		value = value[:eol]
	}
	return parseDigits(bytes.TrimSpace(value))
}

// indexFold is bytes.Index for a needle in lower-case ASCII, whatever the case in b.
func indexFold(b, needle []byte) int {
	for i := 0; i+len(needle) <= len(b); i++ {
		// Heads have few CRs: the rest of the needle is rarely compared.
		if b[i] == needle[0] && bytes.EqualFold(b[i:i+len(needle)], needle) {
			return i
		}
	}
	return -1
}

// parseDigits parses a number from 0 to maxAnswer.
func parseDigits(b []byte) (int, error) {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, strconv.ErrSyntax
		}
		if n = 10*n + int(c-'0'); n > maxAnswer {
			return 0, strconv.ErrRange
		}
	}
	if len(b) == 0 {
		return 0, strconv.ErrSyntax
	}
	return n, nil
}
