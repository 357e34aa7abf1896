package exchange

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// A framing is how the end of a body shows (RFC 9112 6.3).
type framing uint8

const (
	byLength framing = iota
	byChunks
	byClose
)

// frame finds out how a's body ends, and gives a that body. The fields that say
// it must leave no doubt.
func (a *answer) frame() error {
	h, b := a.Header, &a.body
	chunked, err := takeCoding(h, a.ProtoMinor)
	if err != nil {
		return err
	}
	a.ContentLength, err = lengthOf(h)
	if err != nil {
		return err
	}
	if chunked && a.ContentLength >= 0 {
		return fmt.Errorf("%w: a length, and chunks", errMalformed)
	}
	if chunked {
		a.coding[0] = "chunked"
		a.TransferEncoding = a.coding[:]
		if err := a.announce(); err != nil {
			return err
		}
	}
	last := closes(h, a.ProtoMinor)
	b.single = last || a.Request.Close
	b.answer = a
	switch {
	case a.StatusCode == http.StatusSwitchingProtocols:
		a.switchProtocols()
		return nil
	case a.Request.Method == http.MethodHead: // the fields are those of GET
		a.Body = http.NoBody
		b.finish()
	case a.ContentLength == 0, a.StatusCode == http.StatusNoContent, a.StatusCode == http.StatusNotModified:
		a.ContentLength, a.Body = 0, http.NoBody
		b.finish()
	case chunked:
		b.framing, a.Body = byChunks, b
	case a.ContentLength > 0:
		b.framing, b.left, a.Body = byLength, a.ContentLength, b
	default:
		b.framing, b.single, last, a.Body = byClose, true, true, b
	}
	a.Close = last
	return nil
}

// takeCoding reports whether the body comes in chunks, the only transfer coding
// that there is, and takes that out of h.
func takeCoding(h http.Header, minor int) (chunked bool, err error) {
	values, ok := h["Transfer-Encoding"]
	switch {
	case !ok:
		return false, nil
	case minor == 0 || len(values) != 1 || !strings.EqualFold(values[0], "chunked"):
		return false, fmt.Errorf("%w: transfer coding", errMalformed)
	}
	delete(h, "Transfer-Encoding")
	return true, nil
}

// lengthOf returns what Content-Length says, -1 for nothing. Where it says the same
// more than once, h keeps it once (RFC 9110 8.6).
func lengthOf(h http.Header) (int64, error) {
	values, ok := h["Content-Length"]
	if !ok {
		return -1, nil
	}
	n, ok := decimal(values[0])
	if !ok || slices.ContainsFunc(values, func(v string) bool { return v != values[0] }) {
		return 0, fmt.Errorf("%w: length", errMalformed)
	}
	h["Content-Length"] = values[:1]
	return n, nil
}

// decimal returns the number that is s, if it has 1 to 18 digits and nothing else.
func decimal(s string) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n, true
}

// announce sets a.Trailer to what the header says will follow the body.
func (a *answer) announce() error {
	values, ok := a.Header["Trailer"]
	if !ok {
		return nil
	}
	delete(a.Header, "Trailer")
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			name = textproto.CanonicalMIMEHeaderKey(strings.Trim(name, " \t"))
			switch {
			case name == "":
				continue
			case !all(name, inToken) || isFraming(name):
				return fmt.Errorf("%w: trailer", errMalformed)
			case a.Trailer == nil:
				a.Trailer = make(http.Header)
			}
			a.Trailer[name] = nil
		}
	}
	return nil
}

// isFraming reports whether the field tells where the message ends, or is for
// the connection. A trailer must not have it (RFC 9110 6.5.1).
func isFraming(name string) bool {
	switch name {
	case "Content-Length", "Transfer-Encoding", "Trailer", "Connection", "Keep-Alive", "Upgrade", "Te", "Host":
		return true
	}
	return false
}

// closes reports whether the connection ends with the message (RFC 9112 9.3).
func closes(h http.Header, minor int) bool {
	keeps := false
	for _, value := range h["Connection"] {
		for option := range strings.SplitSeq(value, ",") {
			switch option = strings.Trim(option, " \t"); {
			case strings.EqualFold(option, "close"):
				return true
			case strings.EqualFold(option, "keep-alive"):
				keeps = true
			}
		}
	}
	return minor == 0 && !keeps
}
