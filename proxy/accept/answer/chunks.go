package answer

import (
	"net/http"
	"strconv"
	"strings"
)

const (
	// chunked ends a header whose body comes in chunks.
	chunked = "Transfer-Encoding: chunked\r\n\r\n"

	// gap keeps room in what is held for either end of the header: with a
	// length, or with the size of the first chunk.
	gap = chunked + "7fffffff\r\n"

	// maxFraming is the most that a chunk has around it, with the line end of the
	// one before.
	maxFraming = len("\r\n" + "7fffffffffffffff" + "\r\n" + "\r\n")
)

// endHeader puts text into the gap, and moves the header up to it.
func (w *Writer) endHeader(text []byte) {
	slack := len(gap) - len(text)
	copy(w.b[slack:], w.b[:w.end])
	copy(w.b[slack+w.end:], text)
	w.b = w.b[slack:]
}

// useLength decides that what is held is the whole body. The answer to HEAD says
// nothing of the length where nobody has.
func (w *Writer) useLength() {
	var room [len(gap)]byte
	text := room[:0]
	if w.length > 0 || !w.head {
		text = appendLength(text, w.length)
	}
	w.endHeader(append(text, "\r\n"...))
	w.framing, w.length = byLength, 0
}

// useChunks decides that the body, of which w.length bytes have come, is not over.
// They are the first chunk, even if not all of them are held.
func (w *Writer) useChunks() {
	var room [len(gap)]byte
	text := append(room[:0], "\r\n"...)
	if !w.head {
		text = append(room[:0], chunked...)
		if w.length > 0 {
			text = appendSize(text, w.length)
			w.owed = true
		}
	}
	w.endHeader(text)
	w.framing = byChunks
}

func appendSize(b []byte, n int64) []byte { return append(strconv.AppendInt(b, n, 16), "\r\n"...) }

// addChunk holds p as a chunk, or writes it.
func (w *Writer) addChunk(p []byte) {
	holds := w.fits(len(p)+maxFraming) && !w.alone(p)
	if w.owed {
		w.b, w.owed = append(w.b, "\r\n"...), false
	}
	w.b = appendSize(w.b, int64(len(p)))
	if holds {
		w.b = append(append(w.b, p...), "\r\n"...)
		return
	}
	w.out(w.b, p)
	w.owed = true
}

// endChunks holds the last chunk and the trailer section.
func (w *Writer) endChunks() {
	w.fits(0)
	if w.owed {
		w.b, w.owed = append(w.b, "\r\n"...), false
	}
	w.b = append(w.b, "0\r\n"...)
	w.b = appendFields(w.b, w.trailer(), func(string) bool { return false })
	w.b = append(w.b, "\r\n"...)
}

// trails reports whether fields follow the body, announced or not.
func (w *Writer) trails() bool {
	if len(w.trailers) > 0 {
		return true
	}
	for name := range w.Header() {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

// trailer returns the fields that follow the body.
func (w *Writer) trailer() http.Header {
	if !w.trails() {
		return nil
	}
	t := make(http.Header)
	for _, name := range w.trailers {
		if values, ok := w.Header()[name]; ok {
			t[name] = values
		}
	}
	for name, values := range w.Header() {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			t[name] = values
		}
	}
	return t
}
