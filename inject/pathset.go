package inject

import (
	"regexp"
	"strings"
)

// A pathSet matches paths against patterns: "*" stands for anything within one
// segment, "**" for anything at all. It takes time linear in the path.
type pathSet struct {
	re *regexp.Regexp // nil matches nothing
}

func newPathSet(patterns []string) pathSet {
	if len(patterns) == 0 {
		return pathSet{}
	}
	var alternatives []string
	for _, pattern := range patterns {
		quoted := regexp.QuoteMeta(pattern)
		quoted = strings.ReplaceAll(quoted, `\*\*`, `(?s:.*)`)
		alternatives = append(alternatives, strings.ReplaceAll(quoted, `\*`, `[^/]*`))
	}
	return pathSet{regexp.MustCompile(`^(?:` + strings.Join(alternatives, "|") + `)$`)}
}

func (set pathSet) contains(path string) bool { return set.re != nil && set.re.MatchString(path) }
