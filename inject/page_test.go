package inject

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// cut reads r in pieces of sizes that next returns.
type cut struct {
	r    io.Reader
	next func() int
}

func (c cut) Read(p []byte) (int, error) { return c.r.Read(p[:min(len(p), c.next())]) }

// cuts are ways in which a network cuts a page.
var cuts = map[string]func(io.Reader) io.Reader{
	"whole": func(r io.Reader) io.Reader { return r },
	"bytes": func(r io.Reader) io.Reader { // as long as it matters
		n := 0
		return cut{r, func() int {
			if n++; n < 3000 {
				return 1
			}
			return 777
		}}
	},
	"random":         func(r io.Reader) io.Reader { return cut{r, func() int { return 1 + rand.IntN(1+rand.IntN(9000)) }} },
	"data with EOF":  iotest.DataErrReader,
	"nothing, often": func(r io.Reader) io.Reader { return cut{r, func() int { return 4000 * rand.IntN(2) }} },
}

// P12: In every coding, however the network cuts it, a page comes out the same.
func TestP12EveryCodingAndCut(t *testing.T) {
	check := func(t *testing.T, docs []document, cuts map[string]func(io.Reader) io.Reader) {
		for _, d := range docs {
			if testing.Short() && len(d.page) > 8<<10 {
				continue // the race detector takes minutes for these
			}
			want := navigate(t, newTestInjector(), d.response())
			for _, w := range wires {
				body := w.encode(d.page)
				for name, cut := range cuts {
					got := navigate(t, newTestInjector(), w.response(d, cut(bytes.NewReader(body))))
					if problem := w.compare(got, want, body); problem != "" {
						t.Errorf("%s, %s, %s: %s", d.name, w.name, name, problem)
					}
				}
			}
		}
	}
	t.Run("nasty", func(t *testing.T) { check(t, nastyDocuments(t), cuts) })
	t.Run("corpus", func(t *testing.T) {
		three := map[string]func(io.Reader) io.Reader{"whole": cuts["whole"], "bytes": cuts["bytes"], "random": cuts["random"]}
		check(t, corpusDocuments(t), three)
	})
}

func (w wire) response(d document, body io.Reader) *http.Response {
	res := d.response()
	res.Body = io.NopCloser(body)
	res.ContentLength = -1
	res.Header.Del("Content-Length")
	if w.coding != "" {
		res.Header.Set("Content-Encoding", w.coding)
	}
	return res
}

// compare compares what came of a page in coding w, sent as body, with what
// comes of it without one.
func (w wire) compare(got, want result, body []byte) string {
	switch {
	case got.err != nil:
		return got.err.Error()
	case got.verdict.Reason != want.verdict.Reason, got.verdict.Offset != want.verdict.Offset:
		return "another verdict"
	case got.header.Get("Content-Type") != want.header.Get("Content-Type"):
		return "another Content-Type"
	case want.verdict.Reason != "" && !bytes.Equal(got.body, body):
		return "left alone, but not as it came"
	case want.verdict.Reason != "":
		return ""
	}
	page, err := w.decode(got.body)
	if err != nil || !bytes.Equal(page, want.body) {
		return "another page"
	}
	return ""
}

// P25, P28: What a page is recoded in is what it came in.
func TestCodingStays(t *testing.T) {
	for _, w := range wires {
		got := navigate(t, newTestInjector(), w.response(document{"", []byte(testPage), "text/html"}, bytes.NewReader(w.encode([]byte(testPage)))))
		if page, err := w.decode(got.body); string(page) != testInjected || err != nil || got.header.Get("Content-Encoding") != w.coding {
			t.Errorf("%s: %q, %v under %q", w.name, page, err, got.header.Get("Content-Encoding"))
		}
	}
}

// A page that had to be coded anew in part, though it is left alone, does not
// claim to be the origin's bytes.
func TestLeftAloneLate(t *testing.T) {
	pieces := []string{"<!doctype html>", "<html amp><head>"}
	for _, w := range wires {
		body := newLiveBody()
		for _, piece := range w.flushed(pieces...) {
			body.pieces <- piece
		}
		close(body.pieces)
		res := w.response(document{contentType: "text/html"}, nil)
		res.Body = body
		res.Header.Set("ETag", `"abc"`)
		res.Header.Set("Content-Digest", "x")
		got := fetch(t, New(Options{Tag: testTag, Patience: time.Minute}), request("GET"), res)
		if page, err := w.decode(got.body); string(page) != strings.Join(pieces, "") || err != nil || got.verdict.Reason != "amp" {
			t.Errorf("%s: %q, %v, %+v", w.name, page, err, got.verdict)
		}
		same := bytes.Equal(got.body, bytes.Join(w.flushed(pieces...), nil))
		if claims := got.header.Get("ETag") == `"abc"` && got.header.Get("Content-Digest") == "x"; claims != same {
			t.Errorf("%s: the same bytes: %v, header %v", w.name, same, got.header)
		}
	}
}

// longPage is too long and too varied for any coding to end within one read.
func longPage() []byte {
	page := []byte(testPage)
	random := rand.New(rand.NewPCG(1, 2))
	for len(page) < 300<<10 {
		page = fmt.Appendf(page, "<p>%x</p>\n", random.Uint64())
	}
	return page
}

