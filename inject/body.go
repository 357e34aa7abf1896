package inject

import (
	"io"
	"net/http"
	"sync"
	"time"

	"ctlive/inject/deflate"
)

// body is the body of a page that is looked into: the page, less what peek has
// read ahead of the caller.
type body struct {
	src     io.ReadCloser  // from the origin
	res     *http.Response // whose trailers come at the end of src
	markup  []byte
	injects bool // the header of res says so

	mu      sync.Mutex // held by Read, so that Close waits for it
	page    page       // over src; nil once closed
	verdict Verdict    // once closed
	ahead   []byte     // read by peek
	passed  int        // how much of it is passed on
	err     error      // that came with the last of it
	reading bool       // a read is under way: its result arrives on pieces, until then page is not ours
	broken  bool       // reading has ended in a fault
	pieces  chan piece // made for the first read that is not waited for
}

// page is a page with markup in it, where it belongs: a reader, a splicer or a transcoder.
type page interface {
	io.Reader
	decision() *decider
	step() bool // reads the source once, for the decision, and reports whether it can be read again; what comes is kept
	kept() bool // reports whether a Read has something to give without reading the source
	release()   // gives the page back to its pool, which is not for one with a fault; no other call may follow
}

// piece is the result of a Read.
type piece struct {
	n   int
	err error
}

// begin makes b, a zero body, that of res. It takes the coding of res, nil for
// none, and the markup, which may be packed, too; for encoding and patient see
// decider.
func (b *body) begin(res *http.Response, c *coding, markup []byte, packed *deflate.Packed, encoding string, patient bool) {
	b.src, b.res, b.markup = res.Body, res, markup
	switch {
	case c == nil:
		b.page = newReader(b.src, markup, encoding, patient)
	case c.codecs == nil:
		b.page = newSplicer(b.src, c.format, markup, packed, encoding, patient)
	default:
		b.page = newTranscoder(b.src, c.codecs, markup, encoding, patient)
	}
}

// aheads are what most pages need of ahead, or more.
var aheads = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// minAhead is the room for one read, in bytes.
const minAhead = 1 << 10

// arrived is a source that can tell whether the rest of it has come, so that
// reading it does not wait.
type arrived interface{ Whole() bool }

// readier is a source that can tell whether the next read of it does not wait.
type readier interface{ Ready() bool }

// peek reads ahead until all is known about the page or patience ends; a
// negative patience has no end.
func (b *body) peek(patience time.Duration) {
	if w, ok := b.src.(arrived); ok && w.Whole() {
		patience = -1
	}
	r, tells := b.src.(readier)
	for (patience < 0 || tells && r.Ready()) && !b.page.decision().complete() {
		if !b.step() {
			break
		}
	}
	if !b.page.decision().complete() {
		b.wait(patience)
	}
}

// step is the page's; a panic over the page is a fault in it.
func (b *body) step() bool {
	defer func() {
		if f := caught(recover()); f != nil {
			b.check(f)
		}
	}()
	return b.page.step()
}

// wait does the same where the next read may wait.
func (b *body) wait(patience time.Duration) {
	b.ahead = aheads.Get().(*[4 << 10]byte)[:0]
	var end <-chan time.Time
	if patience >= 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		end = timer.C
	}
	for b.err == nil && !b.page.decision().complete() {
		if cap(b.ahead)-len(b.ahead) < minAhead {
			b.ahead = append(make([]byte, 0, 2*cap(b.ahead)), b.ahead...)
		}
		room := b.ahead[len(b.ahead):cap(b.ahead)]
		if end == nil {
			b.take(b.read(room))
			continue
		}
		if b.pieces == nil {
			b.pieces = make(chan piece, 1)
		}
		b.reading = true
		go func() { b.pieces <- b.read(room) }()
		select {
		case p := <-b.pieces:
			b.take(p)
		case <-end:
			return
		}
	}
}

// read reads from the page, in any goroutine.
func (b *body) read(p []byte) (got piece) {
	defer func() {
		if f := caught(recover()); f != nil {
			got = piece{err: f}
		}
	}()
	n, err := b.page.Read(p)
	return piece{n, err}
}

func (b *body) take(p piece) {
	b.reading = false
	b.check(p.err)
	b.ahead, b.err = b.ahead[:len(b.ahead)+p.n], p.err
}

// check panics, in the goroutine of the handler, if err is a fault. Nobody may be
// left to close the origin's body.
func (b *body) check(err error) {
	if f, ok := err.(*fault); ok {
		b.broken, b.err = true, io.ErrUnexpectedEOF
		b.src.Close()
		panic(f)
	}
}

// leftAlone reports whether peek saw that the page passes as it came.
func (b *body) leftAlone() bool {
	return !b.reading && (b.page.decision().reason != "" || !b.page.decision().done())
}

// recoded reports whether the bytes are not the origin's even where the page is
// left alone: a part of it had to be passed on before that was clear.
func (b *body) recoded() bool {
	t, ok := b.page.(*transcoder)
	return ok && !b.reading && t.recoding
}

// lostDeclaration returns the encoding that the Content-Type must name because
// the markup moves its declaration out of sight, as far as peek saw.
func (b *body) lostDeclaration() string {
	if b.reading {
		return ""
	}
	return b.page.decision().lostDeclaration(b.markup)
}

// added returns the number of bytes that are inserted, or -1 if peek did not
// get to see whether there are any.
func (b *body) added() int64 {
	if b.reading {
		return -1
	}
	return int64(len(inUnits(b.markup, b.page.decision().decoder.unit)))
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.page == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.passed == len(b.ahead) && b.reading {
		b.take(<-b.pieces)
	}
	switch {
	case b.passed < len(b.ahead):
		n := copy(p, b.ahead[b.passed:])
		b.passed += n
		return n, nil
	case b.err != nil:
		return 0, b.ended(b.err)
	}
	got := b.read(p)
	b.check(got.err)
	return got.n, b.ended(got.err)
}

// Ready reports whether Read will not wait.
func (b *body) Ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.page == nil || b.passed < len(b.ahead):
		return true
	case b.reading:
		return false
	case b.err != nil || b.page.kept():
		return true
	}
	w, ok := b.src.(arrived)
	return ok && w.Whole()
}

// ended drops, at the end of an injected page, trailers that are not true of it.
func (b *body) ended(err error) error {
	if err == io.EOF && b.injects {
		for _, field := range staleFields {
			b.res.Trailer.Del(field)
		}
	}
	return err
}

// Close closes the origin's body, which must end a read that is under way, and
// waits for that.
func (b *body) Close() error {
	err := b.src.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.page == nil {
		return nil
	}
	if b.reading {
		b.take(<-b.pieces)
	}
	b.verdict = b.judge()
	if _, knows := b.page.(*transcoder); knows || !b.broken {
		b.page.release()
	}
	if cap(b.ahead) == 4<<10 {
		aheads.Put((*[4 << 10]byte)(b.ahead[:4<<10]))
	}
	b.page, b.ahead = nil, nil
	return err
}

// judge says what became of the page, as far as that is clear.
func (b *body) judge() (v Verdict) {
	if b.page == nil {
		return b.verdict
	}
	if b.reading {
		return v
	}
	d := b.page.decision()
	v.Encoding, v.EncodingFrom = d.encoding, d.source
	switch {
	case !d.done():
		v.Reason = "broken"
	case d.reason != "":
		v.Reason = d.reason
	default:
		v.Injected, v.Offset = true, d.point
	}
	return v
}
