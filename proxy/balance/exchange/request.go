package exchange

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxInline is how long a body may be that goes out with its header, in bytes.
// Both together fit into what a socket takes at once, so that nobody has to read
// meanwhile.
const maxInline = 4 << 10

// speaks reports whether we can send r.
func speaks(r *http.Request) bool {
	return r.URL != nil && r.URL.Scheme == "http" && r.Method != http.MethodConnect && len(r.Trailer) == 0 &&
		isPlainHost(hostOf(r))
}

func hostOf(r *http.Request) string {
	if r.Host != "" {
		return r.Host
	}
	return r.URL.Host
}

// isPlainHost reports whether s is the ASCII of a host and port, without a zone.
func isPlainHost(s string) bool { return s != "" && all(s, inHost) }

// bodyLength returns the length of r's body, or -1 where it is not known.
func bodyLength(r *http.Request) int64 {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return 0
	case r.ContentLength == 0:
		return -1
	}
	return max(r.ContentLength, -1)
}

// appendRequest adds r's header to b, and its body if it is short and at hand: then
// whole is set, as it is without a body. It reports what is not valid.
func appendRequest(b []byte, r *http.Request) (text []byte, whole bool, err error) {
	if b, err = appendLine(b, r); err != nil {
		return nil, false, err
	}
	if b, err = appendFields(b, r.Header); err != nil {
		return nil, false, err
	}
	if r.Close {
		b = append(b, "Connection: close\r\n"...)
	}
	n := bodyLength(r)
	b = append(appendLength(b, r.Method, n), "\r\n"...)
	if n > 0 && n <= maxInline && r.GetBody != nil {
		b, err = appendBody(b, r.Body, int(n))
		return b, true, err
	}
	return b, n == 0, nil
}

func appendLine(b []byte, r *http.Request) ([]byte, error) {
	method, target := r.Method, r.URL.RequestURI()
	if method == "" {
		method = http.MethodGet
	}
	if !all(method, inToken) {
		return nil, fmt.Errorf("method %q is not valid", method)
	}
	if !all(target, inTarget) {
		return nil, fmt.Errorf("request target %q is not valid", target)
	}
	b = append(append(b, method...), ' ')
	b = append(append(b, target...), " HTTP/1.1\r\nHost: "...)
	return append(append(b, hostOf(r)...), "\r\n"...), nil
}

func appendFields(b []byte, h http.Header) ([]byte, error) {
	for name, values := range h {
		if name == "" || !all(name, inToken) {
			return nil, fmt.Errorf("field name %q is not valid", name)
		}
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer": // from the request's own fields
			continue
		case "Expect": // nobody here waits for 100 before the body
			continue
		case "User-Agent":
			if len(values) > 0 && values[0] == "" {
				continue // net/http's sign for none
			}
			values = values[:min(len(values), 1)]
		}
		for _, value := range values {
			if !all(value, inValue) {
				return nil, fmt.Errorf("value of field %q is not valid", name)
			}
			b = append(append(b, name...), ": "...)
			b = append(append(b, value...), "\r\n"...)
		}
	}
	return b, nil
}

// appendLength says where a body of n bytes ends. Where one is usual, none is
// worth a word, too (RFC 9110 8.6).
func appendLength(b []byte, method string, n int64) []byte {
	switch {
	case n < 0:
		return append(b, "Transfer-Encoding: chunked\r\n"...)
	case n > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch:
		b = strconv.AppendInt(append(b, "Content-Length: "...), n, 10)
		return append(b, "\r\n"...)
	}
	return b
}

func appendBody(b []byte, body io.Reader, n int) ([]byte, error) {
	from := len(b)
	b = append(b, make([]byte, n)...)
	_, err := io.ReadFull(body, b[from:])
	return b, err
}

// The classes that a byte may be in.
const (
	inToken  = 1 << iota // RFC 9110 5.6.2
	inValue              // RFC 9110 5.5, white space included
	inTarget             // of a request: all that cannot end it
	inHost
)

var classes = func() (classes [256]uint8) {
	for i := range classes {
		c := byte(i)
		alnum := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if alnum || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			classes[c] |= inToken
		}
		if alnum || strings.IndexByte("-._~!$&'()*+,;=:[]", c) >= 0 {
			classes[c] |= inHost
		}
		if c > ' ' && c != 0x7f {
			classes[c] |= inTarget | inValue
		}
		if c == ' ' || c == '\t' {
			classes[c] |= inValue
		}
	}
	return classes
}()

// all reports whether each byte of s is in class.
func all(s string, class uint8) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}
