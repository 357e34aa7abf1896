package nats

import (
	"fmt"
	"strings"
)

const (
	erasedSite = "_" // no site's token, see token
	erasedType = "Erased"
)

// subject is a pattern of subjects. {site} and {type} stand as tokens of their own, and never first.
type subject []string

func parseSubject(pattern string) (subject, error) {
	bad := func(why string) (subject, error) {
		return nil, fmt.Errorf("subject %q: %s", pattern, why)
	}
	tokens := strings.Split(pattern, ".")
	for i, t := range tokens {
		switch {
		case t == "":
			return bad("has an empty token")
		case t == "{site}" || t == "{type}":
			if i == 0 {
				return bad("must begin with a fixed token, as in ctlive." + t)
			}
		case strings.ContainsAny(t, "{}"):
			return bad("{site} and {type} are the only placeholders, each a token of its own between dots")
		case strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '*' || r == '>' }):
			return bad("has a blank, a wildcard or a character beyond ASCII")
		}
	}
	if strings.HasPrefix(pattern, "$") || tokens[0] == "_INBOX" {
		return bad("NATS keeps subjects that begin with $ or _INBOX for itself")
	}
	return tokens, nil
}

// of returns the subject with the tokens site and typ filled in.
func (s subject) of(site, typ string) string {
	tokens := make([]string, len(s))
	for i, t := range s {
		switch t {
		case "{site}":
			t = site
		case "{type}":
			t = typ
		}
		tokens[i] = t
	}
	return strings.Join(tokens, ".")
}

// all returns the subject, with wildcards, that matches each one of the pattern.
func (s subject) all() string { return s.of("*", "*") }

// covers reports whether the stream's subject wide, with its wildcards, takes all of narrow.
func covers(wide, narrow string) bool {
	w, n := strings.Split(wide, "."), strings.Split(narrow, ".")
	for i, t := range w {
		switch {
		case t == ">":
			return len(n) > i
		case i >= len(n) || t != "*" && t != n[i]:
			return false
		}
	}
	return len(w) == len(n)
}

// token returns text as one token of a subject: letters, digits and - stay, a dot becomes _, and
// any other byte %XX, as in www_example_com for www.example.com. Different texts give different
// tokens, and none gives a lone _ or an empty token.
func token(text string) string {
	switch text {
	case "":
		return "%"
	case ".":
		return "%2E"
	}
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
			b.WriteByte(c)
		case c == '.':
			b.WriteByte('_')
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
