package multiplex_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

// describe reads r, and returns what a handler sees of it.
func describe(r *http.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %d.%d\nurl %#v\nhost %q\nlength %d\ncodings %q, close %v\n", r.Method, r.RequestURI,
		r.Proto, r.ProtoMajor, r.ProtoMinor, *r.URL, r.Host, r.ContentLength, r.TransferEncoding, r.Close)
	show(&b, "header", r.Header)
	show(&b, "trailer announced", r.Trailer)
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(&b, "body %q, complete %v\n", body, err == nil)
	show(&b, "trailer", r.Trailer)
	return b.String()
}

func show(w io.Writer, what string, h http.Header) {
	for _, k := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(w, "%s %s: %q\n", what, k, h[k])
	}
}

// A sending is a request as a client sends it.
type sending struct {
	fields  []string
	body    []string // a frame each
	trailer []string
}

func (s sending) step(c *client) {
	c.headers(1, s.body == nil && s.trailer == nil, s.fields...)
	for n, b := range s.body {
		c.WriteData(1, n == len(s.body)-1 && s.trailer == nil, []byte(b))
	}
	if s.trailer != nil {
		c.headers(1, true, s.trailer...)
	}
}

// seen returns what the handler sees of s, unless it is refused, and the kind of the
// answer.
func (s sending) seen(t testing.TB, i implementation) (seen, kind string, a *answer) {
	t.Helper()
	saw := make(chan string, 2)
	c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
		d := describe(r)
		saw <- d
		if strings.Contains(d, "complete false") {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	s.step(c)
	_, kind = c.outcome()
	a = c.on(1)
	// The oracle may take the rest of what it has refused for frames on idle.
	if slices.Contains(slices.Concat(malformed, goAway(protocol)), kind) {
		c.hasty = i.name == "oracle"
		return "", "refused", a
	}
	return soon(t, "the handler", saw), kind, a
}

var sendings = []struct {
	name string
	sending
	want []string // lines that are seen
}{
	{"get", sending{fields: request("GET", "/a?b=c", "accept", "x")}, []string{"GET /a?b=c HTTP/2.0 2.0", `host "a.test"`, "length 0", `header Accept: ["x"]`}},
	{"any method", sending{fields: request("MKCOL", "/")}, []string{"MKCOL / HTTP/2.0 2.0"}},
	{"path as sent", sending{fields: request("GET", "//a/../b%2Fc%20d/?&=")}, []string{"GET //a/../b%2Fc%20d/?&= HTTP/2.0 2.0"}},
	{"asterisk", sending{fields: request("OPTIONS", "*")}, []string{"OPTIONS * HTTP/2.0 2.0"}},
	{"connect", sending{fields: []string{":method", "CONNECT", ":authority", "a.test:443"}}, []string{"CONNECT a.test:443 HTTP/2.0 2.0", `host "a.test:443"`}},
	{"scheme http", sending{fields: []string{":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "/"}}, []string{`host "a.test"`}},
	{"host", sending{fields: []string{":method", "GET", ":scheme", "https", ":path", "/", "host", "a.test"}}, []string{`host "a.test"`}},
	{"host and authority", sending{fields: request("GET", "/", "host", "a.test")}, []string{`host "a.test"`}},
	{"neither host nor authority", sending{fields: []string{":method", "GET", ":scheme", "https", ":path", "/"}}, []string{`host ""`}},
	{"cookies in crumbs", sending{fields: request("GET", "/", "cookie", "a=1", "x", "1", "cookie", "b=2", "cookie", "c=3")}, []string{`header Cookie: ["a=1; b=2; c=3"]`}},
	{"fields several times", sending{fields: request("GET", "/", "x", "1", "y", "", "x", "2")}, []string{`header X: ["1" "2"]`, `header Y: [""]`}},
	{"space around values", sending{fields: request("GET", "/", "x", " 1 ")}, nil},
	{"names in odd cases", sending{fields: request("GET", "/", "x_y", "1", "!#$%&'*+-.^_`|~", "1", "etag", "1", "x-2a-b", "1")}, []string{`header X_y: ["1"]`}},
	{"bytes beyond ASCII", sending{fields: request("GET", "/", "x", "\xe4\xff", "y", "ä\t ")}, nil},
	{"range of fetch fields", sending{fields: request("GET", "/", "sec-fetch-mode", "cors", "priority", "u=1", "user-agent", "x", "accept-encoding", "gzip, br")}, nil},
	{"body of known length", sending{fields: request("POST", "/", "content-length", "5"), body: []string{"abc", "de"}}, []string{"length 5", `body "abcde", complete true`}},
	{"body of unknown length", sending{fields: request("POST", "/"), body: []string{"abc", "", "de"}}, []string{"length -1", `body "abcde", complete true`}},
	{"empty body", sending{fields: request("POST", "/"), body: []string{""}}, []string{"length -1", `body "", complete true`}},
	{"body of length 0", sending{fields: request("POST", "/", "content-length", "0"), body: []string{""}}, []string{"length 0"}},
	{"content-length 0 without body", sending{fields: request("POST", "/", "content-length", "0")}, []string{"length 0", `header Content-Length: ["0"]`}},
	{"get with a body", sending{fields: request("GET", "/"), body: []string{"abc"}}, []string{`body "abc", complete true`}},
	{"expect", sending{fields: request("POST", "/", "expect", "100-continue"), body: []string{"abc"}}, []string{`body "abc", complete true`}},
	{"expect without body", sending{fields: request("GET", "/", "expect", "100-continue")}, nil},
	{"expect something else", sending{fields: request("POST", "/", "expect", "more"), body: []string{"abc"}}, []string{`header Expect: ["more"]`}},
	{"trailers", sending{fields: request("POST", "/", "trailer", "x, y", "trailer", "Z"), body: []string{"abc"}, trailer: []string{"x", "1", "y", "2", "x", "3"}},
		[]string{"trailer announced X: []", "trailer announced Z: []", `trailer X: ["1" "3"]`, `trailer Y: ["2"]`, "trailer Z: []"}},
	{"trailers not announced", sending{fields: request("POST", "/"), body: []string{"abc"}, trailer: []string{"x", "1"}}, nil},
	{"trailers that are none", sending{fields: request("POST", "/", "trailer", "content-length, trailer, transfer-encoding, x"), body: []string{"abc"}, trailer: []string{"x", "1"}}, nil},
	{"trailers without body", sending{fields: request("POST", "/", "trailer", "x"), trailer: []string{"x", "1"}}, []string{`trailer X: ["1"]`}},
	{"trailers with content-length", sending{fields: request("POST", "/", "trailer", "x", "content-length", "3"), body: []string{"abc"}, trailer: []string{"x", "1"}}, []string{"length 3", `trailer X: ["1"]`}},
}

// What a handler sees is what it sees of the oracle.
func TestRequest(t *testing.T) {
	for _, test := range sendings {
		t.Run(test.name, func(t *testing.T) {
			want, kind, first := test.seen(t, implementations[0])
			for _, line := range test.want {
				if !slices.Contains(strings.Split(want, "\n"), line) {
					t.Errorf("no line %s in\n%s", line, want)
				}
			}
			for _, i := range implementations[1:] {
				if got, k, a := test.seen(t, i); got != want || k != kind || test.body != nil && !slices.Equal(a.interim, first.interim) {
					t.Errorf("%s: %s %q\n%s\nwant %s %q\n%s", i.name, k, a.interim, got, kind, first.interim, want)
				}
			}
		})
	}
}

// A client that expects it is told to go on when the handler reads, and not before.
func TestContinue(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		read := make(chan bool)
		c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/read" {
				<-read
				io.Copy(w, r.Body)
			}
		})
		c.post(1, "/read", "expect", "100-continue")
		c.pong()
		if got := c.on(1).interim; got != nil {
			t.Errorf("told %q before", got)
		}
		close(read)
		c.until("100", func() bool { return len(c.on(1).interim) > 0 })
		c.WriteData(1, true, []byte("abc"))
		if a := c.answer(1); string(a.body) != "abc" || !slices.Equal(a.interim, []string{"100"}) {
			t.Errorf("%+v", a)
		}
		c.post(3, "/not", "expect", "100-continue")
		if a := c.answer(3); a.status != "200" || a.interim != nil {
			t.Errorf("%+v", a)
		}
	})
}

