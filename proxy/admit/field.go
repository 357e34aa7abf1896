package admit

import (
	"net/http"
	"strings"
)

const (
	maxFields     = 100      // lines; a browser sends about 20
	maxFieldBytes = 16 << 10 // of names and values, with what stands between them in HTTP/1
)

// checkFields limits the header. net/http and quic-go have looked at the values
// already; a line break that passed would be a second request at the origin.
func checkFields(r *http.Request) Fault {
	lines, size := 0, 0
	for name, values := range r.Header {
		lines += len(values)
		for _, value := range values {
			size += len(name) + len(": \r\n") + len(value)
			if breaksLine(value) {
				return Fault{http.StatusBadRequest, "field_value"}
			}
		}
	}
	switch {
	case lines > maxFields:
		return Fault{http.StatusRequestHeaderFieldsTooLarge, "field_lines"}
	case size > maxFieldBytes:
		return Fault{http.StatusRequestHeaderFieldsTooLarge, "field_bytes"}
	}
	return Fault{}
}

func breaksLine(value string) bool {
	return strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, '\r') >= 0 || strings.IndexByte(value, 0) >= 0
}

// checkExpect knows one expectation (RFC 9110 10.1.1).
func checkExpect(r *http.Request) Fault {
	for _, value := range r.Header["Expect"] {
		if !strings.EqualFold(value, "100-continue") {
			return Fault{http.StatusExpectationFailed, "expect"}
		}
	}
	return Fault{}
}

// hasToken reports whether a list of fields has token, in any case.
func hasToken(fields []string, token string) bool {
	for _, field := range fields {
		for element := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.Trim(element, " \t"), token) {
				return true
			}
		}
	}
	return false
}
