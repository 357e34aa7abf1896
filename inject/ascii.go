package inject

import "strings"

// isSpace reports whether c is ASCII whitespace (Infra Standard 4.7): no VT, no NBSP.
func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// isBinary reports whether c is a binary data byte (MIME Sniffing 3), which no text holds.
func isBinary(c byte) bool {
	return c < 0x20 && !isSpace(c) && c != 0x1b
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func hexDigit(c byte) (int, bool) {
	switch l := lower(c); {
	case isDigit(c):
		return int(c - '0'), true
	case 'a' <= l && l <= 'f':
		return int(l-'a') + 10, true
	}
	return 0, false
}

func wordSet(words string) map[string]bool {
	set := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

// asciiEqual reports whether b is name, which is in lower case, in any ASCII case.
func asciiEqual(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i, c := range b {
		if lower(c) != name[i] {
			return false
		}
	}
	return true
}
