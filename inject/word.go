package inject

import (
	"bytes"
	"slices"
)

// A word is a short ASCII name in lower case. One that is longer than any name
// that matters keeps its length only.
type word struct {
	buf [16]byte
	n   int
}

func (w *word) clear()       { w.n = 0 }
func (w *word) empty() bool  { return w.n == 0 }
func (w *word) start(c byte) { w.n = 0; w.add(c) }
func (w *word) add(c byte)   { w.addExact(lower(c)) }
func (w *word) addExact(c byte) {
	if w.n < len(w.buf) {
		w.buf[w.n] = c
	}
	w.n++
}

func (w *word) is(name string) bool { return w.n == len(name) && string(w.buf[:w.n]) == name }

func (w *word) begins(name string) bool {
	return w.n <= len(name) && string(w.buf[:w.n]) == name[:w.n]
}

// isAMP reports whether an attribute of <html> marks an AMP document
// (AMP HTML specification, "AMP HTML format": amp, amp4ads, amp4email, or ⚡ for amp).
func (w *word) isAMP() bool {
	return slices.ContainsFunc(ampMarks, w.is)
}

var ampMarks = []string{
	"amp", "amp4ads", "amp4email",
	"\u26a1", "\u26a14ads", "\u26a14email",
	"\u26a1\ufe0f", "\u26a1\ufe0f4ads", "\u26a1\ufe0f4email",
}

// startsDocument reports whether a document that omits <html> and <head> can
// start with this element: any element of HTML but parts of a table, and any
// custom element.
func (w *word) startsDocument() bool {
	if w.n > len(w.buf) {
		return bytes.IndexByte(w.buf[:], '-') > 0
	}
	return documentStarts[string(w.buf[:w.n])] || bytes.IndexByte(w.buf[:w.n], '-') > 0
}

var documentStarts = wordSet(`
	a abbr acronym address applet area article aside audio b base basefont bdi bdo bgsound big blink blockquote body br
	button canvas center cite code data datalist dd del details dfn dialog dir div dl dt em embed fieldset figcaption
	figure font footer form frame frameset h1 h2 h3 h4 h5 h6 header hgroup hr i iframe image img input ins isindex kbd keygen
	label legend li link listing main map mark marquee math menu menuitem meta meter nav nobr noembed noframes noscript
	object ol optgroup option output p param picture plaintext portal pre progress q rb rp rt rtc ruby s samp script
	search section select slot small source span strike strong style sub summary sup svg table template textarea time
	title track tt u ul var video wbr xmp`)
