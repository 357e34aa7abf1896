package multiplex

import (
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"ctlive/proxy/accept/fields"
)

// maxKept is how many fields a connection has room for between two requests.
const maxKept = 64

// A section is the fields of a request, or of what follows its body, RFC 9113 8.1. A
// connection reads one at a time: all sections of a connection refer to the same table,
// so each is read to its end, however little of it is wanted.
type section struct {
	decoder   *hpack.Decoder
	all       []hpack.HeaderField
	pseudo    int  // of them, the first ones
	left      int  // bytes that may follow, as RFC 9113 6.5.2 counts them
	malformed bool // RFC 9113 8.1.1; all has not the rest
	truncated bool // all has not the rest
}

func newSection(size int) *section {
	s := new(section)
	s.decoder = hpack.NewDecoder(tableSize, s.add)
	s.decoder.SetMaxStringLength(size)
	return s
}

// read reads the section that f begins, and that may be size bytes long, with all frames
// that continue it.
func (s *section) read(framer *http2.Framer, f *http2.HeadersFrame, size int) error {
	s.left = size
	s.decoder.SetEmitEnabled(true)
	part, ended := f.HeaderBlockFragment(), f.HeadersEnded()
	for {
		if _, err := s.decoder.Write(part); err != nil {
			return http2.ConnectionError(http2.ErrCodeCompression)
		}
		if ended {
			break
		}
		if s.malformed || s.truncated {
			return http2.ConnectionError(http2.ErrCodeProtocol) // it may go on like this for ever
		}
		next, err := framer.ReadFrame()
		if err != nil {
			return err
		}
		f := next.(*http2.ContinuationFrame) // the framer takes nothing else here
		part, ended = f.HeaderBlockFragment(), f.HeadersEnded()
	}
	switch {
	case s.decoder.Close() != nil:
		return http2.ConnectionError(http2.ErrCodeCompression)
	case s.malformed:
		return http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeProtocol}
	}
	return nil
}

// add is the decoder's.
func (s *section) add(f hpack.HeaderField) {
	isPseudo := strings.HasPrefix(f.Name, ":")
	size := int(f.Size())
	switch {
	case !httpguts.ValidHeaderFieldValue(f.Value), isPseudo && !s.admits(f.Name), !isPseudo && !isLower(f.Name):
		s.malformed = true
		s.decoder.SetEmitEnabled(false)
	case size > s.left:
		s.truncated = true
		s.decoder.SetEmitEnabled(false)
	default:
		s.left -= size
		s.all = append(s.all, f)
		if isPseudo {
			s.pseudo++
		}
	}
}

// admits reports whether a pseudo-header field may come now, RFC 9113 8.3.
func (s *section) admits(name string) bool {
	for _, f := range s.all {
		if f.Name == name {
			return false
		}
	}
	return s.pseudo == len(s.all)
}

// isLower reports whether name is one that a field may have, RFC 9113 8.2.1.
func isLower(name string) bool {
	for _, c := range []byte(name) {
		if c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return httpguts.ValidHeaderFieldName(name)
}

// regular returns the fields that are not about the message as a whole.
func (s *section) regular() []hpack.HeaderField { return s.all[s.pseudo:] }

// canonical returns f's name as http.Header has it.
func canonical(f hpack.HeaderField) string { return fields.Canonical(f.Name) }

// clear makes s ready for the next one.
func (s *section) clear() {
	clear(s.all)
	if s.all = s.all[:0]; cap(s.all) > maxKept {
		s.all = nil
	}
	s.pseudo, s.malformed, s.truncated = 0, false, false
}