// pieces of what fuzzing makes requests of, by the value of a byte.
var pieces = []string{
	":method", ":scheme", ":path", ":authority", ":status", ":protocol", "GET", "POST", "CONNECT", "OPTIONS", "https", "http", "/", "*", "/a?b", "a.test",
	"host", "cookie", "a=1", "te", "trailers", "trailer", "x", "content-length", "0", "3", "expect", "100-continue", "connection", "upgrade", "", "X",
	"transfer-encoding", "chunked", "keep-alive", "a b", "a\r\nb", "\x00", "\xff", "content-type", "text/html", "b.test:80", "u@a.test", "/%zz", "//", "a, x", "-1", "+3",
}

// decode makes a request of b: a plain one unless the first byte is odd, more
// fields, and frames for its body.
func decode(b []byte) (s sending) {
	take := func() string {
		if len(b) == 0 {
			return ""
		}
		p := pieces[int(b[0])%len(pieces)]
		b = b[1:]
		return p
	}
	if len(b) < 2 {
		return sending{fields: request("GET", "/")}
	}
	kind, frames := b[0], b[1]
	if b = b[2:]; kind&1 == 0 {
		s.fields = request([]string{"GET", "POST"}[kind>>1&1], "/")
	}
	for range frames & 3 {
		s.body = append(s.body, strings.Repeat("x", int(frames>>2&3)))
	}
	if frames&0x10 != 0 {
		s.trailer = []string{take(), take()}
	}
	for len(b) > 0 && len(s.fields) < 60 {
		s.fields = append(s.fields, take(), take())
	}
	return s
}

