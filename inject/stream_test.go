package inject

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// liveBody is a body of pieces that somebody sends.
type liveBody struct {
	pieces chan []byte // closed at the end
	rest   []byte      // of the last of them
	closed chan struct{}
	close  sync.Once
}

func newLiveBody() *liveBody {
	return &liveBody{pieces: make(chan []byte, 9), closed: make(chan struct{})}
}

func (b *liveBody) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		select {
		case piece, ok := <-b.pieces:
			if !ok {
				return 0, io.EOF
			}
			b.rest = piece
		case <-b.closed:
			return 0, http.ErrBodyReadAfterClose
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *liveBody) Close() error {
	b.close.Do(func() { close(b.closed) })
	return nil
}

// flushed codes each piece so that it can be decoded when it arrives.
func (w wire) flushed(pieces ...string) (coded [][]byte) {
	var b bytes.Buffer
	if w.encoder != nil {
		w.encoder.Reset(&b)
	}
	for i, piece := range pieces {
		if w.encoder == nil {
			b.WriteString(piece)
		} else if w.encoder.Write([]byte(piece)); i < len(pieces)-1 {
			w.encoder.Flush()
		} else {
			w.encoder.Close()
		}
		coded = append(coded, bytes.Clone(b.Bytes()))
		b.Reset()
	}
	return coded
}

// Each flush of the origin reaches the visitor before the next, in every coding:
// here the origin goes on when the visitor has got what was sent. The header
// goes out before any of it.
func TestStreaming(t *testing.T) {
	long := string(longPage()[len(testPage):])
	cases := []struct {
		name, contentType string
		pieces            []string
	}{
		{"head first", "text/html; charset=utf-8", []string{"<!doctype html><head><title>a</title>", "<p>one", "<p>two", "</body>"}},
		{"encoding unknown for long", "text/html", []string{"<!doctype html><head><title>a</title>", "<p>one", "<p>two", "</body>"}},
		{"before the place", "text/html", []string{"<!doctype html>", "<!-- a -->", "<html>", "<head>", "<p>one"}},
		{"in the middle of a tag", "text/html", []string{"<!doctype html><he", "ad><title>", "a</title>", "<p>one"}},
		{"left alone", "text/html", []string{`{"a":`, `"<p>",`, `"b":1}`}},
		{"much at once", "text/html", []string{testPage + long[:100<<10], long[:32<<10], long[:64<<10], "<p>end"}},
	}
	for _, c := range cases {
		for _, w := range wires {
			t.Run(c.name+" "+w.name, func(t *testing.T) {
				body := newLiveBody()
				res := w.response(document{contentType: c.contentType}, nil)
				res.Body = body
				x := New(Options{Tag: testTag}).Request(request("GET"))
				x.Response(res)
				time.AfterFunc(5*time.Second, func() { res.Body.Close() }) // in case nothing comes
				var sent strings.Builder
				var got []byte
				for i, piece := range w.flushed(c.pieces...) {
					body.pieces <- piece
					sent.WriteString(c.pieces[i])
					var err error
					if got, err = w.readUntil(t, res.Body, got, sent.String()); err != nil {
						t.Fatalf("piece %d does not arrive: %v", i, err)
					}
				}
				close(body.pieces)
				if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 100 {
					t.Errorf("%d bytes at the end, %v", len(rest), err)
				}
			})
		}
	}
}

// readUntil reads on from body, of which got was read, until sent has arrived, as
// far as it can be passed on, and returns all that was read.
func (w wire) readUntil(t *testing.T, body io.Reader, got []byte, sent string) ([]byte, error) {
	p := make([]byte, 8<<10)
	for {
		page, _ := w.decode(got) // as far as it goes
		arrived := strings.Replace(string(page), testMarkup, "", 1)
		if len(arrived) >= w.certain(sent) {
			if !strings.HasPrefix(sent, arrived) {
				t.Errorf("sent %q, got %q", sent, arrived)
			}
			return got, nil
		}
		n, err := body.Read(p)
		if got = append(got, p[:n]...); err != nil {
			return nil, err
		}
	}
}

