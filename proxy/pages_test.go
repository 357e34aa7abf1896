package proxy

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/html/charset"

	"ctlive/inject"
)

const pageMarkup = "<script data-ctlive>1</script>"

// TestPages: whatever the page, its coding and the pieces that it comes in,
// the visitor gets the origin's bytes with the markup at the place where the
// injector puts it, or none, and the log says which. That the place is right is
// tested in package inject, by the DOM.
func TestPages(t *testing.T) {
	site := newPageSite(t)
	pages := append(nastyPages(t), corpusPages(t)...)
	t.Run("pages", func(t *testing.T) {
		for _, c := range append(codings(), commandCodings(t, pages)...) {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				for _, p := range pages {
					if body, ok := c.encode(p); ok {
						site.check(t, p, c, body)
					}
				}
			})
		}
	})
	site.close()
	site.checkLog(t)
}

// original is a page as its author wrote it, and what becomes of it.
type original struct {
	name, contentType string
	page              []byte

	want        []byte // the page with the markup
	verdict     inject.Verdict
	wantType    string // its Content-Type then
	mayTakeLong bool   // few pages go through slow commands
}

func nastyPages(t *testing.T) []*original {
	// Of all others the page itself tells the encoding, or nothing does.
	types := map[string]string{
		"P57-utf-16le-by-header": "text/html; charset=utf-16le",
		"P57-utf-16be-by-header": "text/html;charset=UTF-16BE",
		"iso-2022-jp-by-header":  "text/html; charset=ISO-2022-JP",
		"replacement-by-header":  "text/html; charset=iso-2022-kr",
	}
	pages := pagesIn(t, "../inject/testdata/nasty")
	if len(pages) < 100 {
		t.Fatalf("only %d nasty pages", len(pages))
	}
	for i, p := range pages {
		if contentType := types[p.name]; contentType != "" {
			p.contentType = contentType
		}
		p.mayTakeLong = i%4 == 0
		p.foresee(t)
	}
	return pages
}

// corpusPages are pages of other people, which are not part of the repository.
// Their names may end in their encoding, such as "ja-2.shift_jis".
func corpusPages(t *testing.T) (pages []*original) {
	folders, _ := filepath.Glob("../../shared/corpus/*")
	if len(folders) == 0 {
		t.Log("SKIP: shared/corpus is missing beside the repository: only the nasty pages are tested")
	}
	for _, folder := range folders {
		pages = append(pages, pagesIn(t, folder)...)
	}
	for i, p := range pages {
		_, encoding, _ := strings.Cut(p.name, ".")
		if e, _ := charset.Lookup(encoding); e != nil {
			p.contentType += "; charset=" + encoding
		}
		p.mayTakeLong = i%40 == 0
		p.foresee(t)
	}
	return pages
}

func pagesIn(t *testing.T, folder string) (pages []*original) {
	files, err := filepath.Glob(filepath.Join(folder, "*.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".html")
		pages = append(pages, &original{name: name, contentType: "text/html", page: page})
	}
	return pages
}

// foresee asks the injector, without a network, a coding or pieces, what
// becomes of p.
func (p *original) foresee(t *testing.T) {
	r := httptest.NewRequest("GET", "http://a.test/", nil)
	r.Header.Set("Sec-Fetch-Dest", "document")
	res := &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {p.contentType}},
		Body: io.NopCloser(bytes.NewReader(p.page)), ContentLength: int64(len(p.page)),
	}
	x := newPageInjector().Request(r)
	x.Response(res)
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	p.verdict, p.wantType, p.want = x.Verdict(), res.Header.Get("Content-Type"), p.page
	if p.verdict.Injected {
		at := p.verdict.Offset
		p.want = bytes.Join([][]byte{p.page[:at], inEncoding(pageMarkup, p.verdict.Encoding), p.page[at:]}, nil)
	}
}

func newPageInjector() *inject.Injector {
	return inject.New(inject.Options{Tag: inject.Tag{HTML: pageMarkup}, Patience: -1})
}

// inEncoding writes ASCII as a page of this encoding does.
func inEncoding(ascii, encoding string) (text []byte) {
	for _, c := range []byte(ascii) {
		switch encoding {
		case "utf-16le":
			text = append(text, c, 0)
		case "utf-16be":
			text = append(text, 0, c)
		default:
			text = append(text, c)
		}
	}
	return text
}

