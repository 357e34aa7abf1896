package answer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire is a Conn that keeps what is written to it.
type wire struct {
	bytes.Buffer
	last   bool
	writes int
	failAt int  // this write fails, and so do all behind it; 0: none does
	short  bool // and the first of them says nothing of it
}

var errWire = errors.New("the wire is cut")

func (c *wire) Write2(p, q []byte) (n int, err error) {
	c.writes++
	if c.failAt == 0 || c.writes < c.failAt {
		c.Write(p)
		c.Write(q)
		return len(p) + len(q), nil
	}
	n, _ = c.Write(p[:len(p)/2])
	if c.short && c.writes == c.failAt {
		return n, nil
	}
	return n, errWire
}

func (c *wire) SetReadDeadline(time.Time) error  { return nil }
func (c *wire) SetWriteDeadline(time.Time) error { return nil }
func (c *wire) Last() bool                       { return c.last }

// A handler answers, and says with note what its calls returned.
type handler func(w http.ResponseWriter, note func(...any))

// outcome is an exchange as a client sees it.
type outcome struct {
	interim []string
	status  string
	header  http.Header
	body    string
	whole   bool // the body has an end
	chunked bool
	trailer http.Header
	kept    bool // the connection may have another request
	notes   []string
	rest    []byte // behind the answer
}

// ours answers with a Writer.
func ours(h handler, method string, c *wire) outcome {
	w := New(c, method)
	var notes []string
	done := func() (done bool) {
		defer func() { recover() }()
		h(w, func(what ...any) { notes = append(notes, fmt.Sprint(what...)) })
		return true
	}()
	kept := false
	if done {
		kept = w.Finish()
	} else {
		w.Abort()
	}
	o := parse(c.Bytes(), method)
	o.kept, o.notes = kept, notes
	return o
}

// theirs answers with net/http's server, which gets a second request, too.
func theirs(h handler, method string, last bool) outcome {
	connection := ""
	if last {
		connection = "Connection: close\r\n"
	}
	c := &memory{in: strings.NewReader(method + " / HTTP/1.1\r\nHost: a\r\n" + connection + "\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n"), closed: make(chan bool)}
	var notes []string
	s := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/next" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		h(w, func(what ...any) { notes = append(notes, fmt.Sprint(what...)) })
	})}
	l := &single{conn: c, closed: make(chan bool)}
	go s.Serve(l)
	<-c.closed
	s.Close()
	o := parse(c.out.Bytes(), method)
	o.kept, o.notes = bytes.HasPrefix(o.rest, []byte("HTTP/1.1 418 ")), notes
	return o
}

// parse reads what a client would get.
func parse(raw []byte, method string) (o outcome) {
	in := bytes.NewReader(raw)
	br := bufio.NewReader(in)
	for {
		res, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			return o
		}
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			o.interim = append(o.interim, fmt.Sprint(res.Status, res.Header))
			continue
		}
		body, err := io.ReadAll(res.Body)
		o.status, o.header, o.trailer, o.body, o.whole = res.Status, res.Header, res.Trailer, string(body), err == nil
		o.chunked = len(res.TransferEncoding) > 0
		o.rest, _ = io.ReadAll(br)
		return o
	}
}

// same fails the test where a client could tell the two apart, but for what the
// package comment says.
func same(t *testing.T, got, want outcome) {
	t.Helper()
	if !reflect.DeepEqual(got.interim, want.interim) {
		t.Errorf("interim answers %.300q, net/http %.300q", got.interim, want.interim)
	}
	if got.status != want.status || got.whole != want.whole || got.kept != want.kept {
		t.Errorf("%q, whole %v, kept %v; net/http %q, %v, %v", got.status, got.whole, got.kept, want.status, want.whole, want.kept)
	}
	if got.body != want.body {
		t.Errorf("%d bytes, net/http %d: %.100q, %.100q", len(got.body), len(want.body), got.body, want.body)
	}
	if len(got.rest) > 0 {
		t.Errorf("behind the answer: %.100q", got.rest)
	}
	if !reflect.DeepEqual(got.notes, want.notes) {
		t.Errorf("calls return %q, net/http's %q", got.notes, want.notes)
	}
	sameHeader(t, got.header, want.header)
	sameTrailer(t, got, want)
}

func sameHeader(t *testing.T, got, want http.Header) {
	t.Helper()
	got, want = maps.Clone(got), maps.Clone(want)
	_, typed := got["Content-Type"]
	a, b := got.Get("Content-Length"), want.Get("Content-Length")
	if a != "" && b != "" && a != b {
		t.Errorf("length %q, net/http %q", a, b)
	}
	for _, h := range []http.Header{got, want} {
		delete(h, "Content-Length")
		delete(h, "Trailer") // http.ReadResponse leaves it there when there are no chunks
		if !typed {
			delete(h, "Content-Type")
		}
		if _, err := http.ParseTime(h.Get("Date")); err == nil {
			h.Set("Date", "a date")
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("header %.500q, net/http %.500q", got, want)
	}
}

// sameTrailer compares trailers. net/http leaves out those that nobody has
// announced when it gives a length.
func sameTrailer(t *testing.T, got, want outcome) {
	t.Helper()
	if got.chunked && !want.chunked {
		return
	}
	for _, o := range []outcome{got, want} {
		maps.DeleteFunc(o.trailer, func(_ string, values []string) bool { return len(values) == 0 })
	}
	if fmt.Sprint(got.trailer) != fmt.Sprint(want.trailer) {
		t.Errorf("trailer %q, net/http %q", got.trailer, want.trailer)
	}
}

// memory is a connection to a client that sends requests, and then closes its
// side.
type memory struct {
	net.Conn
	in     io.Reader
	out    bytes.Buffer
	once   sync.Once
	closed chan bool
}

func (c *memory) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *memory) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *memory) Close() error                     { c.once.Do(func() { close(c.closed) }); return nil }
func (c *memory) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *memory) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *memory) SetDeadline(time.Time) error      { return nil }
func (c *memory) SetReadDeadline(time.Time) error  { return nil }
func (c *memory) SetWriteDeadline(time.Time) error { return nil }

// single is a listener for one connection.
type single struct {
	conn   net.Conn
	once   sync.Once
	closed chan bool
}

func (l *single) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *single) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *single) Addr() net.Addr { return &net.TCPAddr{} }
