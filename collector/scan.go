package collector

import (
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// members yields the members of the valid JSON object v, their names as they are written, in
// quotes. Names and values are parts of v. Where v is no object there are none.
func members(v jsontext.Value) iter.Seq2[jsontext.Value, jsontext.Value] {
	return func(yield func(name, value jsontext.Value) bool) {
		i := space(v, 0)
		if i == len(v) || v[i] != '{' {
			return
		}
		for i = space(v, i+1); v[i] != '}'; {
			name := i
			i = after(v, i)
			nameEnd := i
			i = space(v, space(v, i)+1) // past the colon
			value := i
			i = after(v, i)
			if !yield(v[name:nameEnd:nameEnd], v[value:i:i]) {
				return
			}
			if i = space(v, i); v[i] == ',' {
				i = space(v, i+1)
			}
		}
	}
}

// elements yields the elements of the valid JSON array v, as parts of it. Where v is no array there
// are none.
func elements(v jsontext.Value) iter.Seq[jsontext.Value] {
	return func(yield func(jsontext.Value) bool) {
		i := space(v, 0)
		if i == len(v) || v[i] != '[' {
			return
		}
		for i = space(v, i+1); v[i] != ']'; {
			start := i
			i = after(v, i)
			if !yield(v[start:i:i]) {
				return
			}
			if i = space(v, i); v[i] == ',' {
				i = space(v, i+1)
			}
		}
	}
}

// space returns the index of the first byte of v from i on that is no white space.
func space(v []byte, i int) int {
	for i < len(v) && (v[i] == ' ' || v[i] == '\n' || v[i] == '\t' || v[i] == '\r') {
		i++
	}
	return i
}

// after returns the index behind the value that begins at v[i]; v is valid JSON.
func after(v []byte, i int) int {
	switch v[i] {
	case '"':
		return afterText(v, i)
	case '{', '[':
		return afterNest(v, i)
	}
	for i++; i < len(v); i++ {
		switch v[i] {
		case ',', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return i
}

func afterText(v []byte, i int) int {
	for i++; v[i] != '"'; i++ {
		if v[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func afterNest(v []byte, i int) int {
	for level := 0; ; {
		switch v[i] {
		case '"':
			i = afterText(v, i)
			continue
		case '{', '[':
			level++
		case '}', ']':
			level--
		}
		if i++; level == 0 {
			return i
		}
	}
}
