package inject

import (
	"bufio"
	"io"
	"sync"
)

const (
	// gulp is how much is read from the origin at a time, in bytes. A read that
	// brings less has emptied what was there. It is odd, so that no piece of a
	// usual size fills it exactly.
	gulp = 32<<10 - 1

	// maxRecorded bounds the coded bytes kept until the decision.
	maxRecorded = 256 << 10

	// maxAhead bounds the coded bytes kept for a visitor who reads slowly; a
	// piece of the page may come on top. Most pages fit, and need no codec any
	// more long before they are read.
	maxAhead = 256 << 10

	// longTurn is how many pieces of a page are coded in a turn.
	longTurn = 16
)

// transcoder takes the content coding off a page, passes it through a reader
// and puts the coding on again. Until the page is decided on it keeps the bytes
// as they came: a page that is left alone, or cannot be decoded, passes as it is.
//
// From then on the page is coded ahead of the visitor, in a goroutine that ends
// when the page does, when enough is ready, or when the origin's body is closed.
type transcoder struct {
	src    io.Reader
	codecs *codecs
	turn   turn
	mu     sync.Mutex // held with the turn; neither while src is read

	desk     *desk         // nil until opened, and once the page is coded or passes as it came
	page     reader        // over decoder
	decoder  streamDecoder // as desk
	encoder  streamEncoder // into out; nil until the page is decided on, and once it is coded
	recoding bool          // the page is decided on, and not passed as it came
	dirty    bool          // encoder holds something back
	out      spool
	pending  []byte // to be passed on as it came
	err      error  // sticky, for when nothing is pending
	asIs     bool   // the rest of the page passes as it came
	spoilt   bool   // err is a fault: codecs and desk are not for others any more

	recording bool
	full      bool  // there was more to record than is kept
	short     bool  // the last read of src brought less than was asked for, and more is to come
	srcErr    error // of that read

	running bool // the goroutine
	closed  bool // it has to end
	reading bool // src is being read
	change  sync.Cond
}

// A desk is what is needed to work on a page.
type desk struct {
	in       *bufio.Reader
	recorded []byte // as it came
	decoded  []byte
	start    [chunk]byte // for the reader
}

var desks = sync.Pool{New: func() any {
	return &desk{in: bufio.NewReaderSize(nil, gulp), decoded: make([]byte, gulp)}
}}

// newTranscoder reads a page from src that c decodes; for encoding and patient see decider.
func newTranscoder(src io.Reader, c *codecs, markup []byte, encoding string, patient bool) *transcoder {
	t := &transcoder{src: src, codecs: c, turn: turn{of: recoding}, recording: true}
	t.change.L = &t.mu
	t.page.reset(nil, markup, encoding, patient)
	return t
}

func (t *transcoder) decision() *decider { return &t.page.decide }

func (t *transcoder) step() bool { return false }

func (t *transcoder) kept() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.size() > 0
}

func (t *transcoder) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.closed = true; t.running; {
		t.change.Wait()
	}
	t.releaseCodecs()
	t.releaseDesk()
	t.out.clear()
}

func (t *transcoder) releaseCodecs() {
	if t.decoder != nil && !t.spoilt {
		t.codecs.decoders.Put(t.decoder)
	}
	if t.encoder != nil && !t.spoilt {
		t.codecs.encoders.Put(t.encoder)
	}
	t.decoder, t.encoder = nil, nil
	t.turn.end()
}

func (t *transcoder) releaseDesk() {
	if t.desk == nil {
		return
	}
	t.desk.in.Reset(nil)
	t.desk.recorded = t.desk.recorded[:0]
	if cap(t.desk.recorded) <= maxUndecided && !t.spoilt { // else grown for a rare page
		desks.Put(t.desk)
	}
	t.desk, t.page.buf, t.pending = nil, nil, nil
}

func (t *transcoder) Read(p []byte) (n int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.guard(func() { n, err = t.read(p) }); f != nil {
		t.rest()
		return 0, f
	}
	return n, err
}

// guard does f. With a fault, what f worked with is spoilt.
func (t *transcoder) guard(f func()) (found *fault) {
	defer func() {
		if found = caught(recover()); found != nil {
			t.spoilt, t.err = true, found
			t.asIs, t.recoding, t.recording = false, false, false
			t.pending, t.out = nil, spool{}
		}
	}()
	f()
	return nil
}

func (t *transcoder) read(p []byte) (int, error) {
	for {
		if t.mayRunAhead() {
			t.turn.give()
			t.running = true
			go t.runAhead()
		}
		switch {
		case t.out.size() > 0:
			t.rest()
			return t.out.read(p), nil
		case len(t.pending) > 0:
			n := copy(p, t.pending)
			if t.pending = t.pending[n:]; len(t.pending) == 0 {
				t.releaseDesk()
			}
			return n, nil
		case t.running:
			t.await()
		case t.err != nil:
			t.rest()
			t.drain()
			return 0, t.err
		case t.asIs:
			return t.src.Read(p)
		case t.recoding:
			t.recode()
		case t.decoder == nil:
			t.open()
		default:
			t.probe()
		}
	}
}

// rest gives back the turn of the visitor's own goroutine.
func (t *transcoder) rest() {
	if !t.running {
		t.turn.give()
	}
}

