package multiplex

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"

	"ctlive/proxy/accept/fields"
)

func appendStatus(b []hpack.HeaderField, status int) []hpack.HeaderField {
	return append(b, hpack.HeaderField{Name: ":status", Value: strconv.Itoa(status)})
}

// isInterim reports whether the status, which comes first, is one.
func isInterim(fields []hpack.HeaderField) bool { return fields[0].Value[0] == '1' }

func appendLength(b []hpack.HeaderField, n int64) []hpack.HeaderField {
	return append(b, hpack.HeaderField{Name: "content-length", Value: strconv.FormatInt(n, 10)})
}

// appendFields adds the fields of h that are valid and mean the message, not the
// connection, RFC 9113 8.2.2. The length and the trailer section have their own way.
func appendFields(b []hpack.HeaderField, h http.Header) []hpack.HeaderField {
	for name, values := range h {
		if name == "Content-Length" || slices.Contains(ofConnection[:], name) {
			continue
		}
		b = appendField(b, name, values)
	}
	return b
}

// appendDate adds when the response was made, unless h says so, RFC 9110 6.6.1.
func appendDate(b []hpack.HeaderField, h http.Header) []hpack.HeaderField {
	if _, ok := h["Date"]; ok {
		return b
	}
	return append(b, hpack.HeaderField{Name: "date", Value: time.Now().UTC().Format(http.TimeFormat)})
}

func appendField(b []hpack.HeaderField, name string, values []string) []hpack.HeaderField {
	if name = fields.Lower(name); name == "" {
		return b
	}
	for _, value := range values {
		if httpguts.ValidHeaderFieldValue(value) {
			b = append(b, hpack.HeaderField{Name: name, Value: value})
		}
	}
	return b
}

// appendTrailer adds the fields that follow the body, announced or not.
func appendTrailer(b []hpack.HeaderField, h http.Header, names []string) []hpack.HeaderField {
	for _, name := range names {
		b = appendField(b, name, h[name])
	}
	for name, values := range h {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			b = appendField(b, name, values)
		}
	}
	return b
}

// lengthOf returns what Content-Length says, if that is a length.
func lengthOf(h http.Header) (n int64, ok bool) {
	values := h["Content-Length"]
	if len(values) == 0 {
		return 0, false
	}
	m, err := strconv.ParseUint(values[0], 10, 63)
	return int64(m), err == nil
}

// ofConnection are fields that no message may have, RFC 9113 8.2.2.
var ofConnection = [...]string{"Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade"}
