package inject

import (
	"bufio"
	"bytes"
	"io"
	"sync"
)

const (
	// gulp is how much is read from the origin at a time, in bytes. A read that
	// brings less has emptied what was there: what was written so far is
	// flushed. It is odd, so that no piece of a usual size fills it exactly.
	gulp = 32<<10 + 1

	// maxRecorded bounds the coded bytes kept until the decision.
	maxRecorded = 256 << 10
)

// transcoder takes the content coding off a page, passes it through a reader
// and puts the coding on again. Until the page is decided on it keeps the bytes
// as they came: a page that is left alone, or cannot be decoded, passes as it is.
type transcoder struct {
	raw    recorder
	in     *bufio.Reader // over raw
	codecs *codecs
	page   reader // over decoder

	decoder streamDecoder // nil until opened
	encoder streamEncoder // into out; nil until the page is decided on
	buf     []byte
	out     bytes.Buffer
	pending []byte // to be passed on
	err     error  // sticky, for when nothing is pending
	asIs    bool   // the rest of the page passes as it came
}

var transcoders = sync.Pool{New: func() any {
	return &transcoder{
		in:   bufio.NewReaderSize(nil, gulp),
		page: reader{buf: make([]byte, chunk)},
		buf:  make([]byte, gulp),
	}
}}

// newTranscoder reads a page from src that c decodes; for encoding and patient see decider.
func newTranscoder(src io.Reader, c *codecs, markup []byte, encoding string, patient bool) *transcoder {
	t := transcoders.Get().(*transcoder)
	t.raw = recorder{src: src, recording: true, recorded: t.raw.recorded[:0]}
	t.in.Reset(&t.raw)
	t.codecs = c
	t.page.reset(nil, markup, encoding, patient)
	t.pending, t.err, t.asIs = nil, nil, false
	return t
}

func (t *transcoder) decision() *decider { return &t.page.decide }

func (t *transcoder) release() {
	t.releaseCodecs()
	if len(t.page.buf) > chunk || cap(t.raw.recorded) > maxUndecided {
		return // grown for a rare page
	}
	t.raw.src = nil
	transcoders.Put(t)
}

func (t *transcoder) releaseCodecs() {
	if t.decoder != nil {
		t.codecs.decoders.Put(t.decoder)
	}
	if t.encoder != nil {
		t.codecs.encoders.Put(t.encoder)
	}
	t.decoder, t.encoder = nil, nil
}

func (t *transcoder) Read(p []byte) (int, error) {
	for {
		switch {
		case len(t.pending) > 0:
			n := copy(p, t.pending)
			t.pending = t.pending[n:]
			return n, nil
		case t.err != nil:
			t.drain()
			return 0, t.err
		case t.asIs:
			return t.raw.src.Read(p)
		case t.encoder != nil:
			t.recode()
		case t.decoder == nil:
			t.open()
		default:
			t.probe()
		}
	}
}

// open reads the start of the coded stream.
func (t *transcoder) open() {
	if _, err := t.in.Peek(1); err == io.EOF {
		t.page.decide.finish()
		t.passAsIs()
		return
	}
	t.decoder = t.codecs.decoders.Get().(streamDecoder)
	if err := t.decoder.Reset(t.in); err != nil {
		t.fail()
		return
	}
	t.page.src = t.decoder
}

// probe decodes a little more of a page that is not decided on.
func (t *transcoder) probe() {
	t.page.fill()
	switch d := &t.page.decide; {
	case t.raw.full:
		d.abandon("not-a-document")
		t.passAsIs()
	case t.page.err != nil && t.page.err != io.EOF:
		t.fail()
	case d.done() && d.reason != "":
		t.passAsIs()
	case d.done() || !d.patient && t.raw.short && t.page.from < t.page.free:
		t.encode() // or the origin pauses, and what is certain must not wait
	}
}

// encode gives the page up as it came: from here on it is coded anew.
func (t *transcoder) encode() {
	t.raw.recording = false
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
	t.asIs, t.raw.recording = true, false
	t.pending, t.err = t.raw.recorded, t.raw.err
	t.releaseCodecs()
}

// recode passes a piece of the decided page on. A page that turns out to be
// corrupt here ends in an error, as it would have for the visitor.
func (t *transcoder) recode() {
	n, err := t.page.Read(t.buf)
	t.out.Reset()
	t.encoder.Write(t.buf[:n]) // to memory: cannot fail
	switch {
	case err == io.EOF:
		t.encoder.Close()
		t.err = err
	case err != nil:
		t.encoder.Flush()
		t.err = err
	case t.raw.short:
		t.encoder.Flush()
	}
	t.pending = t.out.Bytes()
}

// drain reads what may follow the coded stream, normally nothing: a body that is
// not read to its end costs the connection to the origin, and hides that it
// broke off.
func (t *transcoder) drain() {
	if t.err != io.EOF || t.raw.err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, &t.raw, 1<<10); err != nil {
		t.err = err
	}
}

// recorder keeps what is read from src while recording.
type recorder struct {
	src       io.Reader
	recording bool
	recorded  []byte
	full      bool  // there was more to record than is kept
	short     bool  // the last read brought less than was asked for
	err       error // of the last read
}

func (r *recorder) Read(p []byte) (n int, err error) {
	if r.recording && len(r.recorded) >= maxRecorded {
		r.full = true
		return 0, io.ErrUnexpectedEOF
	}
	n, err = r.src.Read(p)
	r.short, r.err = n < len(p), err
	if r.recording {
		r.recorded = append(r.recorded, p[:n]...)
	}
	return n, err
}