// certain returns how much of the start of a page can be passed on: what lies
// before an unfinished tag or, of a coded page, nothing until it is decided on.
func (w wire) certain(page string) int {
	d := newDecider("utf-8", false)
	switch d.feed([]byte(page)); {
	case d.done():
		return len(page)
	case w.coding != "":
		return 0
	}
	return int(d.mark)
}

// A header that comes with the first text waits for no more.
func TestHeaderDoesNotWait(t *testing.T) {
	for _, w := range wires {
		body := newLiveBody()
		body.pieces <- w.flushed(testPage, "more")[0]
		res := w.response(document{contentType: "text/html; charset=utf-8"}, nil)
		res.Body = body
		x := New(Options{Tag: testTag, Patience: -1}).Request(request("GET"))
		x.Response(res)
		if v := x.Verdict(); !v.Injected {
			t.Errorf("%s: %+v", w.name, v)
		}
		res.Body.Close()
	}
}

// A visitor who goes away ends the read that is under way.
func TestCloseDuringRead(t *testing.T) {
	for _, w := range wires {
		res := w.response(document{contentType: "text/html"}, nil)
		res.Body = newLiveBody()
		x := New(Options{Tag: testTag}).Request(request("GET"))
		x.Response(res)
		if v := x.Verdict(); v.Injected || v.Reason != "" {
			t.Errorf("%s: verdict before there is any: %+v", w.name, v)
		}
		res.Body.Close()
		if n, err := res.Body.Read(make([]byte, 1)); n != 0 || err != http.ErrBodyReadAfterClose {
			t.Errorf("%s: read %d, %v after close", w.name, n, err)
		}
		if err := res.Body.Close(); err != nil {
			t.Errorf("%s: second close: %v", w.name, err)
		}
		if v := x.Verdict(); v.Injected || v.Reason != "broken" {
			t.Errorf("%s: %+v", w.name, v)
		}
	}
}

// A page with a length is waited for longer, not for ever.
func TestWholePageStalls(t *testing.T) {
	answer := func(after time.Duration) (res *http.Response, x *Exchange, waited time.Duration) {
		body := newLiveBody()
		time.AfterFunc(after, func() { body.pieces <- []byte(testPage); close(body.pieces) })
		res = response(testPage)
		res.Body = body
		x = New(Options{Tag: testTag}).Request(request("GET"))
		start := time.Now()
		x.Response(res)
		return res, x, time.Since(start)
	}
	synctest.Test(t, func(t *testing.T) {
		const longest = wholePatience * DefaultPatience
		if res, _, waited := answer(longest - 1); waited != longest-1 || res.ContentLength != int64(len(testInjected)) {
			t.Errorf("in time: waited for %v, length %d", waited, res.ContentLength)
		}
		res, x, waited := answer(time.Hour)
		if waited != longest || res.ContentLength != -1 || res.Header.Get("Content-Length") != "" {
			t.Errorf("late: waited for %v, length %d", waited, res.ContentLength)
		}
		body, err := io.ReadAll(res.Body)
		if string(body) != testInjected || err != nil || !x.Verdict().Injected {
			t.Errorf("late: %q, %v, %+v", body, err, x.Verdict())
		}
	})
}

// Without a length, the header waits for Patience and no longer.
func TestPatienceOfHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := newLiveBody()
		res := wires[0].response(document{contentType: "text/html"}, nil)
		res.Body = body
		x := New(Options{Tag: testTag}).Request(request("GET"))
		start := time.Now()
		body.pieces <- []byte("<!doctype html><he")
		x.Response(res)
		if waited := time.Since(start); waited != DefaultPatience {
			t.Errorf("waited for %v", waited)
		}
		close(body.pieces)
		page, err := io.ReadAll(res.Body)
		if want := "<!doctype html>" + testMarkup + "<he"; string(page) != want || err != nil {
			t.Errorf("got %q, %v", page, err)
		}
	})
}

