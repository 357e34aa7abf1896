// Package deflate puts bytes into a compressed text without compressing it again.
//
// A [Reader] decodes the start of a gzip, zlib or bare DEFLATE stream (RFC 1952, 1950, 1951) until a [Placer] has found
// the offset k at which the markup belongs. The stream it returns decodes to the text up to k, the markup, and the rest
// of the text, and is made of the bits of the original:
//
//   - up to k the bits are copied, the block is ended, and the markup follows in a block with the fixed codes, or in
//     blocks that were compressed beforehand (see [Pack]);
//   - the header of the block that was ended is repeated, and the bits are copied on. Only a match that reaches back
//     across k is written anew, with its distance longer by the markup: in two where its source lies on both sides, as
//     literals where the distance is too long or has no code in the block, or in a short block with the fixed codes;
//   - 32 KiB after k nothing reaches back across it. Empty blocks bring the output to the bit position of the original,
//     and from there on its bytes are passed on, neither decoded nor checked. Only zlib is decoded to its end, because
//     an Adler-32 cannot be mended without the length of the text, which a gzip trailer has.
//
// The output depends on the stream, the markup and k, not on how the source is cut or when the placer decides; but where a
// flush stands right at k, the markup is behind it if the placer had not decided when it came.
//
// # Streaming
//
// Before k is known, what lies before it for certain is returned at the sync flushes of the source. After that, what the source has delivered is returned at once, except for what
// cannot be: the symbol that is cut off, and bits that do not fill a byte; with gzip, past k + 32 KiB, the last eight
// bytes, which may be the trailer. A sync flush (an empty stored block, which ends on a byte) always goes out whole.
//
// # When something is wrong
//
// Where the placer declines, 64 KiB of text or 128 KiB of the stream do not bring it to a decision, or the stream turns
// out to be broken before, the stream is returned byte for byte. If it turns out to be broken after k, a reserved block
// type makes the output fail at the same place of the text. If it ends too early, so does the output. An error of the
// source is returned after everything that was read before it.
//
// What follows a trailer, such as a second gzip member, is passed on. But past k + 32 KiB the trailer is not recognized:
// the last eight bytes of the source are taken for it. If they give a length that the text cannot have, they are left as
// they are. So if anything follows the first member of a longer page, its checksum is wrong in the output. Browsers show
// the page all the same: they neither check it nor read on after the first member. The same holds for texts of 4 GiB and
// more, whose length a trailer does not tell.
package deflate

import (
	"errors"
	"fmt"
	"io"
)

const (
	maxText   = 64 << 10  // decoded bytes shown to the placer
	maxHeld   = 128 << 10 // bytes of the source held until it has decided; as many may have been released
	chunk     = 8 << 10   // first read
	highWater = 32 << 10  // of output; more waits until that is read
)

// Verdict tells what becomes of a stream.
type Verdict int

const (
	Undecided Verdict = iota // nothing is known yet
	Insert                   // the markup is inserted
	Decline                  // the placer leaves the text alone
	TooLong                  // the placer did not decide in time; a Reader's verdict only
	Broken                   // the stream cannot be decoded up to a decision; a Reader's verdict only
)

func (v Verdict) String() string {
	return [...]string{"undecided", "insert", "decline", "too long", "broken"}[v]
}

// A Placer finds the place for the markup.
type Placer interface {
	// Feed is given the decoded text in order, each byte once, cut anywhere. It may not keep text. end says that
	// this is the end of it, which may come with no text. No text without end says that the source has not delivered
	// more so far.
	//
	// It answers Insert and the offset from the start of the whole text, at most what it has been given; or Decline;
	// or Undecided, to be given more, and an offset that the place cannot lie before. At the end, Undecided means
	// Decline. Feed is not called after another answer than Undecided.
	Feed(text []byte, end bool) (k int64, v Verdict)
}

type phase int

const (
	framing   phase = iota // reading the header
	searching              // decoding for the placer
	splicing               // decoding after the markup
	trailing               // reading the trailer after the last block
	passing                // passing bytes on
)

var errTruncated = errors.New("ends too early")

// Reader returns a compressed stream with markup inserted. A zero Reader is ready for Reset, and one that has been used
// is too, which saves its buffers. It reads its source only when it has nothing to return.
type Reader struct {
	src    io.Reader
	format Format
	markup []byte
	packed *Packed // the same; or nil
	placer Placer

	phase   phase
	verdict Verdict
	damage  error
	end     error // of src
	err     error // for Read

	frame frame
	s     source
	mark  int      // bits of s.in that are in the output or dropped from it
	idle  bool     // s.in gives no output before more is read
	hold  int      // while passing: the bytes at the end of s.in that may be the trailer
	tail  int64    // bytes read from the switch to passing on
	start struct { // of what is left of the stream: where a block starts, what lies before it being returned
		bit int // of s.in
		pos int64
	}
	safe     int64  // the place does not lie before this
	released int    // bytes of the source returned before the decision
	text     []byte // decoded: up to the placer's decision, and as far after k as a match that starts before it can reach
	fed      int    // bytes of it that the placer has seen

	k     int64
	limit int64 // offset in the text from which nothing reaches back across k
	w     writer
	sent  int // bytes of w.buf already returned
	open  openBlock
}

