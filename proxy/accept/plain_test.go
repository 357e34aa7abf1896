package accept

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"reflect"
	"sync"
	"testing"
	"time"
)

var plainHeads = []struct {
	name, head string
	plain      bool
}{
	{"page", good, true},
	{"browser", browser, true},
	{"any method", "M-SEARCH / HTTP/1.1\r\nHost: a.test\r\n\r\n", true},
	{"a method in lower case", "get / HTTP/1.1\r\nHost: a.test\r\n\r\n", true},
	{"POST without a body", "POST / HTTP/1.1\r\nHost: a.test\r\n\r\n", true},
	{"query", "GET /a%20b/?c=d&e=%zz;f HTTP/1.1\r\nHost: a.test\r\n\r\n", true},
	{"two slashes", "GET //b.test/c HTTP/1.1\r\nHost: a.test\r\n\r\n", true},
	{"three slashes", "GET ///b.test/c HTTP/1.1\r\nHost: a.test\r\n\r\n", true},
	{"a port and a user", "GET //u:p@b.test:80/ HTTP/1.1\r\nHost: a.test\r\n\r\n", true},
	{"fragment", "GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n", true},
	{"scheme in the path", "GET /http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", true},
	{"dots", "GET /../a/./b HTTP/1.1\r\nHost: a.test\r\n\r\n", true},
	{"bytes beyond ASCII", "GET /\xc3\xa9\xff HTTP/1.1\r\nHost: a.test\r\nX: \xe9\r\n\r\n", true},
	{"spaces around values", "GET / HTTP/1.1\r\nHost:\t a.test \r\nX:\t a  b \t\r\nY:\r\n\r\n", true},
	{"fields again", "GET / HTTP/1.1\r\nX: 1\r\nHost: a.test\r\nx: 2\r\nX: 3\r\nCookie: a\r\nCookie: b\r\n\r\n", true},
	{"colons", "GET / HTTP/1.1\r\nHost: a.test:8080\r\nX: a:b: c\r\n\r\n", true},
	{"IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", true},
	{"odd names", "GET / HTTP/1.1\r\nHost: a.test\r\n!#$%&'*+-.^_`|~: 1\r\n-x-: 2\r\n1a: 3\r\n\r\n", true},
	{"close", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Close\r\n\r\n", true},
	{"close in a list", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: x , close\r\n\r\n", true},
	{"close in the second line", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: x\r\nConnection: close\r\n\r\n", true},
	{"no close", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: closed, x-close\r\n\r\n", true},
	{"Pragma", "GET / HTTP/1.1\r\nHost: a.test\r\nPragma: no-cache\r\n\r\n", true},
	{"a name like Host", "GET / HTTP/1.1\r\nHost: a.test\r\nX-Host: b.test\r\nHost-: c\r\n\r\n", true},
	{"HTTP/2 settings", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: HTTP2-Settings\r\nHTTP2-Settings: AA\r\n\r\n", true},

	{"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", false},
	{"absolute form", "GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", false},
	{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", false},
	{"CONNECT", "CONNECT /a HTTP/1.1\r\nHost: a.test\r\n\r\n", false},
	{"no path", "GET ?a HTTP/1.1\r\nHost: a.test\r\n\r\n", false},
	{"malformed target", "GET /%zz HTTP/1.1\r\nHost: a.test\r\n\r\n", false},
	{"malformed Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", false},
	{"path in Host", "GET / HTTP/1.1\r\nHost: a.test/b\r\n\r\n", false},
	{"bytes beyond ASCII in Host", "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", false},
	{"upgrade", upgrade, false},
	{"h2c", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", false},
	{"expectation", "GET / HTTP/1.1\r\nHost: a.test\r\nexpect: 100-continue\r\n\r\n", false},
	{"length 0", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n", true},
	{"length", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 12\r\n\r\n", true},
	{"trailer", "GET / HTTP/1.1\r\nHost: a.test\r\nTrailer: X\r\n\r\n", false},
}

// What is answered without net/http is what net/http would have read.
func TestPlain(t *testing.T) {
	for _, tt := range plainHeads {
		t.Run(tt.name, func(t *testing.T) {
			if r := plain(t, []byte(tt.head)); (r != nil) != tt.plain {
				t.Errorf("plain is %v", r)
			}
		})
	}
	for _, tt := range heads {
		t.Run(tt.name, func(t *testing.T) { plain(t, []byte(tt.head)) })
	}
}

// plain returns the request that in begins with, if it is plain, and compares it
// with what net/http says.
func plain(t *testing.T, in []byte) *http.Request {
	t.Helper()
	var g guard
	n, fault := g.admit(in)
	if fault != nil || n == 0 || !g.began {
		return nil
	}
	n = g.head.pos
	head := bytes.Clone(in[:n])
	r := parsePlain(t.Context(), &g.head, head)
	clear(head) // it is someone else's buffer
	if r == nil {
		return nil
	}
	if r.Body != http.NoBody || len(r.TransferEncoding) > 0 {
		t.Errorf("%q: there is a body", in)
	}
	want, status := handed(in[:n])
	if want == nil {
		t.Fatalf("%q: net/http answers %d", in, status)
	}
	if _, ok := r.Header["Cache-Control"]; !ok && r.Header.Get("Pragma") == "no-cache" {
		delete(want.Header, "Cache-Control") // net/http adds it
	}
	for name, values := range r.Header {
		if len(values) == 1 && cap(values) > 1 {
			t.Errorf("%q: what is appended to %s goes to another field", in, name)
		}
	}
	if got, want := essence(r), essence(want); !reflect.DeepEqual(got, want) {
		t.Errorf("%q: got\n%q, net/http\n%q", in, got, want)
	}
	return r
}

// essence is what a handler can see of a request's head.
func essence(r *http.Request) []any {
	return []any{r.Method, *r.URL, r.URL.String(), r.RequestURI, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host, r.Header, r.Close, r.Trailer, r.ContentLength}
}

// handed returns the request as net/http's server hands it to a handler, or nil
// and its answer.
func handed(head []byte) (r *http.Request, status int) {
	c := &recorded{in: bytes.NewReader(head), closed: make(chan bool)}
	s := &http.Server{ErrorLog: log.New(io.Discard, "", 0), DisableGeneralOptionsHandler: true,
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) { r = got.Clone(got.Context()) })}
	q := newQueue()
	go s.Serve(q)
	q.put(c)
	<-c.closed
	s.Close()
	if res, err := http.ReadResponse(bufio.NewReader(&c.out), nil); err == nil {
		status = res.StatusCode
	}
	return r, status
}

// recorded is the connection of a client that sends a head and no more.
type recorded struct {
	net.Conn
	in     io.Reader
	out    bytes.Buffer
	once   sync.Once
	closed chan bool
}

func (c *recorded) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *recorded) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *recorded) Close() error                     { c.once.Do(func() { close(c.closed) }); return nil }
func (c *recorded) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *recorded) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *recorded) SetDeadline(time.Time) error      { return nil }
func (c *recorded) SetReadDeadline(time.Time) error  { return nil }
func (c *recorded) SetWriteDeadline(time.Time) error { return nil }

// FuzzPlain: what is answered without net/http is what net/http would have read,
// and nothing that it would have refused.
func FuzzPlain(f *testing.F) {
	for _, tt := range plainHeads {
		f.Add([]byte(tt.head))
	}
	for _, tt := range heads {
		f.Add([]byte(tt.head))
	}
	f.Fuzz(func(t *testing.T, in []byte) { plain(t, in) })
}
