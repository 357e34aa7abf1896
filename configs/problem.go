package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one mistake in a configuration.
type Problem struct {
	File         string // as given to Load or Parse; empty for a command line
	Line, Column int    // from 1, columns in characters
	Key          string // path such as sites[0].to[1], or the flag; empty for the file itself
	Message      string // what is wrong
	Fix          string // what to write instead
}

// String returns "file:line:column: key: message; fix", without the parts that
// do not apply.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message + "; " + p.Fix)
	return b.String()
}

// Problem returns a problem with the value of key, or with its absence, at its
// place in c.
func (c *Config) Problem(key, message, fix string) Problem {
	line, column := place(c.marks, key)
	return Problem{c.file, line, column, key, message, fix}
}

// Problems is everything wrong with a configuration, in the order of the file.
type Problems []Problem

// Error returns one problem per line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sorted returns ps in the order of the file. A mistake that was reached more
// than once, through aliases, is kept once.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, compare)
	return slices.CompactFunc(ps, func(a, b Problem) bool { return a.Line > 0 && compare(a, b) == 0 })
}

// compare orders problems by what they are: where, which key of its group, what.
func compare(a, b Problem) int {
	return cmp.Or(
		cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
		strings.Compare(strings.TrimPrefix(a.Key, parent(a.Key)), strings.TrimPrefix(b.Key, parent(b.Key))),
		strings.Compare(a.Message, b.Message))
}

// quote returns s for a message: one line, not too long.
func quote(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}

// or joins two words or more for a person: "a, b or c".
func or(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// closest returns the name that word was probably meant to be, or "".
func closest(word string, names []string) string {
	best, least := "", max(1, min(len(word)/3, 3))+1
	for _, name := range names {
		if len(word) >= len(name)+least {
			continue // also keeps a key of a megabyte from costing anything
		}
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance returns how many bytes to insert, delete, replace or swap with their
// neighbour turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
