package inject

// state is a tokenizer state of the HTML Standard 13.2.5, by its name there. One
// state stands for several of the standard where the scanner need not tell them
// apart: the inside of a DOCTYPE, and "<!--" inside a comment.
type state uint8

const (
	stateData state = iota
	stateTagOpen
	stateEndTagOpen
	stateTagName
	stateEndTagName
	stateBeforeAttributeName
	stateAttributeName
	stateAfterAttributeName
	stateBeforeAttributeValue
	stateDoubleQuotedValue
	stateSingleQuotedValue
	stateUnquotedValue
	stateAfterQuotedValue
	stateSelfClosing
	stateCharacterReference
	stateNamedReference
	stateNumericReference
	stateHexReferenceStart
	stateDecimalReference
	stateHexReference
	stateText // leading text of a page that has not shown itself to be HTML
	stateTextTagOpen
	stateTextTagName
	stateDecided

	stateMarkupDeclaration // from here on, the end of the page turns what follows into part of the token
	stateCommentDash
	stateCommentStart
	stateCommentStartDash
	stateComment
	stateCommentEndDash
	stateCommentEnd
	stateCommentEndBang
	stateDoctypeKeyword
	stateDoctypeName
	stateDoctype
	stateInstruction // "<?": a bogus comment to HTML
	stateBogusComment
)

func (s state) inTag() bool    { return stateTagName <= s && s <= stateSelfClosing }
func (s state) inText() bool   { return stateText <= s && s <= stateTextTagName }
func (s state) swallows() bool { return s >= stateMarkupDeclaration }

// step takes the next character, which lies at the offsets [from, to) of the page.
func (s *scanner) step(c byte, from, to int64) {
	switch s.state {
	case stateData:
		s.data(c, from, to)
	case stateTagOpen:
		s.tagOpen(c)
	case stateEndTagOpen:
		s.endTagOpen(c, to)
	case stateTagName, stateEndTagName:
		s.tagName(c, to)
	case stateBeforeAttributeName, stateAttributeName, stateAfterAttributeName, stateSelfClosing:
		s.attributeName(c, to)
	case stateBeforeAttributeValue, stateDoubleQuotedValue, stateSingleQuotedValue, stateUnquotedValue, stateAfterQuotedValue:
		s.attributeValue(c, to)
	case stateCharacterReference, stateNamedReference, stateNumericReference:
		s.characterReference(c, to)
	case stateHexReferenceStart, stateDecimalReference, stateHexReference:
		s.numericReference(c, from, to)
	case stateText:
		s.text(c)
	case stateTextTagOpen:
		s.textTagOpen(c)
	case stateTextTagName:
		s.textTagName(c)
	case stateMarkupDeclaration, stateCommentDash:
		s.markupDeclaration(c, to)
	case stateCommentStart, stateCommentStartDash, stateComment, stateCommentEndDash, stateCommentEnd, stateCommentEndBang:
		s.comment(c, to)
	case stateDoctypeKeyword, stateDoctypeName, stateDoctype:
		s.doctype(c, to)
	case stateInstruction:
		s.instruction(c, to)
	case stateBogusComment:
		s.bogusComment(c, to)
	}
}

func (s *scanner) data(c byte, from, to int64) {
	switch {
	case s.placed:
		s.placedData(c)
	case isSpace(c):
		s.mark = to
	case c == '<':
		s.mark, s.state = from, stateTagOpen
	case c == '&':
		s.mark, s.state = from, stateCharacterReference
	default:
		s.mark = from
		s.textStart(c)
	}
}

// placedData looks for the element after the place.
func (s *scanner) placedData(c byte) {
	switch {
	case c == '<':
		s.state = stateTagOpen
	case !isSpace(c):
		s.state = stateDecided
	}
}

func (s *scanner) tagOpen(c byte) {
	switch {
	case isLetter(c):
		s.word.start(c)
		s.state = stateTagName
	case s.placed:
		s.state = stateDecided
	case c == '/':
		s.state = stateEndTagOpen
	case c == '!':
		s.state = stateMarkupDeclaration
	case c == '?':
		s.word.clear()
		s.state = stateInstruction
	default:
		s.textRun('<', c)
	}
}

func (s *scanner) endTagOpen(c byte, to int64) {
	switch {
	case isLetter(c):
		s.word.start(c)
		s.state = stateEndTagName
	case c == '>':
		s.skipped(to)
	default:
		s.state = stateBogusComment
	}
}

func (s *scanner) tagName(c byte, to int64) {
	if !isSpace(c) && c != '/' && c != '>' {
		s.word.add(c)
		return
	}
	matters := s.startTag
	if s.state == stateEndTagName {
		matters = s.endTag
	}
	if matters() {
		s.afterAttributeName(c, to)
	}
}

func (s *scanner) attributeName(c byte, to int64) {
	switch {
	case s.state == stateAfterAttributeName:
		s.afterAttributeName(c, to)
	case s.state == stateAttributeName && c != '=' && !isSpace(c) && c != '/' && c != '>':
		s.word.add(c)
	case s.state == stateAttributeName:
		if s.attributeNamed(); !s.decided() {
			s.afterAttributeName(c, to)
		}
	case s.state == stateBeforeAttributeName && c == '=', s.state == stateSelfClosing && c == '=':
		s.word.start(c) // here it begins a name
		s.state = stateAttributeName
	default:
		s.afterAttributeName(c, to)
	}
}

