package answer

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func text(n int) string { return strings.Repeat("0123456789abcdef", n/16+1)[:n] }

// set returns a handler that sets fields before h.
func set(h handler, fields ...string) handler {
	return func(w http.ResponseWriter, note func(...any)) {
		for i := 0; i < len(fields); i += 2 {
			w.Header()[fields[i]] = append(w.Header()[fields[i]], fields[i+1])
		}
		h(w, note)
	}
}

// says writes pieces of the given sizes; 0 is a piece, and -1 a flush.
func says(sizes ...int) handler {
	return func(w http.ResponseWriter, note func(...any)) {
		for _, n := range sizes {
			if n < 0 {
				w.(http.Flusher).Flush()
				continue
			}
			n, err := io.WriteString(w, text(n))
			note(n, err)
		}
	}
}

// status gives statuses before h.
func status(h handler, all ...int) handler {
	return func(w http.ResponseWriter, note func(...any)) {
		for _, code := range all {
			w.WriteHeader(code)
		}
		h(w, note)
	}
}

func aborts(h handler) handler {
	return func(w http.ResponseWriter, note func(...any)) {
		h(w, note)
		panic(http.ErrAbortHandler)
	}
}

func trailers(announced string, h handler, fields ...string) handler {
	return func(w http.ResponseWriter, note func(...any)) {
		if announced != "" {
			w.Header().Set("Trailer", announced)
		}
		h(w, note)
		set(says(), fields...)(w, note)
	}
}