// A pageCoding is a way to code a page, and how a browser undoes it.
type pageCoding struct {
	name, token string // token is the Content-Encoding
	encode      func(*original) (body []byte, ok bool)
	decode      func(io.Reader) (io.Reader, error)
}

func gunzip(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }

// codings are those of libraries.
func codings() []pageCoding {
	return []pageCoding{
		{"identity", "", func(p *original) ([]byte, bool) { return p.page, true }, func(r io.Reader) (io.Reader, error) { return r, nil }},
		{"gzip 1", "gzip", through(must(gzip.NewWriterLevel(nil, 1))), gunzip},
		{"gzip 9", "gzip", through(must(gzip.NewWriterLevel(nil, 9))), gunzip},
		{"zlib", "deflate", through(zlib.NewWriter(nil)),
			func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }},
		{"raw deflate", "deflate", through(must(flate.NewWriter(nil, 6))),
			func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil }},
		{"br", "br", through(brotli.NewWriterLevel(nil, 3)),
			func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }},
		{"zstd", "zstd", through(must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<18)))),
			func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) }},
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type resetWriter interface {
	io.WriteCloser
	Reset(io.Writer)
}

// through codes pages by w, one after the other.
func through(w resetWriter) func(*original) ([]byte, bool) {
	return func(p *original) ([]byte, bool) {
		var body bytes.Buffer
		w.Reset(&body)
		w.Write(p.page)
		w.Close()
		return body.Bytes(), true
	}
}

// commandCodings are gzip by other programs, for some of the pages.
func commandCodings(t *testing.T, pages []*original) (codings []pageCoding) {
	for _, command := range []string{"pigz -k -n -b 32", "zopfli --i5"} {
		words := strings.Fields(command)
		if _, err := exec.LookPath(words[0]); err != nil {
			t.Logf("SKIP: %s is not installed: %v", words[0], err)
			continue
		}
		bodies := compressFiles(t, words, pages)
		codings = append(codings, pageCoding{words[0], "gzip", func(p *original) ([]byte, bool) {
			body, ok := bodies[p]
			return body, ok
		}, gunzip})
	}
	return codings
}

// compressFiles runs a command that writes FILE.gz for each FILE.
func compressFiles(t *testing.T, command []string, pages []*original) map[*original][]byte {
	folder := t.TempDir()
	files := make(map[*original]string)
	for i, p := range pages {
		if p.mayTakeLong {
			files[p] = filepath.Join(folder, strconv.Itoa(i))
			if err := os.WriteFile(files[p], p.page, 0o600); err != nil {
				t.Fatal(err)
			}
			command = append(command, files[p])
		}
	}
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command[0], err, out)
	}
	bodies := make(map[*original][]byte)
	for p, file := range files {
		bodies[p] = must(os.ReadFile(file + ".gz"))
	}
	return bodies
}

// pageSite is an origin with a proxy in front. The origin answers each path with
// what is under it in answers.
type pageSite struct {
	origin, front *httptest.Server
	answers       sync.Map // path → *pageAnswer
	log           *outcomes
	client        *http.Client
}

type pageAnswer struct {
	contentType, coding string
	body                []byte
	pieces              func() int // sizes; nil: all in one, with its length
	want                string     // in the log
}

func newPageSite(t *testing.T) *pageSite {
	s := &pageSite{log: &outcomes{seen: make(map[string]string)}}
	s.client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}}
	s.origin = httptest.NewServer(s)
	site := testSite(t, s.origin.URL, "*")
	site.Injector = newPageInjector()
	s.front = httptest.NewServer(must(New(Options{Sites: []Site{site}, AccessLog: true, Logger: slog.New(s.log)})))
	t.Cleanup(s.close)
	return s
}

// close waits for requests under way, and their lines in the log.
func (s *pageSite) close() {
	s.front.Close()
	s.origin.Close()
}

func (s *pageSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, _ := s.answers.Load(r.URL.Path)
	a := v.(*pageAnswer)
	w.Header().Set("Content-Type", a.contentType)
	if a.coding != "" {
		w.Header().Set("Content-Encoding", a.coding)
	}
	if a.pieces == nil {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		w.Write(a.body)
		return
	}
	flusher := http.NewResponseController(w)
	flusher.Flush()
	for body := a.body; len(body) > 0; flusher.Flush() {
		n := min(len(body), a.pieces())
		w.Write(body[:n])
		body = body[n:]
	}
}

