package multiplex_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// An act is what a handler does. It returns an error as the ResponseWriter does.
type act struct {
	name string
	do   func(w http.ResponseWriter) error
}

func set(k, v string) act {
	return act{fmt.Sprintf("set %s=%.20s", k, v), func(w http.ResponseWriter) error {
		w.Header().Set(k, v)
		return nil
	}}
}

func addTo(k, v string) act {
	return act{"add " + k + "=" + v, func(w http.ResponseWriter) error {
		w.Header().Add(k, v)
		return nil
	}}
}

func status(code int) act {
	return act{fmt.Sprint("status ", code), func(w http.ResponseWriter) error {
		w.WriteHeader(code)
		return nil
	}}
}

func write(n int) act {
	return act{fmt.Sprint("write ", n), func(w http.ResponseWriter) error {
		if _, err := w.Write(page(n)); n > 0 {
			return err
		}
		return nil // even where there is no body
	}}
}

var flush = act{"flush", func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() }}

var abort = act{"abort", func(http.ResponseWriter) error { panic(http.ErrAbortHandler) }}

// page returns n bytes of which few repeat.
func page(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 8)
	}
	return b
}

// A program is what a handler does with a request.
type program struct {
	method string
	acts   []act
}

func (p program) String() string {
	s := p.method
	for _, a := range p.acts {
		s += "; " + a.name
	}
	return s
}

// run returns the answer, and which acts failed.
func (p program) run(t testing.TB, i implementation) (a *answer, failed []string) {
	t.Helper()
	done := make(chan bool)
	c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		if _, ok := w.(http.Flusher); !ok {
			t.Error("no Flusher")
		}
		for n, act := range p.acts {
			if err := act.do(w); err != nil {
				failed = append(failed, fmt.Sprint(n, " ", errors.Is(err, http.ErrBodyNotAllowed)))
			}
		}
	})
	c.headers(1, true, request(p.method, "/")...)
	a = c.answer(1)
	soon(t, "the handler's end", done)
	return a, failed
}

// tolerate takes away what implementations may do in their own way.
func (a *answer) tolerate(method string) {
	delete(a.header, "Date")
	if a.header["X-Typed"] == nil {
		delete(a.header, "Content-Type") // a guess, unless it was set
	}
	if n := a.header.Get("Content-Length"); method != http.MethodHead && n == strconv.Itoa(len(a.body)) || method == http.MethodHead && a.header["X-Length"] == nil {
		delete(a.header, "Content-Length")
	}
	if a.status == "204" {
		delete(a.header, "Content-Length") // the oracle keeps it
	}
	if len(a.header["Trailer"]) == 0 {
		delete(a.header, "Trailer")
	}
	if len(a.trailer) == 0 || a.status == "204" || a.status == "304" {
		a.trailer = nil // what has no body may be over with its header
	}
}

func (a *answer) String() string {
	return fmt.Sprintf("%q %s %v, %d bytes, trailer %v, %s", a.interim, a.status, a.header, len(a.body), a.trailer, a.end)
}

// misfits reports whether the body is not as long as the handler declared. Then the
// oracle ends some responses as if they were whole, which must not be.
func (a *answer) misfits(method string) bool {
	n := a.header.Get("Content-Length")
	return n != "" && method != http.MethodHead && a.status != "304" && a.status != "204" && n != strconv.Itoa(len(a.body))
}

// check runs p everywhere, and compares.
func (p program) check(t testing.TB) {
	t.Helper()
	want, refused := p.run(t, implementations[0])
	misfits := want.misfits(p.method)
	for _, i := range implementations[1:] {
		got, failed := p.run(t, i)
		if got.misfits(p.method) && got.end == "END_STREAM" {
			t.Errorf("%v\n%s: %v, which is not what was declared", p, i.name, got)
		}
		if got.status == "204" && got.header["Content-Length"] != nil { // RFC 9110 8.6
			t.Errorf("%v\n%s: %v, a length of no content", p, i.name, got)
		}
		if misfits || got.misfits(p.method) {
			continue
		}
		if p.method == http.MethodHead && strings.HasPrefix(got.end, "RST") {
			continue // a handler that aborts, whose header need not have been sent
		}
		got.tolerate(p.method)
		want.tolerate(p.method)
		if strings.HasPrefix(want.end, "RST") && got.end == want.end {
			if want.status != "" && got.status != "" && got.status != want.status {
				t.Errorf("%v\n%s: %v\nwant %v", p, i.name, got, want)
			}
			continue // how much came before does not matter
		}
		if p.method == http.MethodHead {
			failed = refused // the oracle's streams may be over before their handlers
		}
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(failed, refused) {
			t.Errorf("%v\n%s: %v, failed %v\nwant %v, failed %v", p, i.name, got, failed, want, refused)
		}
	}
}

// trailerPrefix is for trailers that were not announced.
const trailerPrefix = http.TrailerPrefix