// open reads the start of the coded stream.
func (t *transcoder) open() {
	t.turn.take()
	t.desk = desks.Get().(*desk)
	t.desk.in.Reset(raw{t})
	t.page.buf = t.desk.start[:]
	if _, err := t.desk.in.Peek(1); err == io.EOF {
		t.page.decide.finish()
		t.passAsIs()
		return
	}
	t.decoder = t.codecs.decoders.Get().(streamDecoder)
	if err := t.decoder.Reset(t.desk.in); err != nil {
		t.fail()
		return
	}
	t.page.src = t.decoder
}

// probe decodes a little more of a page that is not decided on.
func (t *transcoder) probe() {
	t.page.fill()
	switch d := &t.page.decide; {
	case t.full:
		d.abandon("not-a-document")
		t.passAsIs()
	case t.page.err != nil && t.page.err != io.EOF:
		t.fail()
	case d.done() && d.reason != "":
		t.passAsIs()
	case d.done() || !d.patient && t.short && t.page.from < t.page.free:
		t.encode() // or the origin pauses, and what is certain must not wait
	}
}

// encode gives the page up as it came: from here on it is coded anew.
func (t *transcoder) encode() {
	t.recording, t.recoding = false, true
	t.encoder = t.codecs.encoders.Get().(streamEncoder)
	t.encoder.Reset(&t.out)
}

// fail passes a page as it came because the origin's bytes end too soon or make
// no sense: what the visitor makes of them is the same as without us.
func (t *transcoder) fail() {
	t.page.decide.abandon("broken")
	t.passAsIs()
}

func (t *transcoder) passAsIs() {
	t.turn.give()
	t.asIs, t.recording = true, false
	t.pending, t.err = t.desk.recorded, t.srcErr
	t.releaseCodecs()
}

// recode codes a piece of a page, or all that there is if the origin has
// nothing more to give.
func (t *transcoder) recode() {
	if !t.turn.held {
		t.turn.take()
	}
	for t.piece(); t.srcErr != nil && t.err == nil && t.out.size() < maxAhead; {
		t.piece()
	}
	if t.short {
		t.flush()
	}
}

// mayRunAhead reports whether it is time to go on without the visitor. The
// decision must be final, since the visitor looks at it.
func (t *transcoder) mayRunAhead() bool {
	return t.recoding && !t.running && t.err == nil && t.srcErr == nil &&
		t.page.decide.complete() && t.out.size() < maxAhead/2
}

// runAhead codes the page until it ends or enough of it is ready.
func (t *transcoder) runAhead() {
	t.turn.take()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.guard(t.codeAhead)
	t.turn.give()
	t.guard(t.drain) // sets the connection to the origin free
	t.running = false
	t.change.Signal()
}

func (t *transcoder) codeAhead() {
	for i := 1; t.err == nil && !t.closed && t.out.size() < maxAhead; i++ {
		t.piece()
		t.change.Signal()
		if i%longTurn == 0 {
			t.while(func() {})
		}
	}
}

// await waits for what runs ahead. Where the origin pauses, what has come must
// not wait.
func (t *transcoder) await() {
	if t.reading && t.short && t.dirty {
		t.flush()
		return
	}
	t.change.Wait()
}

// piece codes a piece of the decided page. A page that turns out to be corrupt
// here ends in an error, as it would have for the visitor.
func (t *transcoder) piece() {
	n, err := t.page.Read(t.desk.decoded)
	if t.spoilt { // by the visitor's goroutine, meanwhile
		return
	}
	t.encoder.Write(t.desk.decoded[:n]) // to memory: cannot fail
	t.dirty = t.dirty || n > 0
	if err == nil {
		return
	}
	if err == io.EOF {
		t.encoder.Close()
	} else {
		t.encoder.Flush()
	}
	t.err, t.dirty = err, false
	t.releaseCodecs()
	t.releaseDesk()
}

// flush makes what was coded readable.
func (t *transcoder) flush() {
	if t.dirty {
		t.encoder.Flush()
		t.dirty = false
	}
}

// drain reads what may follow the coded stream, normally nothing: a body that is
// not read to its end costs the connection to the origin, and hides that it
// broke off.
func (t *transcoder) drain() {
	if t.err != io.EOF || t.srcErr != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, raw{t}, 1<<10); err != nil {
		t.err = err
	}
}

// while does what may take long without the turn and the lock.
func (t *transcoder) while(f func()) {
	held := t.turn.held
	t.turn.give()
	t.mu.Unlock()
	defer func() {
		if held {
			t.turn.take()
		}
		t.mu.Lock()
	}()
	f()
}

// raw is the page as it comes, which is kept while recording.
type raw struct{ *transcoder }

func (r raw) Read(p []byte) (n int, err error) {
	t := r.transcoder
	if t.recording && len(t.desk.recorded) >= maxRecorded {
		t.full = true
		return 0, io.ErrUnexpectedEOF
	}
	t.reading = true
	t.change.Signal()
	t.while(func() { n, err = t.src.Read(p) })
	t.reading, t.short, t.srcErr = false, n < len(p) && err == nil, err
	if t.recording {
		t.desk.recorded = append(t.desk.recorded, p[:n]...)
	}
	return n, err
}