// check gets p, coded as body, in pieces of several sizes.
func (s *pageSite) check(t *testing.T, p *original, c pageCoding, body []byte) {
	for cut, pieces := range cutsOf(p, c, body) {
		path := "/" + url.PathEscape(c.name+"/"+cut+"/"+p.name)
		want := "injected"
		if !p.verdict.Injected {
			want = p.verdict.Reason
		}
		s.answers.Store(must(url.PathUnescape(path)), &pageAnswer{p.contentType, c.token, body, pieces, want})
		res, got, err := s.visit(path)
		if err == nil {
			err = p.compare(c, res, body, got, cut == "whole")
		}
		if err != nil {
			t.Errorf("%s, %s: %v", p.name, cut, err)
		}
	}
}

// cutsOf returns ways to cut body: it comes whole, in pieces of random sizes
// and, if it is short, byte by byte.
func cutsOf(p *original, c pageCoding, body []byte) map[string]func() int {
	name := fnv.New64()
	io.WriteString(name, p.name+c.name)
	random := rand.New(rand.NewPCG(name.Sum64(), 1))
	cuts := map[string]func() int{
		"whole":  nil,
		"random": func() int { return 1 + random.IntN(1+random.IntN(8<<10)) },
	}
	if len(body) < 2<<10 {
		cuts["bytes"] = func() int { return 1 }
	}
	return cuts
}

// visit gets a page as a browser's navigation does.
func (s *pageSite) visit(path string) (*http.Response, []byte, error) {
	r, err := http.NewRequest("GET", s.front.URL+path, nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header = navigation.Clone()
	res, err := s.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res, got, err
}

// compare compares what a visitor got with what p must become; body is what the
// origin sent, whole whether it said how long that is.
func (p *original) compare(c pageCoding, res *http.Response, body, got []byte, whole bool) error {
	if res.Header.Get("Content-Encoding") != c.token || res.Header.Get("Content-Type") != p.wantType {
		return fmt.Errorf("header %v, want coding %q and type %q", res.Header, c.token, p.wantType)
	}
	if isExact := res.ContentLength == int64(len(got)); whole && c.token == "" && !isExact {
		return fmt.Errorf("Content-Length %d of %d", res.ContentLength, len(got))
	}
	if !p.verdict.Injected {
		if !bytes.Equal(got, body) {
			return fmt.Errorf("left alone, but %d bytes became %d others", len(body), len(got))
		}
		return nil
	}
	decoder, err := c.decode(bytes.NewReader(got))
	if err != nil {
		return err
	}
	page, err := io.ReadAll(decoder)
	if err != nil || !bytes.Equal(page, p.want) {
		return fmt.Errorf("%d bytes became %d, markup at %d instead of %d, error %v", len(p.page), len(page),
			bytes.Index(page, inEncoding(pageMarkup, p.verdict.Encoding)), p.verdict.Offset, err)
	}
	return nil
}

// checkLog checks that there is a true line for every page.
func (s *pageSite) checkLog(t *testing.T) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	counts := make(map[string]int)
	s.answers.Range(func(path, answer any) bool {
		want, got := answer.(*pageAnswer).want, s.log.seen[path.(string)]
		if got != want {
			t.Errorf("%s: the log says inject=%s, want %s", path, got, want)
		}
		counts[got]++
		return true
	})
	t.Logf("answers by outcome: %v", counts)
}

// outcomes is the access log, reduced to what became of each path.
type outcomes struct {
	mu   sync.Mutex
	seen map[string]string // by path
}

func (o *outcomes) Enabled(context.Context, slog.Level) bool { return true }
func (o *outcomes) WithAttrs([]slog.Attr) slog.Handler       { return o }
func (o *outcomes) WithGroup(string) slog.Handler            { return o }

func (o *outcomes) Handle(_ context.Context, record slog.Record) error {
	line := make(map[string]string)
	record.Attrs(func(a slog.Attr) bool {
		line[a.Key] = a.Value.String()
		return true
	})
	path, err := url.PathUnescape(line["path"])
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen[path] = line["inject"]
	return err
}