var programs = []struct {
	name string
	program
	want string // of the oracle
}{
	{"nothing", program{"GET", nil}, `[] 200 map[], 0 bytes, trailer map[], END_STREAM`},
	{"a page", program{"GET", []act{set("X-Typed", "1"), set("Content-Type", "text/html"), write(100)}}, `[] 200 map[Content-Type:[text/html] X-Typed:[1]], 100 bytes, trailer map[], END_STREAM`},
	{"a long page", program{"GET", []act{write(100), write(100000), write(1)}}, `[] 200 map[], 100101 bytes, trailer map[], END_STREAM`},
	{"pieces", program{"GET", []act{write(1), flush, write(5000), flush, flush, write(3)}}, `[] 200 map[], 5004 bytes, trailer map[], END_STREAM`},
	{"status", program{"GET", []act{status(404), write(5)}}, `[] 404 map[], 5 bytes, trailer map[], END_STREAM`},
	{"status twice", program{"GET", []act{status(404), status(200)}}, `[] 404 map[], 0 bytes, trailer map[], END_STREAM`},
	{"header after the status", program{"GET", []act{set("X", "1"), status(200), set("X", "2"), set("Y", "1"), write(1)}}, `[] 200 map[X:[1]], 1 bytes, trailer map[], END_STREAM`},
	{"several values", program{"GET", []act{addTo("Set-Cookie", "a"), addTo("Set-Cookie", "b"), write(1)}}, `[] 200 map[Set-Cookie:[a b]], 1 bytes, trailer map[], END_STREAM`},
	{"early hints", program{"GET", []act{set("Link", "</a>"), status(103), set("Link", "</b>"), status(103), status(102), set("Link", "</c>"), write(1)}},
		`["103 </a>" "103 </b>" "102 </b>"] 200 map[Link:[</c>]], 1 bytes, trailer map[], END_STREAM`},
	{"head", program{"HEAD", []act{write(100)}}, ``},
	{"head with length", program{"HEAD", []act{set("X-Length", "1"), set("Content-Length", "7")}}, `[] 200 map[Content-Length:[7] X-Length:[1]], 0 bytes, trailer map[], END_STREAM`},
	{"head of a long page", program{"HEAD", []act{write(100000), flush, write(5)}}, ``},
	{"no content", program{"GET", []act{status(204), write(5)}}, `[] 204 map[], 0 bytes, trailer map[], END_STREAM`},
	{"not modified", program{"GET", []act{set("Etag", "x"), status(304), write(5)}}, `[] 304 map[Etag:[x]], 0 bytes, trailer map[], END_STREAM`},
	{"no content with length", program{"GET", []act{set("Content-Length", "7"), status(204)}}, `[] 204 map[], 0 bytes, trailer map[], END_STREAM`},
	{"not modified with length", program{"GET", []act{set("Content-Length", "7"), status(304)}}, `[] 304 map[Content-Length:[7]], 0 bytes, trailer map[], END_STREAM`},
	{"right length", program{"GET", []act{set("Content-Length", "7"), write(3), flush, write(4)}}, `[] 200 map[], 7 bytes, trailer map[], END_STREAM`},
	{"length too short", program{"GET", []act{set("Content-Length", "7"), write(3), flush, write(5)}}, ``},
	{"length too long", program{"GET", []act{set("Content-Length", "7"), write(3)}}, ``},
	{"length that is none", program{"GET", []act{set("Content-Length", "x"), write(3)}}, `[] 200 map[], 3 bytes, trailer map[], END_STREAM`},
	{"trailers", program{"GET", []act{set("Trailer", "X, Y"), set("A", "1"), write(3), set("X", "1"), set("Z", "1")}}, `[] 200 map[A:[1] Trailer:[X, Y]], 3 bytes, trailer map[X:[1]], END_STREAM`},
	{"trailers without body", program{"GET", []act{set("Trailer", "X"), status(200), set("X", "1")}}, `[] 200 map[Trailer:[X]], 0 bytes, trailer map[X:[1]], END_STREAM`},
	{"trailers by prefix", program{"GET", []act{write(3), flush, set(trailerPrefix+"X", "1"), addTo(trailerPrefix+"X", "2")}}, `[] 200 map[], 3 bytes, trailer map[X:[1 2]], END_STREAM`},
	{"trailers by prefix, nothing sent", program{"GET", []act{set(trailerPrefix+"X", "1"), write(3)}}, `[] 200 map[], 3 bytes, trailer map[X:[1]], END_STREAM`},
	{"trailers announced, none set", program{"GET", []act{set("Trailer", "X"), write(3), flush}}, `[] 200 map[Trailer:[X]], 3 bytes, trailer map[], END_STREAM`},
	{"trailers that must not be", program{"GET", []act{set("Trailer", "Content-Length, X"), write(3), flush, set("X", "1")}}, `[] 200 map[Trailer:[Content-Length, X]], 3 bytes, trailer map[X:[1]], END_STREAM`},
	{"trailers of head", program{"HEAD", []act{set("Trailer", "X"), write(3), set("X", "1")}}, ``},
	{"connection's fields", program{"GET", []act{set("Connection", "keep-alive"), set("Transfer-Encoding", "chunked"), write(3)}}, `[] 200 map[], 3 bytes, trailer map[], END_STREAM`},
	{"invalid fields", program{"GET", []act{set("X a", "1"), set("Y", "a\nb"), set("Ä", "1"), set("Z", "ä"), write(3)}}, `[] 200 map[Z:[ä]], 3 bytes, trailer map[], END_STREAM`},
	{"a long header", program{"GET", []act{set("X", strings.Repeat("x", 40000)), write(3)}}, ``},
	{"date", program{"GET", []act{set("Date", "x"), write(3)}}, `[] 200 map[], 3 bytes, trailer map[], END_STREAM`},
	{"abort", program{"GET", []act{abort}}, `[]  map[], 0 bytes, trailer map[], RST_STREAM INTERNAL_ERROR`},
	{"abort after a piece", program{"GET", []act{write(3), flush, abort}}, `[] 200 map[], 3 bytes, trailer map[], RST_STREAM INTERNAL_ERROR`},
}

