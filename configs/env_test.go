package configs

import "testing"

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"plain":                     "plain",
		"${ORIGIN}":                 "http://10.0.0.7:8080",
		"a${EMPTY}b${TOKEN}c":       "abs3cretc",
		"$ORIGIN $ $$ pa$$word$":    "$ORIGIN $ $$ pa$$word$",
		"$${ORIGIN}":                "${ORIGIN}",
		"$${":                       "${",
		"$$${ORIGIN}":               "$${ORIGIN}",
		"$${ORIGIN}${TOKEN}":        "${ORIGIN}s3cret",
		"{ORIGIN} $ {ORIGIN}":       "{ORIGIN} $ {ORIGIN}",
		"${TOKEN}${TOKEN}é${TOKEN}": "s3crets3cretés3cret",
	} {
		if got, err := expand(text, environment); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"${":               "a ${ is not followed by NAME}",
		"${}":              "a ${ is not followed by NAME}",
		"${1}":             "a ${ is not followed by NAME}",
		"${A-b}":           "a ${ is not followed by NAME}",
		"${A":              "a ${ is not followed by NAME}",
		"${A}${TOKEN}${B}": "the environment lacks ${A}, ${B}",
	} {
		if got, err := expand(text, environment); err == nil || err.Error() != want {
			t.Errorf("%q: got %q, %v; want %s", text, got, err, want)
		}
	}
}

// A variable's own ${…} is text: nothing is expanded twice.
func TestExpandOnce(t *testing.T) {
	got, err := expand("${A}", func(string) (string, bool) { return "${A}$${B}", true })
	if err != nil || got != "${A}$${B}" {
		t.Errorf("got %q, %v", got, err)
	}
}