var errBroke = errors.New("the line broke")

// P42: An origin that dies is an error for the visitor too, with all that came
// before it.
func TestP42OriginDies(t *testing.T) {
	page := longPage()
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			body := w.encode(page)
			for _, length := range []int{0, 1, 5, 30, 60, len(body) / 2, len(body) - 1, len(body)} {
				broken := io.MultiReader(bytes.NewReader(body[:length]), iotest.ErrReader(errBroke))
				got := navigate(t, newTestInjector(), w.response(document{"", page, "text/html"}, broken))
				if got.err != errBroke {
					t.Errorf("%d of %d bytes: ends with %v", length, len(body), got.err)
				}
			}
		})
	}
}

// A body that stops short of its coding's end is passed as it came while that
// is possible, and after that as an error or as a body that stops short.
func TestCutOffCoding(t *testing.T) {
	page := longPage()
	for _, w := range wires[1:] {
		t.Run(w.name, func(t *testing.T) {
			body := w.encode(page)
			early := body[:10]
			got := navigate(t, newTestInjector(), w.response(document{"", page, "text/html"}, bytes.NewReader(early)))
			if !bytes.Equal(got.body, early) || got.err != nil || got.verdict.Reason != "broken" {
				t.Errorf("cut off early: %d bytes, %v, %+v", len(got.body), got.err, got.verdict)
			}
			late := body[:len(body)-20]
			got = navigate(t, newTestInjector(), w.response(document{"", page, "text/html"}, bytes.NewReader(late)))
			_, err := w.decode(got.body)
			recoded := w.coding == "br" || w.coding == "zstd"
			if err == nil || recoded && got.err == nil || !got.verdict.Injected {
				t.Errorf("cut off late: %v, %+v", got.err, got.verdict)
			}
		})
	}
}

// P31, P40, P41: A page of any size, in lines of any length, whatever it was
// compressed to, needs bounded memory: what is allocated over all does not grow
// with it.
func TestP31P40P41MemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector takes minutes for it")
	}
	const size, most = 64 << 20, 24 << 20 // twice what it takes: under the race detector, pools forget
	text := bytes.Repeat([]byte("0123456789abcdef <p>"), size/20)
	for _, w := range wires {
		for name, start := range map[string]string{"injected": testPage, "left alone": "{", "undecided": "<!--"} {
			t.Run(w.name+" "+name, func(t *testing.T) {
				body := bytes.NewReader(w.encode(append([]byte(start), text...)))
				res := w.response(document{contentType: "text/html"}, body)
				x := newTestInjector().Request(request("GET"))
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				x.Response(res)
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				runtime.ReadMemStats(&after)
				if got := after.TotalAlloc - before.TotalAlloc; got > most {
					t.Errorf("%d MiB allocated", got>>20)
				}
				if injected := x.Verdict().Injected; injected != (name == "injected") {
					t.Errorf("verdict %+v", x.Verdict())
				}
			})
		}
	}
}

// A gzip body may have several members (RFC 1952 2.2). What is none is passed on.
func TestGzipMembers(t *testing.T) {
	const half = len(testPage) / 2
	w := wires[1]
	members := append(w.encode([]byte(testPage[:half])), w.encode([]byte(testPage[half:]))...)
	for name, tail := range map[string]string{"": "", "zeros": "\x00\x00\x00", "half a magic": "\x1f"} {
		for cutName, cut := range cuts {
			body := cut(strings.NewReader(string(members) + tail))
			got := navigate(t, newTestInjector(), w.response(document{contentType: "text/html"}, body))
			sent, passed := bytes.CutSuffix(got.body, []byte(tail))
			if page, err := w.decode(sent); !passed || string(page) != testInjected || err != nil || got.err != nil {
				t.Errorf("with %q behind, %s: %q, %v, %v", name, cutName, page, err, got.err)
			}
		}
	}
}

// A coded body that never comes to its text is not recorded for ever.
func TestEndlessCode(t *testing.T) {
	emptyBlock := []byte{0, 0, 0, 0xff, 0xff}
	endless := map[string][]byte{
		"gzip":    append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), bytes.Repeat(emptyBlock, 1<<20)...),
		"deflate": bytes.Repeat(emptyBlock, 1<<20),
		"zstd":    bytes.Repeat([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00skip"), 1<<18),
		"br":      append([]byte{0x0b}, bytes.Repeat([]byte{6}, 1<<20)...),
	}
	for coding, body := range endless {
		read := 0
		source := cut{bytes.NewReader(body), func() int { read += 1000; return 1000 }}
		res := wire{coding: coding}.response(document{contentType: "text/html"}, source)
		x := newTestInjector().Request(request("GET"))
		x.Response(res)
		if read > maxRecorded+gulp {
			t.Errorf("%s: read %d bytes before it gave up", coding, read)
		}
		if got, err := io.ReadAll(res.Body); !bytes.Equal(got, body) || err != nil {
			t.Errorf("%s: %d of %d bytes, %v", coding, len(got), len(body), err)
		}
		if v := x.Verdict(); v.Injected {
			t.Errorf("%s: %+v", coding, v)
		}
	}
}