// A client gets what it gets of the oracle.
func TestResponse(t *testing.T) {
	for _, test := range programs {
		t.Run(test.name, func(t *testing.T) {
			a, _ := test.run(t, implementations[0])
			a.tolerate(test.method)
			if got := a.String(); test.want != "" && got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
			test.check(t)
		})
	}
}

// A response has a date, and a length if it is known.
func TestAddedFields(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		a, _ := program{"GET", []act{write(100)}}.run(t, i)
		if _, err := http.ParseTime(a.header.Get("Date")); err != nil || a.header.Get("Content-Length") != "100" {
			t.Errorf("%v", a)
		}
		a, _ = program{"GET", []act{set("Date", "x"), write(100)}}.run(t, i)
		if d := a.header["Date"]; len(d) != 1 || d[0] != "x" {
			t.Errorf("dates %q", d)
		}
	})
}

// WriteHeader does not take what is no status.
func TestInvalidStatus(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		for _, code := range []int{-1, 0, 99, 1000} {
			if a, _ := (program{"GET", []act{status(code)}}).run(t, i); a.end != "RST_STREAM INTERNAL_ERROR" {
				t.Errorf("%d: %v", code, a)
			}
		}
	})
}

// A handler that is done has no more to say; a client that waits for it does not see it.
func TestWriteAfterEnd(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		if i.name == "oracle" {
			t.Skip("nothing is missing: x/net's server, which is asked with -oracle only, panics")
		}
		kept := make(chan http.ResponseWriter, 1)
		c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/keep" {
				kept <- w
			}
			io.WriteString(w, r.URL.Path)
		})
		c.get(1, "/keep")
		c.answer(1)
		c.pong()
		if _, err := (<-kept).Write(page(10)); err == nil {
			t.Error("no error")
		}
		c.get(3, "/other")
		if a := c.answer(3); string(a.body) != "/other" {
			t.Errorf("%v", a)
		}
	})
}

// improvise returns a program of at most 8 acts.
func improvise(random *rand.Rand) program {
	p := program{method: []string{"GET", "GET", "GET", "POST", "HEAD"}[random.IntN(5)]}
	for range random.IntN(9) {
		p.acts = append(p.acts, improviseAct(random))
	}
	return p
}

func improviseAct(random *rand.Rand) act {
	names := []string{"X", "Y", "Link", "Trailer", trailerPrefix + "T", "Etag"}
	values := []string{"", "1", "X", "X, Y", "Y, X-Late", "</a>; rel=preload"}
	switch random.IntN(12) {
	case 0, 1, 2:
		return set(names[random.IntN(len(names))], values[random.IntN(len(values))])
	case 3:
		return status([]int{200, 404, 204, 304, 500, 103, 102, 299}[random.IntN(8)])
	case 4, 5, 6, 7:
		return write([]int{0, 1, 10, 4095, 4096, 4097, 16384, 32768, 32769, 50000, 100000}[random.IntN(11)])
	case 8, 9:
		return flush
	case 10:
		return set("Content-Length", []string{"0", "10", "11", "4106"}[random.IntN(4)])
	}
	if random.IntN(4) == 0 {
		return abort
	}
	return addTo(names[random.IntN(len(names))], values[random.IntN(len(values))])
}

// TestRandomResponses is FuzzResponse for a while.
func TestRandomResponses(t *testing.T) {
	for seed := range uint64(500) {
		if improvise(newRandom(seed)).check(t); t.Failed() {
			t.Fatalf("of seed %d", seed)
		}
	}
}

// FuzzResponse has a handler do what it likes.
func FuzzResponse(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { improvise(newRandom(seed)).check(t) })
}
