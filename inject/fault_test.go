package inject

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A trap is in the calls to decoders, encoders and the origin's body. It springs at one of them.
type trap struct {
	at, calls atomic.Int64
	reused    atomic.Bool
}

func (t *trap) step(sprung *bool) {
	if *sprung {
		t.reused.Store(true)
	}
	if t.calls.Add(1) == t.at.Load() {
		*sprung = true
		panic("sprung")
	}
}

type trappedDecoder struct {
	streamDecoder
	trap   *trap
	sprung bool
}

func (d *trappedDecoder) Reset(src io.Reader) error {
	d.trap.step(&d.sprung)
	return d.streamDecoder.Reset(src)
}

func (d *trappedDecoder) Read(p []byte) (int, error) {
	n, err := d.streamDecoder.Read(p)
	d.trap.step(&d.sprung)
	return n, err
}

type trappedEncoder struct {
	streamEncoder
	trap   *trap
	sprung bool
}

func (e *trappedEncoder) Write(p []byte) (int, error) {
	n, err := e.streamEncoder.Write(p)
	e.trap.step(&e.sprung)
	return n, err
}

func (e *trappedEncoder) Flush() error { e.trap.step(&e.sprung); return e.streamEncoder.Flush() }
func (e *trappedEncoder) Close() error { e.trap.step(&e.sprung); return e.streamEncoder.Close() }

// A trappedSource comes in pieces.
type trappedSource struct {
	io.Reader
	trap   *trap
	yields bool
	closed bool
	sprung bool
}

func (s *trappedSource) Read(p []byte) (int, error) {
	if s.yields {
		runtime.Gosched()
	}
	s.trap.step(new(bool))
	return s.Reader.Read(p[:min(len(p), 2000)])
}

func (s *trappedSource) Close() error { s.closed = true; return nil }

// Whatever panics over a page, in whichever goroutine: the handler panics, nothing
// stays locked or is used again, and the next page is well.
func TestPanicIsOfOnePage(t *testing.T) {
	for _, w := range wires {
		for _, patience := range []time.Duration{-1, 0, time.Minute} {
			t.Run(fmt.Sprint(w.name, patience), func(t *testing.T) {
				trap := new(trap)
				coding, page := trapped(codings[w.coding], trap), w.encode(longPage())
				free := recoding.free
				for at := int64(1); ; at += 1 + at/8 {
					trap.calls.Store(0)
					trap.at.Store(at)
					src := &trappedSource{Reader: bytes.NewReader(page), trap: trap, yields: at%2 == 0}
					got, panicked := throughBody(src, coding, patience)
					if trap.reused.Load() {
						t.Fatalf("%d: used again", at)
					}
					if recoding.free != free {
						t.Fatalf("%d: %d turns of %d", at, recoding.free, free)
					}
					if !panicked {
						all, err := w.decode(got)
						if want := strings.Replace(string(longPage()), "<head>", "<head>"+testMarkup, 1); string(all) != want || err != nil {
							t.Errorf("%d bytes of %d, %v", len(all), len(want), err)
						}
						return
					}
					if !src.closed {
						t.Fatalf("%d: the origin's body is open", at)
					}
				}
			})
		}
	}
}

// trapped returns c with trap in its codecs.
func trapped(c *coding, trap *trap) *coding {
	if !c.reencodes() {
		return c
	}
	return &coding{codecs: newCodecs(
		func() streamDecoder {
			return &trappedDecoder{streamDecoder: c.codecs.decoders.New().(streamDecoder), trap: trap}
		},
		func() streamEncoder {
			return &trappedEncoder{streamEncoder: c.codecs.encoders.New().(streamEncoder), trap: trap}
		},
	)}
}

// throughBody reads a page as a handler does.
func throughBody(src io.ReadCloser, c *coding, patience time.Duration) (got []byte, panicked bool) {
	defer func() {
		if f := recover(); f != nil {
			if _, ok := f.(*fault); !ok || !strings.Contains(fmt.Sprint(f), "sprung") {
				panic(f)
			}
			panicked = true
		}
	}()
	b := new(body)
	b.begin(&http.Response{Body: src, Header: http.Header{}}, c, []byte(testMarkup), nil, "utf-8", true)
	defer b.Close()
	b.peek(patience)
	got, err := io.ReadAll(b)
	if err != nil {
		return []byte(err.Error()), false
	}
	return got, false
}