var handlers = map[string]handler{
	"nothing":                 says(),
	"no bytes":                says(0),
	"a page":                  set(says(5000), "Content-Type", "text/html"),
	"pieces":                  says(1, 0, 17, 16<<10, 1),
	"pieces of 32 KiB":        says(32<<10, 32<<10, 32<<10),
	"much":                    says(500_000),
	"much by pieces":          says(1, 500_000, 1, 20_000, 20_000, 3),
	"flushed":                 says(-1, -1),
	"flushed before":          says(-1, 10),
	"flushed between":         says(10, -1, 20, -1, -1, 40_000, -1, 1),
	"flushed behind":          says(10, -1),
	"two statuses":            status(says(3), 404, 200),
	"reset content":           status(says(3), 205),
	"interim":                 set(status(says(3), 103, 103, 102, 404, 103), "Link", "</a>; rel=preload"),
	"interim and no more":     status(says(), 103),
	"continue":                status(says(4), 100, 200),
	"switching":               set(status(says(4), 101), "Connection", "Upgrade", "Upgrade", "x"),
	"switching, then a 200":   status(says(4), 101, 200),
	"length":                  set(says(10, 10), "Content-Length", "20"),
	"length, flushed":         set(says(10, -1, 10, -1), "Content-Length", "20"),
	"length, much":            set(says(10, 100_000, 70_000, 5), "Content-Length", "170015"),
	"length 0":                set(says(), "Content-Length", "0"),
	"too short":               set(says(10), "Content-Length", "20"),
	"nothing of the length":   set(says(), "Content-Length", "20"),
	"too long":                set(says(10, 20, 5, 10), "Content-Length", "20"),
	"too long behind the end": set(says(20, 1), "Content-Length", "20"),
	"length is garbage":       set(says(10), "Content-Length", "ten"),
	"length is negative":      set(says(10), "Content-Length", "-10"),
	"length is empty":         set(says(10), "Content-Length", ""),
	"length is too much":      set(says(10), "Content-Length", "99999999999999999999"),
	"coding":                  set(says(10), "Transfer-Encoding", "chunked"),
	"close":                   set(says(10), "Connection", "close"),
	"close, flushed":          set(says(10, -1, 5), "Connection", "close"),
	"another Connection":      set(says(10), "Connection", "keep-alive"),
	"two Connections":         set(says(10), "Connection", "close", "Connection", "x"),
	"date":                    set(says(10), "Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
	"splitting":               set(says(10), "X", "a\r\nEvil: 1", "X", "b\n\nEvil", "X", "\rc\r", "Location", "/\r\n\r\nHTTP/1.1 200 OK"),
	"invalid names":           set(says(10), "X:", "1", "X\r\nEvil", "1", "", "1", "X Y", "1", "É", "1", "x-lower", "1"),
	"odd values":              set(says(10), "A", "", "B", " \t x \t ", "C", "\xff"),
	"huge header":             set(says(10, 40_000), "X", text(300_000)),
	"huge header, flushed":    set(says(-1, 10, 40_000), "X", text(300_000)),
	"nil values": func(w http.ResponseWriter, note func(...any)) {
		w.Header()["Date"], w.Header()["X"], w.Header()["Content-Length"] = nil, nil, nil
		says(10)(w, note)
	},
	"header too late": func(w http.ResponseWriter, note func(...any)) {
		says(10)(w, note)
		w.Header().Set("X", "late")
		w.Header().Set("Content-Length", "3")
		w.Header().Set("Connection", "close")
	},
	"trailer":                    trailers("X-Sum, x-b", says(10), "X-Sum", "1", "X-Sum", "2", "X-B", "a\r\nEvil: 1"),
	"trailer, flushed":           trailers("X-Sum", says(10, -1, 40_000), "X-Sum", "1"),
	"trailer without value":      trailers("X-Sum", says(10)),
	"trailer of no body":         trailers("X-Sum", says(), "X-Sum", "1"),
	"trailer not announced":      trailers("", says(10, -1), http.TrailerPrefix+"X-Sum", "1", "X-Late", "1"),
	"trailer announced late":     trailers("", says(10, -1), "Trailer", "X-Sum", "X-Sum", "1"),
	"forbidden trailers":         trailers("Cache-Control, If-Match, Set-Cookie, X-Sum,, ", says(10), "Cache-Control", "1", "If-Match", "2", "Set-Cookie", "3", "X-Sum", "4"),
	"invalid trailers":           trailers("X Y", says(10, -1), "X Y", "1", http.TrailerPrefix+"Y\r\nZ", "2"),
	"trailer and length":         set(trailers("X-Sum", says(10), "X-Sum", "1"), "Content-Length", "10"),
	"trailer set before":         set(trailers("X-Sum", says(10)), "X-Sum", "1"),
	"abort":                      aborts(says()),
	"abort behind an interim":    aborts(status(says(), 103)),
	"abort within the length":    aborts(set(says(10, -1), "Content-Length", "20")),
	"abort within chunks":        aborts(says(10, -1, 10, -1)),
	"abort within much":          aborts(says(10, 100_000)),
	"abort behind the length":    aborts(set(says(10, -1, 10), "Content-Length", "20")),
	"abort of an invalid status": status(says(), 1000),
}

// Whatever a handler does, a client gets what net/http would have sent.
func TestLikeNetHTTP(t *testing.T) {
	for name, h := range handlers {
		for _, method := range []string{"GET", "HEAD"} {
			for _, code := range []int{0, 200, 204, 304, 404, 299, 599} {
				h := h
				if code > 0 {
					h = func(w http.ResponseWriter, note func(...any)) {
						handlers[name](&statusFirst{ResponseWriter: w, code: code}, note)
					}
				}
				for _, last := range []bool{false, true} {
					if last && name == "switching" {
						continue // net/http leaves Connection to it, although it closes
					}
					t.Run(fmt.Sprintf("%s/%s/%d/last=%v", name, method, code, last), func(t *testing.T) {
						got, want := ours(h, method, &wire{last: last}), theirs(h, method, last)
						if strings.HasPrefix(name, "abort") {
							aborted(t, got, want)
							return
						}
						if method == "HEAD" && want.status == "" && got.whole {
							return // net/http passes on a length that is none
						}
						same(t, got, want)
					})
				}
			}
		}
	}
}

// aborted compares two answers that go no further: how much of them has gone out
// is left open.
func aborted(t *testing.T, got, want outcome) {
	t.Helper()
	if got.kept || want.kept || len(got.rest) > 0 {
		t.Errorf("kept %v, %v, %q behind the answer", got.kept, want.kept, got.rest)
	}
	if !strings.HasPrefix(got.body, want.body) {
		t.Errorf("body %q, net/http %q", got.body, want.body)
	}
	if got.whole && got.header.Get("Content-Length") == fmt.Sprint(len(got.body)) {
		return // net/http has kept the rest of it
	}
	if want.status != "" && (got.status != want.status || got.whole != want.whole) {
		t.Errorf("%q, whole %v, net/http %q, %v", got.status, got.whole, want.status, want.whole)
	}
}

// statusFirst gives a status before the first byte, if nobody else does.
type statusFirst struct {
	http.ResponseWriter
	code int
}

func (w *statusFirst) WriteHeader(code int) {
	if w.code = 0; code < 200 && code != 101 {
		defer func() { w.code = 200 }()
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusFirst) Write(p []byte) (int, error) {
	w.first()
	return w.ResponseWriter.Write(p)
}

func (w *statusFirst) Flush() {
	w.first()
	w.ResponseWriter.(http.Flusher).Flush()
}

func (w *statusFirst) first() {
	if w.code > 0 {
		w.ResponseWriter.WriteHeader(w.code)
		w.code = 0
	}
}

// The fields that frame the body are ours alone.
func TestFraming(t *testing.T) {
	c := &wire{}
	h := set(says(10), "Transfer-Encoding", "gzip", "Transfer-Encoding", "identity", "Content-Length", "10", "Content-Length", "20")
	if o := ours(h, "GET", c); o.body != text(10) || !o.kept {
		t.Errorf("%q, kept %v", o.body, o.kept)
	}
	if s := c.String(); strings.Contains(s, "Transfer-Encoding") || strings.Count(s, "Content-Length") != 1 {
		t.Errorf("%q", s)
	}
}

// Sizes around what is held: the header counts, too.
func TestBoundaries(t *testing.T) {
	c := &wire{}
	ours(set(says(1), "Date", "x"), "GET", c)
	header := c.Len() - 1
	for _, around := range []int{0, maxHeld / 2, maxHeld, maxHeld - header, maxHeld - header - len(gap), maxHeld - maxFraming, 2 * maxHeld} {
		for n := max(0, around-40); n < around+40; n++ {
			for name, h := range map[string]handler{
				"one": says(n), "behind one": says(1, n), "before one": says(n, 1), "flushed": says(-1, n), "flushed between": says(n, -1, n),
				"in chunks": says(1, -1, n, n, -1, 1), "length": set(says(n, -1, 0, n), "Content-Length", fmt.Sprint(2*n)),
				"trailer": trailers("X", says(n), "X", "1"),
			} {
				if o := ours(set(h, "Date", "x"), "GET", &wire{}); !o.whole || !o.kept || len(o.rest) > 0 || strings.Join(o.notes, "") == "" {
					t.Fatalf("%s, %d bytes: whole %v, kept %v, %d bytes behind", name, n, o.whole, o.kept, len(o.rest))
				} else if want := wrote(t, h); o.body != want {
					t.Fatalf("%s, %d bytes: got %d bytes, want %d", name, n, len(o.body), len(want))
				}
			}
		}
	}
}

// wrote returns what h writes.
func wrote(t *testing.T, h handler) string {
	w := &recorder{header: make(http.Header)}
	h(w, func(...any) {})
	return w.String()
}

type recorder struct {
	bytes.Buffer
	header http.Header
}

func (w *recorder) Header() http.Header { return w.header }
func (w *recorder) WriteHeader(int)     {}
func (w *recorder) Flush()              {}

// However an answer is cut, and wherever flushes fall, the body is what was
// written. One that fits and is not flushed is one write.
func TestCuts(t *testing.T) {
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var sizes []int
		total, flushes := 0, 0
		for range rnd.IntN(12) {
			n := rnd.IntN(1 << rnd.IntN(18))
			if rnd.IntN(8) == 0 {
				n = -1
				flushes++
			}
			sizes = append(sizes, n)
			total += max(n, 0)
		}
		h := says(sizes...)
		if rnd.IntN(3) == 0 {
			h = set(h, "Content-Length", fmt.Sprint(total))
		}
		c := &wire{}
		o := ours(h, "GET", c)
		if o.body != wrote(t, h) || !o.whole || !o.kept || len(o.rest) > 0 {
			t.Fatalf("seed %d, %v: %d bytes, whole %v, kept %v, %d behind", seed, sizes, len(o.body), o.whole, o.kept, len(o.rest))
		}
		if flushes == 0 && total < 31<<10 && c.writes != 1 {
			t.Fatalf("seed %d, %v: %d writes", seed, sizes, c.writes)
		}
	}
}

// What is flushed is out.
func TestFlush(t *testing.T) {
	for _, fields := range [][]string{nil, {"Content-Length", "30"}} {
		c := &wire{}
		set(func(w http.ResponseWriter, _ func(...any)) {
			for i := range 3 {
				io.WriteString(w, text(10))
				w.(http.Flusher).Flush()
				if o := parse(c.Bytes(), "GET"); o.body != strings.Repeat(text(10), i+1) {
					t.Errorf("%v: %q is out after %d flushes", fields, o.body, i+1)
				}
			}
		}, fields...)(New(c, "GET"), nil)
	}
}

// The first error of the connection stays, nothing is written behind it, and the
// connection has no other answer.
func TestFailingConn(t *testing.T) {
	for name, h := range handlers {
		for _, short := range []bool{false, true} {
			for at := 1; ; at++ {
				c := &wire{failAt: at, short: short}
				w := New(c, "GET")
				done := func() (done bool) {
					defer func() { recover() }()
					h(w, func(...any) {})
					return true
				}()
				kept := done && w.Finish()
				w.Abort()
				if c.writes < at {
					break
				}
				if kept || c.writes > at {
					t.Fatalf("%s: write %d fails, short %v: kept %v after %d writes", name, at, short, kept, c.writes)
				}
				if want := map[bool]error{false: errWire, true: io.ErrShortWrite}[short]; w.err != want {
					t.Fatalf("%s: write %d fails, short %v: %v", name, at, short, w.err)
				}
				if _, err := w.Write([]byte("x")); err != w.err || w.FlushError() != w.err {
					t.Fatalf("%s: write %d fails: then %v, %v", name, at, err, w.FlushError())
				}
			}
		}
	}
}

// A handler that goes on when its answer is over harms nobody: no byte of it goes
// out among the next answer's, and buffers have their next owner.
func TestUseAfterTheEnd(t *testing.T) {
	for name, h := range handlers {
		for _, abort := range []bool{false, true} {
			c := &wire{}
			w := New(c, "GET")
			func() {
				defer func() { recover() }()
				h(w, func(...any) {})
			}()
			if abort {
				w.Abort()
			} else {
				w.Finish()
			}
			if w.pooled != nil || w.b != nil {
				t.Errorf("%s: a buffer is kept", name)
			}
			before := c.String()
			w.WriteHeader(103)
			w.WriteHeader(200)
			for range 2 {
				if _, err := io.WriteString(w, text(100_000)); err == nil {
					t.Errorf("%s: no error", name)
				}
				w.Flush()
			}
			if w.Finish() {
				t.Errorf("%s: over, and yet reusable", name)
			}
			w.Abort()
			if c.String() != before {
				t.Errorf("%s, abort %v: %.100q is written behind the end", name, abort, c.String()[len(before):])
			}
		}
	}
}

func TestInvalidStatus(t *testing.T) {
	for _, code := range []int{-1, 0, 99, 1000} {
		c := &wire{}
		if o := ours(status(says(1), code), "GET", c); o.kept || c.Len() > 0 {
			t.Errorf("%d: %q", code, c.String())
		}
	}
}

func BenchmarkSmallPage(b *testing.B) {
	page := []byte(text(5000))
	benchmark(b, func(w http.ResponseWriter) { w.Write(page) })
}

func BenchmarkPieces(b *testing.B) {
	piece := []byte(text(32 << 10))
	benchmark(b, func(w http.ResponseWriter) {
		for range 16 {
			w.Write(piece)
		}
	})
}

// sink is a Conn that takes everything.
type sink struct{ wire }

func (*sink) Write2(p, q []byte) (int, error) { return len(p) + len(q), nil }

func benchmark(b *testing.B, answer func(http.ResponseWriter)) {
	c := &sink{}
	b.ReportAllocs()
	for b.Loop() {
		w := New(c, "GET")
		w.Header().Set("Content-Type", "text/html")
		answer(w)
		if !w.Finish() {
			b.Fatal("not reusable")
		}
	}
}

// What was set before a header is adopted stays, in front of its values.
func TestAdopt(t *testing.T) {
	c := &wire{}
	w := New(c, "GET")
	w.Header()["Vary"] = []string{"Origin"}
	w.Header()["Alt-Svc"] = []string{"clear"}
	given := http.Header{"Vary": {"Accept"}, "Etag": {`"1"`}}
	w.Adopt(given)
	w.Header().Set("X-Late", "yes")
	w.WriteHeader(http.StatusNoContent)
	w.Finish()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	delete(res.Header, "Date")
	want := http.Header{"Vary": {"Origin", "Accept"}, "Alt-Svc": {"clear"}, "Etag": {`"1"`}, "X-Late": {"yes"}}
	if !reflect.DeepEqual(res.Header, want) {
		t.Errorf("%v, want %v", res.Header, want)
	}
}
