package inject

// A scanner finds the place where markup becomes the first element child of
// <head>, one decoded character at a time (HTML Standard 13.2.5 and 13.2.6.4.1
// to .4). It knows ASCII only: every other character arrives as a byte ≥ 0x80.
//
// It looks at each character once and never back, so the verdict on a page does
// not depend on how the network cut it. Everything before mark lies before the
// place for certain; the caller may let go of it.
type scanner struct {
	state state
	mark  int64 // nothing before this offset matters any more

	placed bool   // point is known; what is left to see is whether our markup is there already
	point  int64  // where the markup goes
	reason string // why the page is left alone, once decided; "" to insert at point

	html bool // the page has shown itself to be HTML: by DOCTYPE, or by a tag that starts a document
	xml  bool // it has an XML declaration, and nothing of HTML so far
	any  bool // it has a token besides whitespace and text

	word     word // name of the tag, attribute, DOCTYPE or reference being read
	tag      tag  // the start tag whose attributes are being read
	number   int  // value of the character reference being read, capped
	probed   int  // characters of leading text searched for a tag
	previous byte // in leading text, the character before
}

// tag says what the attributes and the end of a tag mean to the scanner.
type tag uint8

const (
	tagSkipped tag = iota // an end tag that is ignored before the head
	tagHTML
	tagHead
	tagScript
)

// maxProbe bounds the leading text that is searched for a first tag, in characters.
const maxProbe = 1024

func (s *scanner) decided() bool { return s.state == stateDecided }

// leave decides that the page is left alone.
func (s *scanner) leave(reason string) { s.reason, s.point, s.state = reason, 0, stateDecided }

// insert decides on the place.
func (s *scanner) insert(at int64) {
	s.point, s.placed, s.state = at, true, stateDecided
}

// insertUnlessOurs fixes the place, but leaves the page undecided until the
// element that follows has shown whether it is our own.
func (s *scanner) insertUnlessOurs(at int64) {
	s.point, s.mark, s.placed = at, at, true
}

// skipped ends, at offset to, a token that has no effect before the head.
func (s *scanner) skipped(to int64) {
	if s.placed {
		s.state = stateDecided
		return
	}
	s.any, s.state, s.mark = true, stateData, to
}

// startTag decides on a start tag by its name, and reports whether its
// attributes matter.
func (s *scanner) startTag() bool {
	switch {
	case s.word.is("script"):
		s.tag = tagScript
		if !s.placed && s.isDocument() {
			s.insertUnlessOurs(s.mark)
		}
	case s.placed:
		s.state = stateDecided
	case s.word.is("html"):
		s.tag, s.html = tagHTML, true
	case s.word.is("head"):
		s.tag, s.html = tagHead, true
	case s.isDocument():
		s.insert(s.mark)
	}
	return !s.decided()
}

// endTag does the same for an end tag: all but four are ignored before the head.
func (s *scanner) endTag() bool {
	s.tag = tagSkipped
	if s.word.is("head") || s.word.is("body") || s.word.is("html") || s.word.is("br") {
		s.insert(s.mark)
	}
	return !s.decided()
}

// isDocument reports whether a page whose first tag is the one just named is a
// whole document, and leaves the page alone otherwise: what starts with a table
// row is a fragment, what starts with an element unknown to HTML is XML.
func (s *scanner) isDocument() bool {
	s.html = s.html || !s.xml && s.word.startsDocument() || s.word.is("body")
	if !s.html {
		s.leave("not-a-document")
	}
	return s.html
}

// hasMarkup reports whether the page has begun as HTML does, so that text is its
// first content.
func (s *scanner) hasMarkup() bool { return s.html || s.any && !s.xml }

// attributeNamed takes the name of an attribute of the tag being read.
func (s *scanner) attributeNamed() {
	switch {
	case s.tag == tagScript && s.word.is(markerAttribute):
		s.leave("already")
	case s.tag == tagHTML && s.word.isAMP():
		s.leave("amp")
	}
}

// tagEnd takes the ">" of a tag, which ends at offset to.
func (s *scanner) tagEnd(to int64) {
	switch {
	case s.decided():
	case s.tag == tagHead:
		s.insertUnlessOurs(to)
		s.state = stateData
	default:
		s.skipped(to)
	}
}

// textStart takes the first character of text; NUL is one, though Chromium drops
// it. In a document the place is before it. Elsewhere it may be JSON, a script or
// a font that is mislabelled, or a page with something left over in front.
func (s *scanner) textStart(c byte) {
	switch {
	case s.hasMarkup():
		s.insert(s.mark)
	case s.xml || c == '{' || c == '[' || c == '"':
		s.leave("not-a-document")
	default:
		s.text(c)
	}
}

// textRun takes a first character of text and the one after it.
func (s *scanner) textRun(first, c byte) {
	s.textStart(first)
	switch s.state {
	case stateText:
		s.text(c)
	case stateTextTagOpen:
		s.textTagOpen(c)
	}
}

// text searches leading text for a first tag.
func (s *scanner) text(c byte) {
	s.probed++
	switch {
	case isBinary(c) || s.probed > maxProbe:
		s.leave("not-a-document")
	case c == '<':
		s.state = stateTextTagOpen
	default:
		s.state, s.previous = stateText, c
	}
}

// textTagOpen takes the character after a "<" in leading text.
func (s *scanner) textTagOpen(c byte) {
	switch {
	case s.previous == '"' || s.previous == '\'' || s.previous == '`':
		s.leave("not-a-document") // a tag in a string: this is a script
	case c == '!' || c == '/':
		s.insert(s.mark)
	case isLetter(c):
		s.word.start(c)
		s.state = stateTextTagName
	default:
		s.text(c)
	}
}

func (s *scanner) textTagName(c byte) {
	switch {
	case !isSpace(c) && c != '/' && c != '>':
		s.word.add(c)
	case s.word.is("html") || s.word.is("head") || s.word.is("body") || s.word.startsDocument():
		s.insert(s.mark)
	default:
		s.text(c)
	}
}

// giveUp decides on a page whose place would take too long to find.
func (s *scanner) giveUp() {
	switch {
	case s.decided():
	case s.placed:
		s.state = stateDecided
	default:
		s.leave("not-a-document")
	}
}

// finish takes the end of the page at offset end. An unfinished tag has no
// effect, so the place is before it; an unfinished comment, DOCTYPE or
// processing instruction would swallow the markup.
func (s *scanner) finish(end int64) {
	if s.state == stateDecimalReference || s.state == stateHexReference {
		s.referenceEnd(end)
	}
	switch {
	case s.decided():
	case s.placed:
		s.state = stateDecided
	case !s.any && s.state == stateData:
		s.leave("empty")
	case s.state.swallows(), s.state.inText(), !s.hasMarkup() && (s.xml || !s.state.inTag()):
		s.leave("not-a-document")
	case s.state == stateData:
		s.insert(end)
	default:
		s.insert(s.mark)
	}
}