// loose reports whether s has something on which implementations may differ: a
// Content-Length that does not fit, which RFC 9113 8.1.1 calls malformed while the
// oracle waits until the body is read, and trailers that must not be.
func (s sending) loose() bool {
	length, lengths := 0, 0
	for _, b := range s.body {
		length += len(b)
	}
	for i := 0; i+1 < len(s.fields); i += 2 {
		switch s.fields[i] {
		case "content-length":
			if lengths++; lengths > 1 || s.fields[i+1] != strconv.Itoa(length) {
				return true
			}
		case ":protocol":
			return true
		}
	}
	return s.trailer != nil && !httpguts.ValidTrailerHeader(http.CanonicalHeaderKey(s.trailer[0]))
}

// FuzzRequest makes requests of b, and compares what handlers see of them.
func FuzzRequest(f *testing.F) {
	for _, b := range []string{"\x00\x00", "\x02\x05\x17\x19", "\x01\x00\x00\x06\x01\x0a\x02\x0c", "\x02\x15\x16\x19\x15\x16", "\x00\x00\x11\x12\x11\x12", "\x00\x00\x10\x0f\x1d\x16"} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		compare(t, decode(b))
	})
}

// TestRandomRequests is FuzzRequest for a while.
func TestRandomRequests(t *testing.T) {
	random := newRandom(1)
	for range 300 {
		b := make([]byte, 2+2*random.IntN(6))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		if compare(t, decode(b)); t.Failed() {
			t.Fatalf("made of %q", b)
		}
	}
}

func compare(t *testing.T, s sending) {
	want, kind, _ := s.seen(t, implementations[0])
	for _, i := range implementations[1:] {
		got, k, _ := s.seen(t, i)
		if (got != want || k != kind) && !s.loose() {
			t.Errorf("%q\n%s: %s\n%s\nwant %s\n%s", s, i.name, k, got, kind, want)
		}
	}
}