// Reset prepares r to return src with markup inserted. Both it and placer belong to r until Read has returned an error.
func (r *Reader) Reset(src io.Reader, format Format, markup []byte, placer Placer) {
	r.s.reset()
	r.w = writer{buf: r.w.buf[:0]}
	r.src, r.format, r.markup, r.packed, r.placer = src, format, markup, nil, placer
	r.phase, r.verdict, r.damage, r.end, r.err = framing, Undecided, nil, nil, nil
	r.frame = frame{}
	r.mark, r.idle, r.hold, r.tail = 0, true, 0, 0
	r.start.bit, r.start.pos, r.safe, r.released = 0, 0, 0, 0
	r.text, r.fed = r.text[:0], 0
	r.sent, r.open = 0, noBlock
}

// SetMarkup sets the markup anew, which a placer may do before it answers Insert.
func (r *Reader) SetMarkup(markup []byte) { r.markup, r.packed = markup, nil }

// SetPacked does the same with markup that has been packed.
func (r *Reader) SetPacked(p *Packed) { r.markup, r.packed = p.text, p }

// Read implements io.Reader. It returns what a single read of the source has made possible.
func (r *Reader) Read(p []byte) (int, error) {
	for len(p) > 0 {
		switch {
		case r.sent < len(r.w.buf):
			n := copy(p, r.w.buf[r.sent:])
			r.sent += n
			return n, nil
		case r.err != nil:
			return 0, r.err
		case r.phase == passing && r.idle && r.end == nil && len(p) > r.hold:
			if n := r.direct(p); n > 0 {
				return n, nil
			}
		default:
			r.w.buf, r.sent = r.w.buf[:0], 0
			r.advance()
		}
	}
	return 0, nil
}

// Decide reads the source until the verdict is known, and returns it. What it read is kept for Read.
func (r *Reader) Decide() Verdict {
	for r.verdict == Undecided && r.err == nil {
		r.advance()
	}
	return r.verdict
}

// Step reads the source once and keeps what comes of it for Read. It reports whether it can be called again: not where
// the source has ended, or what is kept must be read first.
func (r *Reader) Step() bool {
	if r.end == nil && r.idle {
		r.advance()
	}
	return r.end == nil && r.idle
}

// Kept reports whether Read has something to give without reading the source.
func (r *Reader) Kept() bool { return r.sent < len(r.w.buf) || r.err != nil }

// Verdict returns what is known so far.
func (r *Reader) Verdict() Verdict { return r.verdict }

// Damage returns what is wrong with the compressed stream, or nil if nothing was found in what has been decoded.
func (r *Reader) Damage() error { return r.damage }

// advance works off what has been read, or else reads on.
func (r *Reader) advance() {
	switch {
	case !r.idle:
	case r.end != nil:
		r.finish()
	default:
		r.fill()
	}
	r.idle = r.work()
}

// work turns what has been read into output, and reports whether there is nothing more to turn.
func (r *Reader) work() (idle bool) {
	for len(r.w.buf) < highWater {
		switch err := r.step(); {
		case err == nil:
		case err != errStarved:
			r.fail(err)
		case r.phase <= searching && len(r.s.in) >= maxHeld:
			r.leave(TooLong)
		default:
			return true
		}
	}
	return false
}

func (r *Reader) step() error {
	switch r.phase {
	case framing:
		err := r.frame.read(r.format, r.s.in)
		if err == nil {
			r.s.bit, r.phase = r.frame.header*8, searching
			r.start.bit = r.s.bit
		}
		return err
	case searching:
		return r.search()
	case splicing:
		return r.splice()
	case trailing:
		return r.endTrailer()
	}
	return r.pass()
}

// leave passes on the whole stream as it came.
func (r *Reader) leave(v Verdict) {
	r.verdict, r.phase = v, passing
}

// fail handles a stream that breaks the rules of its format.
func (r *Reader) fail(err error) {
	r.damage = fmt.Errorf("compressed stream broken after %d bytes of text: %w", r.s.pos, err)
	if r.phase == splicing {
		r.poison()
		return
	}
	r.leave(Broken)
}

// finish handles the end of the source, when all of it that could be decoded has been.
func (r *Reader) finish() {
	if r.phase != passing {
		r.damage = fmt.Errorf("compressed stream of %d bytes of text: %w", r.s.pos, errTruncated)
	}
	switch {
	case r.phase <= searching:
		r.leave(Broken)
	case r.phase == splicing:
		r.cut()
	case r.phase == trailing:
		r.passFrom(r.s.bit >> 3)
	case r.hold > 0:
		r.endTail()
	default:
		r.err = r.end
		r.src, r.placer, r.markup, r.packed = nil, nil, nil, nil
	}
}

// fill reads the source once, into s.in.
func (r *Reader) fill() {
	r.s.drop(r.mark >> 3)
	r.mark &= 7
	in := r.s.in
	if len(in) == cap(in) {
		in = append(make([]byte, 0, max(chunk, 2*len(in))), in...)
	}
	r.s.in = in[:len(in)+r.read(in[len(in):cap(in)])]
}

// read reads the source once, or again if that gave nothing. It leaves an error in r.end.
func (r *Reader) read(p []byte) int {
	const maxEmpty = 100
	for range maxEmpty {
		n, err := r.src.Read(p)
		r.tail += int64(n)
		if n > 0 || err != nil {
			r.end = err
			return n
		}
	}
	r.end = io.ErrNoProgress
	return 0
}
