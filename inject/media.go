package inject

import (
	"net/http"
	"strings"
)

// contentType returns the media type that a browser reads from h, in lower
// case, and the encoding that its charset names; "" for none (Fetch Standard
// 2.2.2, "extract a MIME type"; MIME Sniffing 4.4).
func contentType(h http.Header) (mediaType, encoding string) {
	values := h["Content-Type"]
	if len(values) == 1 {
		switch values[0] { // what nearly all pages have
		case "text/html; charset=utf-8", "text/html; charset=UTF-8", "text/html;charset=utf-8", "text/html;charset=UTF-8":
			return "text/html", "utf-8"
		}
	}
	for _, value := range values {
		for part := range splitQuoted(value, ',') {
			essence, parameters, _ := strings.Cut(part, ";")
			essence = strings.ToLower(strings.Trim(essence, httpSpace))
			if !strings.Contains(essence, "/") || essence == "*/*" {
				continue
			}
			charset, found := parameter(parameters, "charset")
			if essence != mediaType || found {
				mediaType, encoding = essence, encodingName(charset)
			}
		}
	}
	return mediaType, encoding
}

// first returns the first value of a field, of canonical name, or "". Unlike
// [http.Header.Get] it does not work that name out each time.
func first(h http.Header, field string) string {
	if values := h[field]; len(values) > 0 {
		return values[0]
	}
	return ""
}

const httpSpace = " \t\r\n"

// parameter returns the first value of the named parameter in s, and whether
// there is one.
func parameter(s, name string) (value string, found bool) {
	for part := range splitQuoted(s, ';') {
		key, value, hasValue := strings.Cut(strings.TrimLeft(part, httpSpace), "=")
		if !hasValue || !strings.EqualFold(key, name) {
			continue
		}
		if value = strings.TrimRight(value, httpSpace); strings.HasPrefix(value, `"`) {
			return unquote(value[1:]), true
		}
		if value != "" {
			return value, true
		}
	}
	return "", false
}

// unquote returns the rest of a quoted string (RFC 9110 5.6.4), also of one that is not closed.
func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// splitQuoted yields the parts of s between separators that are not in quotes.
func splitQuoted(s string, separator byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(s); i++ {
			switch {
			case quoted && s[i] == '\\':
				i++
			case s[i] == '"':
				quoted = !quoted
			case s[i] == separator && !quoted:
				if !yield(s[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(s[start:])
	}
}

// hasToken reports whether the comma-separated values of a field, of canonical
// name, hold token, in any case, with or without parameters.
func hasToken(h http.Header, field, token string) bool {
	for _, value := range h[field] {
		for part := range splitQuoted(value, ',') {
			part, _, _ = strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}