// A page of which all has come is not a matter of patience.
func TestWholePageIsNotWaitedFor(t *testing.T) {
	const page = "<!doctype html><title>x</title>"
	in := New(Options{Tag: Tag{HTML: "<script></script>"}, Patience: time.Millisecond})
	for _, c := range []struct {
		name  string
		whole bool
		want  int64
	}{
		{"whole", true, int64(len(page + "<script></script>"))},
		{"not whole", false, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := http.NewRequest("GET", "http://a.test/", nil)
				res := &http.Response{
					StatusCode: 200, Header: http.Header{"Content-Type": {"text/html"}}, ContentLength: int64(len(page)),
					Body: &claimed{strings.NewReader(page), c.whole},
				}
				in.Request(r).Response(res)
				got, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || len(got) != len(page+"<script></script>") || res.ContentLength != c.want {
					t.Errorf("%q, %v; length %d, want %d", got, err, res.ContentLength, c.want)
				}
			})
		})
	}
}

// claimed takes its time, whatever it says.
type claimed struct {
	io.Reader
	whole bool
}

func (c *claimed) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return c.Reader.Read(p)
}

func (c *claimed) Whole() bool  { return c.whole }
func (c *claimed) Close() error { return nil }

// What has come of a long page is enough: nothing waits, and nothing more is read than the decision takes.
func TestReadyPageIsNotWaitedFor(t *testing.T) {
	for _, w := range wires {
		if c := w.coding; c == "br" || c == "zstd" {
			continue // these are decoded whole buffers at a time
		}
		t.Run(w.name, func(t *testing.T) {
			src := &piecemeal{left: w.encode(longPage())}
			res := w.response(document{contentType: "text/html; charset=utf-8"}, nil)
			res.Body = src
			x := New(Options{Tag: testTag, Patience: time.Hour}).Request(request("GET", "Sec-Fetch-Dest: document"))
			x.Response(res)
			if !x.Verdict().Injected || src.reads.Load() != 1 || x.body.pieces != nil {
				t.Errorf("%d reads, %+v", src.reads.Load(), x.Verdict())
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if page, bad := w.decode(body); err != nil || bad != nil || !bytes.Contains(page, []byte(testMarkup)) {
				t.Errorf("%d bytes, %v, %v", len(page), err, bad)
			}
		})
	}
}

// piecemeal gives a piece at a time, and says that the next one has come.
type piecemeal struct {
	left  []byte
	reads atomic.Int64
}

func (p *piecemeal) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	p.reads.Add(1)
	n := copy(b[:min(len(b), 2000)], p.left)
	p.left = p.left[n:]
	return n, nil
}

func (p *piecemeal) Ready() bool  { return true }
func (p *piecemeal) Close() error { return nil }

// A page that says it is ready gives something without asking the origin, whose next bytes may be long in coming; and
// when the decision is made, what is known of the page is ready.
func TestReadyPageAsksNobody(t *testing.T) {
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			src := &piecemeal{left: w.encode(longPage())}
			res := w.response(document{contentType: "text/html; charset=utf-8"}, nil)
			res.Body = &unready{src}
			x := New(Options{Tag: testTag, Patience: time.Hour}).Request(request("GET", "Sec-Fetch-Dest: document"))
			x.Response(res)
			ready, b := 0, make([]byte, 100)
			for {
				before, says := src.reads.Load(), x.body.Ready()
				_, err := res.Body.Read(b)
				switch {
				case err == io.EOF:
					if res.Body.Close(); ready == 0 {
						t.Error("it was never ready")
					}
					return
				case err != nil:
					t.Fatal(err)
				case says && src.reads.Load() != before && w.coding != "br" && w.coding != "zstd": // these decode ahead
					t.Fatal("it was ready, and has read on")
				case says:
					ready++
				}
			}
		})
	}
}

// unready hides what its source can tell.
type unready struct{ io.ReadCloser }
