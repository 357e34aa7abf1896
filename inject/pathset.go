package inject

import (
	"regexp"
	"slices"
	"strings"
)

// A pathSet matches paths against patterns: "*" stands for anything within one
// segment, "**" for anything at all. It takes time linear in the path.
type pathSet struct {
	globs []glob
	re    *regexp.Regexp // of the patterns that are no glob; nil for none
}

// A glob is a pattern with at most one wildcard. Nearly all are, and need no
// regular expression.
type glob struct {
	before, after string // the wildcard
	wildcard      string // "", "*" or "**"
}

func newPathSet(patterns []string) (set pathSet) {
	var alternatives []string
	for _, pattern := range patterns {
		if g, ok := newGlob(pattern); ok {
			set.globs = append(set.globs, g)
			continue
		}
		quoted := regexp.QuoteMeta(pattern)
		quoted = strings.ReplaceAll(quoted, `\*\*`, `(?s:.*)`)
		alternatives = append(alternatives, strings.ReplaceAll(quoted, `\*`, `[^/]*`))
	}
	if len(alternatives) > 0 {
		set.re = regexp.MustCompile(`^(?:` + strings.Join(alternatives, "|") + `)$`)
	}
	return set
}

// newGlob reports whether pattern is a glob, and returns it.
func newGlob(pattern string) (glob, bool) {
	for _, wildcard := range []string{"**", "*"} {
		if before, after, found := strings.Cut(pattern, wildcard); found {
			return glob{before, after, wildcard}, !strings.Contains(before+after, "*")
		}
	}
	return glob{before: pattern}, true
}

func (g glob) matches(path string) bool {
	switch {
	case g.wildcard == "":
		return path == g.before
	case len(path) < len(g.before)+len(g.after), !strings.HasPrefix(path, g.before), !strings.HasSuffix(path, g.after):
		return false
	}
	return g.wildcard == "**" || strings.IndexByte(path[len(g.before):len(path)-len(g.after)], '/') < 0
}

func (set pathSet) contains(path string) bool {
	return slices.ContainsFunc(set.globs, func(g glob) bool { return g.matches(path) }) ||
		set.re != nil && set.re.MatchString(path)
}
