package answer

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// appendHeader adds the status line and the fields, but for those that frame the
// body.
func (w *Writer) appendHeader(b []byte) []byte {
	b = appendStatus(b, w.status)
	b = appendFields(b, w.Header(), func(name string) bool {
		return isFraming(name) || w.last && name == "Connection" || w.status == http.StatusNotModified && name == "Content-Type"
	})
	if w.last {
		b = append(b, "Connection: close\r\n"...)
	}
	if _, ok := w.Header()["Date"]; !ok {
		b = append(time.Now().UTC().AppendFormat(append(b, "Date: "...), http.TimeFormat), "\r\n"...)
	}
	return b
}

// appendInterim adds a whole interim response, RFC 9110 15.2.
func (w *Writer) appendInterim(b []byte, status int) []byte {
	return append(appendFields(appendStatus(b, status), w.Header(), isFraming), "\r\n"...)
}

func appendStatus(b []byte, status int) []byte {
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(status), 10)
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	return append(append(append(b, ' '), text...), "\r\n"...)
}

// isFraming reports whether a field says where the body ends: these are ours to
// set.
func isFraming(name string) bool { return name == "Content-Length" || name == "Transfer-Encoding" }

// appendFields adds the fields of h that are valid and not left out, sorted by
// name.
func appendFields(b []byte, h http.Header, leaveOut func(name string) bool) []byte {
	var room [32]string
	names := room[:0]
	for name := range h {
		if !leaveOut(name) && httpguts.ValidHeaderFieldName(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			b = appendField(b, name, value)
		}
	}
	return b
}

var noLineEnds = strings.NewReplacer("\r", " ", "\n", " ")

// appendField adds one field line. A value cannot end it.
func appendField(b []byte, name, value string) []byte {
	if strings.IndexByte(value, '\r') >= 0 || strings.IndexByte(value, '\n') >= 0 {
		value = noLineEnds.Replace(value)
	}
	b = append(append(b, name...), ": "...)
	return append(append(b, textproto.TrimString(value)...), "\r\n"...)
}

// lengthOf returns what Content-Length says, if that is a length.
func lengthOf(h http.Header) (n int64, ok bool) {
	values := h["Content-Length"]
	if len(values) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	return n, err == nil && n >= 0
}

func appendLength(b []byte, n int64) []byte {
	b = strconv.AppendInt(append(b, "Content-Length: "...), n, 10)
	return append(b, "\r\n"...)
}
