package collector

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// lax reads JSON whose syntax is all that matters yet. An escaped lone surrogate becomes U+FFFD: a
// script that cuts a title in the middle of an emoji sends one, and that is no reason to lose
// events. Raw bytes that are not UTF-8 have been refused before.
var lax = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// strict reads one event: of a name that comes twice nobody can say which value was meant.
var strict = jsontext.AllowInvalidUTF8(true)

// nameOf returns the text of the quoted name of a member.
func nameOf(quoted jsontext.Value) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	name, _ := jsontext.AppendUnquote(nil, quoted) // an error is a surrogate that was replaced
	return name
}

// isTexts reports whether v is an array of strings.
func isTexts(v jsontext.Value) bool {
	for item := range elements(v) {
		if item.Kind() != '"' {
			return false
		}
	}
	return v.Kind() == '['
}

// label returns the text of v if it can name something: not empty, at most limit bytes, no control
// characters, and no U+FFFD, which may stand for different things.
func label(v jsontext.Value, limit int) (s string, ok bool) {
	s, ok = text(v, len(v)) // whole: cut, two labels could become one
	if !ok || s == "" || len(s) > limit || strings.ContainsFunc(s, unfit) {
		return "", false
	}
	return s, true
}

func unfit(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }

// text returns the JSON string v, cut to limit bytes at a character, with NUL replaced: PostgreSQL
// and C programs cannot hold it. It reports false if v is there and is no string.
func text(v jsontext.Value, limit int) (s string, ok bool) {
	if v.Kind() != '"' {
		return "", v == nil
	}
	if len(v)-2 <= limit && bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1]), true // as it is written; a NUL would be escaped
	}
	b, _ := jsontext.AppendUnquote(nil, v) // an error is a surrogate that was replaced
	if bytes.IndexByte(b, 0) >= 0 {
		b = bytes.ReplaceAll(b, []byte{0}, []byte("\uFFFD"))
	}
	if len(b) > limit {
		b = bytes.ToValidUTF8(b[:limit], nil)
	}
	return string(b), true
}

// integer returns the JSON number v, rounded down; 0 if it is missing. It reports false if v is
// there and is not a number from 0 to limit.
func integer(v jsontext.Value, limit int64) (n int64, ok bool) {
	if v.Kind() != '0' {
		return 0, v == nil
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f < 0 || f > float64(limit) {
		return 0, false
	}
	return int64(f), true
}

// compact returns a copy of v without white space and with its strings in their shortest form.
// Numbers stay as they were written: 1e999 is for the reader to judge.
func compact(v jsontext.Value) jsontext.Value {
	if isCompact(v) {
		return bytes.Clone(v)
	}
	out, err := jsontext.AppendFormat(make([]byte, 0, len(v)), v, lax)
	if err != nil {
		panic(err) // v has been parsed
	}
	return out
}

// isCompact reports whether the valid JSON v has nothing to leave out. It may err towards false.
func isCompact(v jsontext.Value) bool {
	quoted := false
	for _, c := range v {
		switch {
		case c == '\\':
			return false
		case c == '"':
			quoted = !quoted
		case c <= ' ' && !quoted:
			return false
		}
	}
	return true
}

// depth returns how deeply objects and arrays nest in the valid JSON v.
func depth(v jsontext.Value) int {
	level, deepest := 0, 0
	quoted := false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}
