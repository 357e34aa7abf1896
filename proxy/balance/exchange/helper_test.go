package exchange

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A canned connection gives an answer in pieces, and takes any request.
type canned struct {
	rest []byte
	size func() int // of the next piece
	sent bytes.Buffer
	shut atomic.Bool
}

func (c *canned) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.size())], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *canned) Write(p []byte) (int, error)      { return c.sent.Write(p) }
func (c *canned) Close() error                     { c.shut.Store(true); return nil }
func (c *canned) LocalAddr() net.Addr              { return nil }
func (c *canned) RemoteAddr() net.Addr             { return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// cuts are ways to cut an answer.
var cuts = map[string]func() int{
	"whole":  func() int { return 1 << 20 },
	"single": func() int { return 1 },
	"random": func() int { return 1 + rand.IntN(40) },
}

// over returns a Transport whose only connection is c.
func over(c net.Conn) *Transport {
	return &Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
}

// hear returns what comes of answer; the body is read by step bytes.
func hear(t testing.TB, method, answer string, cut func() int, step int) (*http.Response, string, error) {
	t.Helper()
	c := &canned{rest: []byte(answer), size: cut}
	res, err := over(c).RoundTrip(request(t, method, nil))
	if err != nil {
		if !c.shut.Load() {
			t.Error("the connection is left open")
		}
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := readBy(res.Body, step)
	if err != nil && !c.shut.Load() {
		t.Error("the connection is left open")
	}
	return res, body, err
}

// readBy reads all of r, by step bytes at a time.
func readBy(r io.Reader, step int) (string, error) {
	var all bytes.Buffer
	_, err := io.CopyBuffer(struct{ io.Writer }{&all}, struct{ io.Reader }{r}, make([]byte, step))
	return all.String(), err
}

func request(t testing.TB, method string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://site.test/x?a=1;b", body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An origin runs talk for each connection; n counts them from 1.
type origin struct {
	*Transport
	conns atomic.Int64 // made
	open  atomic.Int64 // on our side
}

func play(t testing.TB, talk func(n int64, c net.Conn, in *bufio.Reader)) *origin {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{}
	o.Transport = &Transport{
		Addr: l.Addr().String(), MaxIdleConns: 64, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: time.Minute,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			o.open.Add(1)
			return &counted{TCPConn: c.(*net.TCPConn), open: &o.open}, nil
		},
	}
	var talks sync.WaitGroup
	talks.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := o.conns.Add(1)
			talks.Go(func() {
				defer c.Close()
				talk(n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		o.CloseIdleConnections()
		l.Close()
		talks.Wait()
		eventually(t, "connections are closed", func() bool { return o.open.Load() == 0 })
	})
	return o
}

type counted struct {
	*net.TCPConn
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.TCPConn.Close()
}

// serve starts an origin that is net/http's server.
func serve(t testing.TB, h http.HandlerFunc) *origin {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return play(t, func(_ int64, c net.Conn, _ *bufio.Reader) {
		over := make(chan struct{})
		l.conns <- &served{Conn: c, over: over}
		<-over
	})
}

type listener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

type served struct {
	net.Conn
	once sync.Once
	over chan struct{}
}

func (s *served) Close() error {
	s.once.Do(func() { close(s.over) })
	return s.Conn.Close()
}

// answering returns a talk that gives every request the same answer.
func answering(answer string) func(int64, net.Conn, *bufio.Reader) {
	return func(_ int64, c net.Conn, in *bufio.Reader) {
		for listen(in) {
			io.WriteString(c, answer)
		}
	}
}

// listen reads one request with its body, and reports whether there was one.
func listen(in *bufio.Reader) bool {
	r, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	io.Copy(io.Discard, r.Body)
	return true
}

func ask(tr http.RoundTripper, r *http.Request) (string, error) {
	res, err := tr.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	return readBy(res.Body, 4<<10)
}

// eventually waits until ok, for at most 10 s.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s: not after 10 s", what)
}

const okay = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
