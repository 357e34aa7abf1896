package inject

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// cspWidening is what one directive of a policy must allow in addition.
type cspWidening struct {
	directive cspDirective
	narrow    string // the directive to add in place of extending default-src
	add       []cspAddition
}

// cspAddition is a source expression that a list lacks, and what lacks it. The
// source is "" if no expression would do.
type cspAddition struct{ source, use string }

// sources returns the expressions to add.
func (w cspWidening) sources() string {
	var sources []string
	for _, a := range w.add {
		if a.source != "" {
			sources = append(sources, a.source)
		}
	}
	return strings.Join(sources, " ")
}

// describe says what happens to a, for people.
func (w cspWidening) describe(a cspAddition) string {
	name := w.directive.name
	if a.source == "" {
		return fmt.Sprintf("%s blocks %s, and no source expression would allow it", name, a.use)
	}
	if name == "default-src" {
		name = "a new " + w.narrow + " (otherwise a copy of default-src)"
	}
	return fmt.Sprintf("added %s to %s, for %s", a.source, name, a.use)
}

// edit returns the edit that lets sources in.
//
// script-src, like script-src-elem and connect-src, is extended where it
// stands: every browser understands that, and the header grows by what is new.
// Beyond script elements it governs workers and, under 'unsafe-hashes', event
// handlers; so our file might now be a worker and our text a handler, on a page
// that runs both anyway. A copy of it as script-src-elem would not allow even
// this, but repeat lists of several kilobytes, and servers in front of us drop
// pages whose headers outgrow their buffers.
//
// default-src must be copied: to extend it would let our URLs in as images and
// frames, and a hash would switch off the 'unsafe-inline' of styles. The copy is
// named script-src-elem, the narrowest, and leaves workers, handlers and eval
// to default-src. Browsers that don't know it (Safari before 15.4, Firefox
// before 108) keep to default-src: our scripts are blocked there, and the page
// is as it was.
func (w cspWidening) edit(sources string) cspEdit {
	d := w.directive
	kept := d.value
	if strings.EqualFold(kept, "'none'") {
		kept = "" // it counts only while it stands alone
	}
	switch {
	case d.name == "default-src":
		return cspEdit{d.end, d.end, "; " + strings.TrimSpace(w.narrow+" "+kept) + " " + sources}
	case kept != d.value:
		return cspEdit{d.end - len(d.value), d.end, sources}
	default:
		return cspEdit{d.end, d.end, " " + sources}
	}
}

// cspEdit replaces line[from:to] with text.
type cspEdit struct {
	from, to int
	text     string
}

// applyEdits returns line with edits made. They must not overlap; those at one
// place go in in the order given.
func applyEdits(line string, edits []cspEdit) string {
	slices.SortStableFunc(edits, func(a, b cspEdit) int { return cmp.Compare(a.from, b.from) })
	var b strings.Builder
	done := 0
	for _, e := range edits {
		b.WriteString(line[done:e.from] + e.text)
		done = e.to
	}
	b.WriteString(line[done:])
	return b.String()
}
