package inject

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// benchPages are real pages if there are any, else one of the size of them.
func benchPages(b *testing.B) (pages [][]byte) {
	files, _ := filepath.Glob(filepath.Join("..", "..", "shared", "corpus", "readability", "*.html"))
	for _, file := range files {
		page, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		pages = append(pages, page)
	}
	if pages == nil {
		b.Log("the corpus is missing: with a page made up")
		pages = append(pages, longPage())
	}
	return pages
}

// BenchmarkScan decides on a page that comes as it is: the time per page that
// injection adds to copying it.
func BenchmarkScan(b *testing.B) {
	pages := benchPages(b)
	for _, encoding := range []string{"utf-8", ""} {
		b.Run("charset="+encoding, func(b *testing.B) {
			b.ReportAllocs()
			var src bytes.Reader
			markup := []byte(testMarkup)
			for i := 0; b.Loop(); i++ {
				src.Reset(pages[i%len(pages)])
				r := newReader(&src, markup, encoding, true)
				for !r.decide.complete() {
					r.fill()
				}
				r.decide.lostDeclaration(markup)
				r.release()
			}
		})
	}
}

// BenchmarkExchange takes a whole page and its header from the origin to the visitor.
func BenchmarkExchange(b *testing.B) {
	in := newTestInjector()
	pages := benchPages(b)
	for _, w := range wires {
		b.Run(w.name, func(b *testing.B) {
			var bodies [][]byte
			size := 0
			for _, page := range pages {
				bodies = append(bodies, w.encode(page))
				size += len(page)
			}
			b.SetBytes(int64(size / len(pages)))
			b.ReportAllocs()
			req := request("GET", "Sec-Fetch-Dest: document", "Accept-Encoding: gzip, br")
			buf := make([]byte, 32<<10)
			for i := 0; b.Loop(); i++ {
				x := in.Request(req)
				res := w.response(document{contentType: "text/html; charset=utf-8"}, bytes.NewReader(bodies[i%len(bodies)]))
				x.Response(res)
				io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, buf)
				res.Body.Close()
			}
		})
	}
}

// BenchmarkTranscode does the same without the header, for each coding that is
// taken off and put on again.
func BenchmarkTranscode(b *testing.B) {
	pages := benchPages(b)
	for _, w := range wires {
		coding, _ := contentCoding(http.Header{"Content-Encoding": {w.coding}})
		if !coding.reencodes() {
			continue
		}
		b.Run(w.name, func(b *testing.B) {
			var bodies [][]byte
			size := 0
			for _, page := range pages {
				bodies = append(bodies, w.encode(page))
				size += len(page)
			}
			b.SetBytes(int64(size / len(pages)))
			b.ReportAllocs()
			var src bytes.Reader
			buf := make([]byte, 32<<10)
			for i := 0; b.Loop(); i++ {
				src.Reset(bodies[i%len(bodies)])
				t := newTranscoder(&src, coding.codecs, []byte(testMarkup), "utf-8", true)
				io.CopyBuffer(struct{ io.Writer }{io.Discard}, t, buf)
				t.release()
			}
		})
	}
}
