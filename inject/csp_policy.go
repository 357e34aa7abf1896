package inject

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// cspHeaders are the fields that hold policies, the enforced ones first.
var cspHeaders = [...]string{"Content-Security-Policy", "Content-Security-Policy-Report-Only"}

func hasPolicies(h http.Header) bool {
	return slices.ContainsFunc(cspHeaders[:], func(name string) bool { return len(h[name]) > 0 })
}

// policiesIn returns the fields of h that hold policies. It shares the lines with
// h, which [rewriteCSP] leaves as they are.
func policiesIn(h http.Header) http.Header {
	if !hasPolicies(h) {
		return nil
	}
	own := make(http.Header)
	for _, name := range cspHeaders {
		if lines, ok := h[name]; ok {
			own[name] = lines
		}
	}
	return own
}

// cspLine is one header line, a comma-separated list of policies.
type cspLine struct {
	header   string // canonical name
	index    int    // among the lines of that name
	text     string
	policies []cspPolicy // those with a directive that concerns the markup
}

func (l cspLine) enforced() bool { return l.header == cspHeaders[0] }

// cspPolicy is a serialized policy, reduced to what concerns the markup.
type cspPolicy struct {
	number       int          // in its header, from 1, over all lines
	script       cspDirective // governs script elements
	scripts      cspSources   // of script
	connect      cspDirective // governs fetch and sendBeacon
	sandbox      cspDirective
	trustedTypes bool // a script element's src takes no string
}

// cspDirective is a directive as it stands in a line; the zero value is one
// that is missing.
type cspDirective struct {
	name  string // lower-case
	value string // as written, without the space around it
	end   int    // offset in the line where the value, or a name without one, ends
}

// name says which policy p is, for people.
func (p cspPolicy) name(l cspLine) string {
	return "policy " + strconv.Itoa(p.number) + " of " + l.header
}

// forbids reports why nothing added to p makes the listener run and report, or
// "". Without allow-same-origin the page has an opaque origin: its requests
// carry "Origin: null", and nobody can tell whose they are.
func (p cspPolicy) forbids() string {
	tokens := cspFields(strings.ToLower(p.sandbox.value))
	switch {
	case p.sandbox.name == "":
		return ""
	case !slices.Contains(tokens, "allow-scripts"):
		return "sandbox without allow-scripts lets no script run"
	case !slices.Contains(tokens, "allow-same-origin"):
		return "sandbox without allow-same-origin leaves the page no origin to report from"
	}
	return ""
}

// parsePolicies returns the lines in h that concern the markup, in order, and
// the size of all lines in bytes. It parses nothing if that is over maxPolicies.
func parsePolicies(h http.Header) (lines []cspLine, size int) {
	for _, header := range cspHeaders {
		for _, text := range h[header] {
			size += len(text)
		}
	}
	if size > maxPolicies {
		return nil, size
	}
	for _, header := range cspHeaders {
		number := 0
		for i, text := range h[header] {
			l := cspLine{header: header, index: i, text: text}
			number = l.parse(number)
			if len(l.policies) > 0 {
				lines = append(lines, l)
			}
		}
	}
	return lines, size
}

// parse fills l.policies. It takes the number of policies in the lines before
// this one, and returns it with this one's added.
func (l *cspLine) parse(number int) int {
	for from := 0; from <= len(l.text); {
		number++
		end := indexFrom(l.text, from, ',')
		if p, ok := parsePolicy(l.text[:end], from); ok {
			p.number = number
			l.policies = append(l.policies, p)
		}
		from = end + 1
	}
	return number
}

// parsePolicy parses the policy in line[from:] (CSP3 2.2.1). It reports false
// for one that does not concern the markup.
func parsePolicy(line string, from int) (p cspPolicy, ok bool) {
	found := make(map[string]cspDirective)
	for from <= len(line) {
		end := indexFrom(line, from, ';')
		d := parseDirective(line[:end], from)
		if _, duplicate := found[d.name]; d.concerns() && !duplicate { // the first counts
			found[d.name] = d
		}
		from = end + 1
	}
	p.script = cmp.Or(found["script-src-elem"], found["script-src"], found["default-src"])
	p.scripts = parseSources(p.script.value)
	p.connect = cmp.Or(found["connect-src"], found["default-src"])
	p.sandbox = found["sandbox"]
	sinks := strings.ToLower(found["require-trusted-types-for"].value)
	p.trustedTypes = slices.Contains(cspFields(sinks), "'script'")
	return p, len(found) > 0
}

// parseDirective parses the directive in line[from:]. One that is not ASCII
// the standard ignores: it comes back as the zero value.
func parseDirective(line string, from int) cspDirective {
	text := strings.TrimRight(line[from:], cspSpace)
	end := from + len(text)
	text = strings.TrimLeft(text, cspSpace)
	if strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 }) {
		return cspDirective{}
	}
	name := text
	if i := strings.IndexAny(text, cspSpace); i >= 0 {
		name = text[:i]
	}
	value := strings.TrimLeft(text[len(name):], cspSpace)
	return cspDirective{strings.ToLower(name), value, end}
}

// concerns reports whether d decides about the markup.
func (d cspDirective) concerns() bool {
	switch d.name {
	case "script-src-elem", "script-src", "default-src", "connect-src", "sandbox", "require-trusted-types-for":
		return true
	}
	return false
}

// cspSpace is the ASCII whitespace of the Infra Standard. strings.Fields and
// strings.TrimSpace would take U+000B for space too.
const cspSpace = " \t\n\f\r"

func cspFields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(cspSpace, r) })
}

// indexFrom returns the offset of the first c in s from offset from on, or
// len(s).
func indexFrom(s string, from int, c byte) int {
	if i := strings.IndexByte(s[from:], c); i >= 0 {
		return from + i
	}
	return len(s)
}