// afterAttributeName also serves the states before an attribute: they differ in
// "=" alone.
func (s *scanner) afterAttributeName(c byte, to int64) {
	switch {
	case isSpace(c):
		if s.state == stateAttributeName {
			s.state = stateAfterAttributeName
		} else if s.state != stateAfterAttributeName {
			s.state = stateBeforeAttributeName
		}
	case c == '/':
		s.state = stateSelfClosing
	case c == '>':
		s.tagEnd(to)
	case c == '=':
		s.state = stateBeforeAttributeValue
	default:
		s.word.start(c)
		s.state = stateAttributeName
	}
}

func (s *scanner) attributeValue(c byte, to int64) {
	switch s.state {
	case stateBeforeAttributeValue:
		s.valueStart(c, to)
	case stateDoubleQuotedValue:
		if c == '"' {
			s.state = stateAfterQuotedValue
		}
	case stateSingleQuotedValue:
		if c == '\'' {
			s.state = stateAfterQuotedValue
		}
	case stateUnquotedValue:
		switch {
		case isSpace(c):
			s.state = stateBeforeAttributeName
		case c == '>':
			s.tagEnd(to)
		}
	case stateAfterQuotedValue:
		s.state = stateBeforeAttributeName
		s.attributeName(c, to)
	}
}

func (s *scanner) valueStart(c byte, to int64) {
	switch {
	case isSpace(c):
	case c == '"':
		s.state = stateDoubleQuotedValue
	case c == '\'':
		s.state = stateSingleQuotedValue
	case c == '>':
		s.tagEnd(to)
	default:
		s.state = stateUnquotedValue
	}
}

func (s *scanner) markupDeclaration(c byte, to int64) {
	switch {
	case s.state == stateCommentDash && c == '-':
		s.state = stateCommentStart
	case s.state == stateMarkupDeclaration && c == '-':
		s.state = stateCommentDash
	case s.state == stateMarkupDeclaration && (c == 'd' || c == 'D'):
		s.word.start(c)
		s.state = stateDoctypeKeyword
	default:
		s.bogusComment(c, to)
	}
}

func (s *scanner) bogusComment(c byte, to int64) {
	if s.state = stateBogusComment; c == '>' {
		s.skipped(to)
	}
}

func (s *scanner) comment(c byte, to int64) {
	switch {
	case c == '>' && s.state != stateComment && s.state != stateCommentEndDash:
		s.skipped(to)
	case c == '-':
		switch s.state {
		case stateCommentStart:
			s.state = stateCommentStartDash
		case stateComment, stateCommentEndBang:
			s.state = stateCommentEndDash
		default:
			s.state = stateCommentEnd
		}
	case c == '!' && s.state == stateCommentEnd:
		s.state = stateCommentEndBang
	default:
		s.state = stateComment
	}
}

// doctype skips a DOCTYPE; ">" ends it everywhere, also inside quotes. Only its
// name matters.
func (s *scanner) doctype(c byte, to int64) {
	switch {
	case s.state == stateDoctypeKeyword:
		if s.word.add(c); !s.word.begins("doctype") {
			s.bogusComment(c, to)
		} else if s.word.is("doctype") {
			s.word.clear()
			s.state = stateDoctypeName
		}
	case s.state == stateDoctypeName && isSpace(c) && s.word.empty():
	case s.state == stateDoctypeName && c != '>' && !isSpace(c):
		s.word.add(c)
	case s.state == stateDoctypeName && s.word.is("html"):
		s.html = true
		fallthrough
	default:
		if s.state = stateDoctype; c == '>' {
			s.skipped(to)
		}
	}
}

func (s *scanner) instruction(c byte, to int64) {
	s.word.add(c)
	s.xml = s.xml || s.word.is("xml") && !s.html
	if c == '>' {
		s.skipped(to)
	}
}

// characterReference tells whether a reference is whitespace, which has no
// effect before the head (13.2.5.72 to .80); all others are text.
func (s *scanner) characterReference(c byte, to int64) {
	switch {
	case s.state == stateNamedReference:
		s.namedReference(c, to)
	case s.state == stateNumericReference && (c == 'x' || c == 'X'):
		s.number, s.state = 0, stateHexReferenceStart
	case s.state == stateNumericReference && isDigit(c):
		s.number, s.state = int(c-'0'), stateDecimalReference
	case s.state == stateCharacterReference && c == '#':
		s.state = stateNumericReference
	case s.state == stateCharacterReference && (c == 'T' || c == 'N'):
		s.word.clear()
		s.state = stateNamedReference
		s.namedReference(c, to)
	default:
		s.textRun('&', c)
	}
}

func (s *scanner) namedReference(c byte, to int64) {
	s.word.addExact(c)
	switch {
	case s.word.is("Tab;") || s.word.is("NewLine;"):
		s.skipped(to)
	case !s.word.begins("Tab;") && !s.word.begins("NewLine;"):
		s.textRun('&', c)
	}
}

func (s *scanner) numericReference(c byte, from, to int64) {
	digit, ok := hexDigit(c)
	base := 16
	if s.state == stateDecimalReference {
		ok, base = isDigit(c), 10
	}
	switch {
	case ok:
		s.number = min(s.number*base+digit, 1<<20)
		if base == 16 {
			s.state = stateHexReference
		}
	case s.state == stateHexReferenceStart:
		s.textRun('&', c)
	case c == ';':
		s.referenceEnd(to)
	default:
		s.referenceEnd(from)
		s.step(c, from, to)
	}
}

func (s *scanner) referenceEnd(to int64) {
	if s.number < 0x80 && isSpace(byte(s.number)) {
		s.skipped(to)
	} else {
		s.textStart('&')
	}
}
