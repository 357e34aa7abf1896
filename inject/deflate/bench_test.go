package deflate

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	kgzip "github.com/klauspost/compress/gzip"
)

// sample is a page to measure with.
type sample struct {
	name   string
	text   []byte
	stream []byte
}

func newSample(name string, text []byte) sample {
	var b bytes.Buffer
	w, _ := kgzip.NewWriterLevel(&b, 6)
	w.Write(text)
	w.Close()
	return sample{name, text, b.Bytes()}
}

func samples() (list []sample) {
	for _, kb := range []int{5, 50, 150, 500} {
		text := page(rand.New(rand.NewPCG(uint64(kb), 1)), kb<<10)
		list = append(list, newSample(fmt.Sprintf("%dKB", kb), text))
	}
	return list
}

// corpus returns the pages of the folder CTLIVE_CORPUS, or of the one beside the repository.
func corpus(tb testing.TB) (list []sample) {
	folder := os.Getenv("CTLIVE_CORPUS")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	files, _ := filepath.Glob(filepath.Join(folder, "readability", "*.html"))
	if len(files) == 0 {
		tb.Skipf("no corpus in %s", folder)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, newSample(filepath.Base(file), text))
	}
	return list
}

// benchMarkup is as long as what is inserted into pages.
var benchMarkup = page(rand.New(rand.NewPCG(9, 9)), 1200)

// bench holds what is used again for each page.
type bench struct {
	r   Reader
	z   *kgzip.Reader
	buf []byte
	src bytes.Reader
	p   placeAt
}

func newBench(s sample) *bench {
	z, _ := kgzip.NewReader(bytes.NewReader(s.stream))
	return &bench{z: z, buf: make([]byte, 32<<10)}
}

func (b *bench) drain(r io.Reader) (size int) {
	for {
		n, err := r.Read(b.buf)
		if size += n; err != nil {
			return size
		}
	}
}

// splice inserts where pages want it in the median.
func (b *bench) splice(s sample) (size int) {
	b.p = placeAt{k: min(61, int64(len(s.text)))}
	b.src.Reset(s.stream)
	b.r.Reset(&b.src, Gzip, benchMarkup, &b.p)
	return b.drain(&b.r)
}

func (b *bench) gunzip(s sample) {
	b.src.Reset(s.stream)
	b.z.Reset(&b.src)
	b.drain(b.z)
}

// BenchmarkSplice also reports how long that takes compared with decoding, done in turn.
func BenchmarkSplice(b *testing.B) {
	for _, s := range samples() {
		b.Run(s.name, func(b *testing.B) { benchSplice(b, []sample{s}) })
	}
	b.Run("corpus", func(b *testing.B) { benchSplice(b, corpus(b)) })
	b.Run("corpus-50KB", func(b *testing.B) { benchSplice(b, between(corpus(b), 40<<10, 70<<10)) })
	b.Run("corpus-150KB", func(b *testing.B) { benchSplice(b, between(corpus(b), 120<<10, 1<<30)) })
}

// between returns the pages of some sizes.
func between(list []sample, from, to int) (some []sample) {
	for _, s := range list {
		if len(s.text) >= from && len(s.text) < to {
			some = append(some, s)
		}
	}
	return some
}

func benchSplice(b *testing.B, list []sample) {
	m := newBench(list[0])
	var splice, gunzip time.Duration
	var grown int
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		for _, s := range list {
			grown += m.splice(s) - len(s.stream) - len(benchMarkup)
		}
		middle := time.Now()
		splice += middle.Sub(start)
		for _, s := range list {
			m.gunzip(s)
		}
		gunzip += time.Since(middle)
	}
	pages := float64(b.N * len(list))
	b.ReportMetric(float64(splice.Nanoseconds())/pages, "ns/page")
	b.ReportMetric(float64(gunzip.Nanoseconds())/pages, "gunzip-ns/page")
	b.ReportMetric(float64(splice)/float64(gunzip), "ratio")
	b.ReportMetric(float64(grown)/pages, "grown-B/page")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkGunzip(b *testing.B) {
	for _, s := range samples() {
		b.Run(s.name, func(b *testing.B) {
			m := newBench(s)
			for b.Loop() {
				m.gunzip(s)
			}
		})
	}
}
