package configs

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// reference matches ${NAME} and $${NAME}, and what merely begins like them.
var reference = regexp.MustCompile(`\$?\$\{(?:([A-Za-z_][A-Za-z0-9_]*)\})?`)

// expand replaces each ${NAME} in s by env(NAME) and each $${NAME} by ${NAME}.
// It stops early when the result is longer than maxText.
func expand(s string, env func(string) (string, bool)) (string, error) {
	var out strings.Builder
	var unset []string
	end := 0
	for _, at := range reference.FindAllStringSubmatchIndex(s, -1) {
		out.WriteString(s[end:at[0]])
		end = at[1]
		found := s[at[0]:at[1]]
		switch {
		case strings.HasPrefix(found, "$$"):
			out.WriteString(found[1:])
		case at[2] < 0:
			return "", errors.New("a ${ is not followed by NAME}")
		default:
			value, ok := env(s[at[2]:at[3]])
			if !ok {
				unset = append(unset, found)
			}
			out.WriteString(value)
		}
		if out.Len() > maxText {
			return out.String(), nil
		}
	}
	if len(unset) > 0 {
		return "", fmt.Errorf("the environment lacks %s", strings.Join(unset, ", "))
	}
	return out.String() + s[end:], nil
}
