package exchange

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ctlive/proxy/socket"
)

func TestReuse(t *testing.T) { // RFC 9112 9.3; edge 22
	for _, c := range []struct {
		name, method, answer string
		again                bool
	}{
		{"length", "GET", okay, true},
		{"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", true},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", true},
		{"length 0", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
		{"HTTP/1.0, kept", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", true},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false},
		{"close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false},
		{"more than the length", "GET", okay + okay, false},
		{"more than the chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + okay, false},
		{"a body for HEAD", "HEAD", okay, false},
		{"a body for 204", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", false},
		{"far more", "GET", okay + strings.Repeat(okay, 1000), false},
		{"one byte more", "GET", okay + "\n", false},
	} {
		for _, step := range []int{1, 4 << 10} {
			t.Run(fmt.Sprint(c.name, "/", step), func(t *testing.T) {
				o := play(t, answering(c.answer))
				for range 4 {
					res, err := o.RoundTrip(request(t, c.method, nil))
					if err != nil {
						t.Fatal(err)
					}
					if body, err := readBy(res.Body, step); err != nil || body != "ok" && body != "" {
						t.Fatalf("%q, %v", body, err)
					}
					res.Body.Close()
				}
				if n := o.conns.Load(); n != map[bool]int64{true: 1, false: 4}[c.again] {
					t.Errorf("%d connections for 4 requests", n)
				}
			})
		}
	}
}

// What the origin does with an idle connection is seen before it is used again.
func TestIdleIsLookedAt(t *testing.T) { // edge 22, 63
	for _, c := range []struct {
		name string
		do   func(net.Conn)
	}{
		{"it speaks", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") }},
		{"it hangs up", func(c net.Conn) { c.Close() }},
		{"it resets", func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			done := make(chan struct{}, 1)
			next := make(chan struct{})
			o := play(t, func(n int64, conn net.Conn, in *bufio.Reader) {
				for listen(in) {
					io.WriteString(conn, okay)
					if n == 1 {
						<-next
						c.do(conn)
						done <- struct{}{}
					}
				}
			})
			if got, err := ask(o, request(t, "POST", nil)); got != "ok" {
				t.Fatalf("%q, %v", got, err)
			}
			close(next)
			<-done
			eventually(t, "it has arrived", func() bool { return !o.idle[0].quiet() })
			if got, err := ask(o, request(t, "POST", nil)); got != "ok" || o.conns.Load() != 2 {
				t.Errorf("%q, %v on connection %d", got, err, o.conns.Load())
			}
		})
	}
}

func TestNotReadToTheEnd(t *testing.T) {
	o := play(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nokay"))
	for range 3 {
		res, err := o.RoundTrip(request(t, "GET", nil))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Read(make([]byte, 2))
		res.Body.Close()
		if _, err := res.Body.Read(make([]byte, 2)); err != http.ErrBodyReadAfterClose {
			t.Errorf("read after close: %v", err)
		}
	}
	if n := o.conns.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

func TestSlowHeader(t *testing.T) {
	for _, c := range []struct{ name, drip string }{
		{"nothing", ""}, {"byte by byte", okay}, {"hints without end", strings.Repeat("HTTP/1.1 103 x\r\n\r\n", 1000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			over := make(chan struct{})
			o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
				listen(in)
				for i := range len(c.drip) {
					if _, err := io.WriteString(conn, c.drip[i:i+1]); err != nil {
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
				<-over
			})
			defer close(over)
			o.ResponseHeaderTimeout = 50 * time.Millisecond
			for _, body := range []io.Reader{nil, strings.NewReader("ab"), io.MultiReader(strings.NewReader("ab"))} {
				_, err := ask(o, request(t, "POST", body))
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

func TestOtherProtocol(t *testing.T) { // edge 22
	over := make(chan struct{})
	defer close(over)
	o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
		listen(in)
		io.WriteString(conn, "220 mail")
		<-over // it waits for us
	})
	if _, err := ask(o, request(t, "GET", nil)); !errors.Is(err, errMalformed) {
		t.Errorf("%v", err)
	}
}

func TestSlowBodyIsNotLate(t *testing.T) {
	o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
		listen(in)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
		time.Sleep(100 * time.Millisecond)
		io.WriteString(conn, "ok")
	})
	o.ResponseHeaderTimeout = 50 * time.Millisecond
	if got, err := ask(o, request(t, "GET", nil)); got != "ok" && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCancel(t *testing.T) {
	reason := errors.New("the visitor has gone")
	for _, c := range []struct {
		name    string
		visitor int    // major version of HTTP
		tied    bool   // to the request
		before  string // what the origin says before it hangs
	}{
		{"before the header", 1, false, ""}, {"in the header", 1, false, "HTTP/1.1 2"}, {"in the body", 1, false, okay[:len(okay)-1]},
		{"stream before the header", 2, false, ""}, {"stream in the header", 3, false, "HTTP/1.1 2"}, {"stream in the body", 2, false, okay[:len(okay)-1]},
		{"tied before the header", 2, true, ""}, {"tied in the header", 2, true, "HTTP/1.1 2"}, {"tied in the body", 2, true, okay[:len(okay)-1]},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan struct{})
			o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
				listen(in)
				io.WriteString(conn, c.before)
				time.AfterFunc(10*time.Millisecond, func() { cancel(reason) })
				io.Copy(io.Discard, in)
				close(ended)
			})
			var waits context.Context = ctx
			if c.tied {
				waits = &tie{Context: ctx}
			}
			r := request(t, "GET", nil).WithContext(waits)
			r.ProtoMajor = c.visitor
			if _, err := ask(o, r); !errors.Is(err, reason) {
				t.Errorf("%v, want %v", err, reason)
			}
			<-ended
		})
	}
}

// A tie is a context as HTTP/2 has it, with one Tie.
type tie struct {
	context.Context
	busy, never bool
	ties        int
	stop        func() bool
}

func (t *tie) Value(key any) any {
	if key == (socket.TieKey{}) {
		return t
	}
	return t.Context.Value(key)
}

func (t *tie) Tie(c net.Conn) bool {
	if t.busy || t.never {
		return false
	}
	t.busy = true
	t.ties++
	t.stop = context.AfterFunc(t.Context, func() { c.Close() })
	return true
}

func (t *tie) Untie() bool {
	t.busy = false
	return t.stop()
}

// A connection is tied to one request at a time, and is there for the next.
func TestTie(t *testing.T) {
	for _, never := range []bool{false, true} {
		o := play(t, answering(okay))
		shared := &tie{Context: t.Context(), never: never}
		for n := range 3 {
			r := request(t, "GET", nil).WithContext(shared)
			r.ProtoMajor = 2
			if got, err := ask(o, r); got != "ok" || err != nil || o.conns.Load() != 1 {
				t.Errorf("%q, %v, on connection %d", got, err, o.conns.Load())
			}
			if want := n + 1; !never && shared.ties != want || shared.busy {
				t.Errorf("tied %d times, want %d; tied now: %v", shared.ties, want, shared.busy)
			}
		}
	}
}

func TestCancelWhileConnecting(t *testing.T) {
	o := play(t, answering(okay))
	dial, connect := o.DialContext, make(chan struct{})
	o.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		<-connect
		return dial(context.WithoutCancel(ctx), network, addr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := ask(o, request(t, "GET", nil).WithContext(ctx)); err != context.Canceled {
		t.Errorf("%v", err)
	}
	close(connect)
	eventually(t, "the connection is kept for the next", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.idle) == 1
	})
	if got, err := ask(o, request(t, "GET", nil)); got != "ok" || o.conns.Load() != 1 {
		t.Errorf("%q, %v on connection %d", got, err, o.conns.Load())
	}
}

// Of requests that have gone, no dial goes on to wait for its turn, whoever goes
// first and while others wait.
func TestNoDialForWhoHasGone(t *testing.T) {
	var dials atomic.Int64
	tr := &Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		dials.Add(1)
		defer dials.Add(-1)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	var requests sync.WaitGroup
	var leave []context.CancelFunc
	for n := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		leave = append(leave, cancel)
		requests.Go(func() { ask(tr, request(t, "GET", nil).WithContext(ctx)) })
		eventually(t, "it dials", func() bool { return dials.Load() == int64(n+1) })
	}
	for n, cancel := range leave {
		cancel()
		eventually(t, "the dial ends", func() bool { return dials.Load() == int64(len(leave)-n-1) })
	}
	requests.Wait()
}

// A request that waits for a connection takes one that another is done with.
func TestWaiterGetsWhatIsFree(t *testing.T) {
	o := play(t, answering(okay))
	res, err := o.RoundTrip(request(t, "GET", nil))
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	defer close(over)
	o.DialContext = func(context.Context, string, string) (net.Conn, error) {
		<-over
		return nil, net.ErrClosed
	}
	got := make(chan string)
	go func() {
		body, _ := ask(o, request(t, "GET", nil))
		got <- body
	}()
	eventually(t, "it waits", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.waiters.Len() == 1
	})
	readBy(res.Body, 512)
	if body := <-got; body != "ok" {
		t.Errorf("%q", body)
	}
}

func TestDialError(t *testing.T) {
	tr := &Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }}
	closed := &closing{Reader: strings.NewReader("x")}
	r := request(t, "POST", closed)
	if _, err := tr.RoundTrip(r); err != net.ErrClosed || !closed.is.Load() {
		t.Errorf("%v, body closed: %v", err, closed.is.Load())
	}
}

type closing struct {
	io.Reader
	is atomic.Bool
}

func (c *closing) Close() error { c.is.Store(true); return nil }

// Nobody waits for the second part before the first is out.
func TestStreams(t *testing.T) { // edge 70
	for name, c := range map[string]struct{ header, begin, end, last string }{
		"chunks":        {"Transfer-Encoding: chunked", "5\r\n", "\r\n", "0\r\n\r\n"},
		"until the end": {"X: y", "", "", ""},
		"length":        {"Content-Length: 25", "", "", ""},
	} {
		for _, step := range []int{64, 32 << 10} {
			t.Run(fmt.Sprint(name, "/", step), func(t *testing.T) {
				more := make(chan struct{})
				o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
					listen(in)
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+c.header+"\r\n\r\n")
					for range 5 {
						<-more
						io.WriteString(conn, c.begin+"piece"+c.end)
					}
					io.WriteString(conn, c.last)
				})
				res, err := o.RoundTrip(request(t, "GET", nil))
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				p := make([]byte, step)
				for range 5 {
					more <- struct{}{}
					if n, err := res.Body.Read(p); string(p[:n]) != "piece" || err != nil && err != io.EOF {
						t.Fatalf("%q, %v", p[:n], err)
					}
				}
				if n, err := res.Body.Read(p); n != 0 || err != io.EOF {
					t.Errorf("end: %d, %v", n, err)
				}
			})
		}
	}
}

func TestBodies(t *testing.T) {
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d%v%v ", r.ContentLength, r.TransferEncoding, err)
		w.Write(body)
	})
	for _, n := range []int{1, 5, maxInline, maxInline + 1, parcel - 1, parcel, parcel + 1, 300 << 10} {
		want := strings.Repeat("body", n)[:n]
		for name, c := range map[string]struct {
			body   io.Reader
			length int64
			head   string
		}{
			"at hand":         {strings.NewReader(want), int64(n), fmt.Sprintf("%d[]<nil> ", n)},
			"length":          {io.MultiReader(strings.NewReader(want)), int64(n), fmt.Sprintf("%d[]<nil> ", n)},
			"length, in bits": {&pieces{rest: want, size: 100}, int64(n), fmt.Sprintf("%d[]<nil> ", n)},
			"chunks":          {io.MultiReader(strings.NewReader(want)), -1, "-1[chunked]<nil> "},
			"chunks, in bits": {&pieces{rest: want, size: 100}, -1, "-1[chunked]<nil> "},
		} {
			r := request(t, "POST", c.body)
			r.ContentLength = c.length
			if got, err := ask(o, r); got != c.head+want {
				t.Errorf("%s of %d: %.40q, %d bytes, %v", name, n, got, len(got), err)
			}
		}
	}
	if n := o.conns.Load(); n > 20 { // an answer may be over before we know that the body is
		t.Errorf("%d connections for 40 requests", n)
	}
}

type pieces struct {
	rest string
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	n := copy(b[:min(len(b), p.size)], p.rest)
	p.rest = p.rest[n:]
	if p.rest == "" {
		return n, io.EOF
	}
	return n, nil
}

func TestBadBodies(t *testing.T) {
	bad := errors.New("bad framing")
	o := play(t, func(_ int64, c net.Conn, in *bufio.Reader) { io.Copy(io.Discard, in) })
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
		is     error
	}{
		{"breaks", io.MultiReader(strings.NewReader("x"), failing{bad}), 5, bad},
		{"breaks, in chunks", io.MultiReader(strings.NewReader("x"), failing{bad}), -1, bad},
		{"too short", io.MultiReader(strings.NewReader("x")), 5, nil},
		{"too long", io.MultiReader(strings.NewReader("longer")), 5, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t, "POST", c.body)
			r.ContentLength = c.length
			if _, err := ask(o, r); err == nil || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v, want %v", err, c.is)
			}
		})
	}
}

// An origin's bad answer is why a request fails, not that its body cannot be sent
// any more because of it.
func TestBadAnswerWhileSending(t *testing.T) {
	o := play(t, func(_ int64, c net.Conn, in *bufio.Reader) {
		in.ReadString('\n')
		io.WriteString(c, "SSH-2.0-x\r\n")
		io.Copy(io.Discard, in)
	})
	body := &endless{closed: make(chan struct{})}
	dial := o.DialContext
	o.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return &slowlyClosed{c, body.closed}, err
	}
	r := request(t, "POST", body)
	r.ContentLength = 1 << 40
	if _, err := ask(o, r); !errors.Is(err, errMalformed) {
		t.Errorf("%v", err)
	}
}

// A slowlyClosed connection is closed when who writes to it has noticed.
type slowlyClosed struct {
	net.Conn
	noticed chan struct{}
}

func (s *slowlyClosed) Close() error {
	err := s.Conn.Close()
	<-s.noticed
	return err
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// An answer that comes before the body's end is passed on at once. The body is
// closed, and so is the connection.
func TestEarlyAnswer(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(net.Conn, *bufio.Reader)
	}{
		{"origin hangs up", func(net.Conn, *bufio.Reader) {}},
		{"origin waits", func(_ net.Conn, in *bufio.Reader) { io.Copy(io.Discard, in) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
				in.ReadString('\n')
				io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
				c.then(conn, in)
			})
			body := &endless{closed: make(chan struct{})}
			r := request(t, "POST", body)
			r.ContentLength = 1 << 40
			if got, err := ask(o, r); got != "no" {
				t.Errorf("%q, %v", got, err)
			}
			select {
			case <-body.closed:
			case <-time.After(10 * time.Second):
				t.Error("the body is not closed")
			}
			eventually(t, "the connection is closed", func() bool { return o.open.Load() == 0 })
		})
	}
}

type endless struct{ closed chan struct{} }

func (e *endless) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return len(p), nil
}

func (e *endless) Close() error { close(e.closed); return nil }

// A body that ends after its answer does not cost the connection.
func TestBodyEndsAfterTheAnswer(t *testing.T) {
	o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			io.WriteString(conn, okay)
			io.Copy(io.Discard, r.Body)
		}
	})
	read, write := io.Pipe()
	if got, err := ask(o, request(t, "POST", read)); got != "ok" {
		t.Fatalf("%q, %v", got, err)
	}
	write.Close()
	eventually(t, "it is idle or given up", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.idle) == 1 || o.open.Load() == 0
	})
}

func TestUpgrade(t *testing.T) {
	o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
		listen(in)
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nready ")
		io.Copy(conn, in)
		io.WriteString(conn, " done")
	})
	ctx, cancel := context.WithCancel(t.Context())
	r := request(t, "GET", nil).WithContext(ctx)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	res, err := o.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	cancel() // the tunnel is the caller's
	tunnel := res.Body.(io.ReadWriteCloser)
	io.WriteString(tunnel, "hello")
	tunnel.(interface{ CloseWrite() error }).CloseWrite()
	if got, err := readBy(tunnel, 7); got != "ready hello done" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	tunnel.Close()
}

// A tunnel does not begin in the middle of a body, which would go on into it. One
// after the body does.
func TestUpgradeWithBody(t *testing.T) {
	const switches = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
	ask := func(o *origin, body io.Reader, length int64) (*http.Response, error) {
		r := request(t, "POST", body)
		r.ContentLength = length
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "x")
		return o.RoundTrip(r)
	}
	t.Run("early", func(t *testing.T) {
		o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
			in.ReadString('\n')
			io.WriteString(conn, switches)
			io.Copy(io.Discard, in)
		})
		body := &endless{closed: make(chan struct{})}
		if res, err := ask(o, body, 1<<40); !errors.Is(err, errEarlySwitch) {
			t.Errorf("%v, %v", res, err)
		}
		<-body.closed
		eventually(t, "the connection is closed", func() bool { return o.open.Load() == 0 })
	})
	t.Run("after the body", func(t *testing.T) {
		o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
			if listen(in) {
				io.WriteString(conn, switches)
				io.Copy(conn, in)
			}
		})
		for range 20 {
			res, err := ask(o, &pieces{rest: strings.Repeat("x", 100_000), size: 1 << 15}, 100_000)
			if err != nil {
				t.Fatal(err)
			}
			tunnel := res.Body.(io.ReadWriteCloser)
			io.WriteString(tunnel, "hello")
			got := make([]byte, 5)
			if _, err := io.ReadFull(tunnel, got); string(got) != "hello" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			tunnel.Close()
		}
	})
}

// A Close ends a Read that hangs.
func TestCloseEndsRead(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
		listen(in)
		io.WriteString(conn, okay[:len(okay)-1])
		<-over
	})
	res, err := o.RoundTrip(request(t, "GET", nil))
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(res.Body, make([]byte, 1))
	time.AfterFunc(10*time.Millisecond, func() { res.Body.Close() })
	if _, err := res.Body.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("%v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("requests", func(t *testing.T) {
		page := bytes.Repeat([]byte("0123456789abcdef"), 3<<10)
		o := serve(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if r.Method == "PUT" {
				w.(http.Flusher).Flush() // in chunks
			}
			w.Write(page)
		})
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				for n := range 40 {
					ctx, cancel := context.WithCancel(t.Context())
					method := []string{"GET", "POST", "PUT"}[(i+n)%3]
					var body io.Reader
					if method != "GET" {
						body = &pieces{rest: strings.Repeat("x", n*1000+1), size: 5000}
					}
					gone := n%8 == 7
					if gone {
						go cancel()
					}
					got, err := ask(o, request(t, method, body).WithContext(ctx))
					if !gone && (err != nil || got != string(page)) || err == nil && got != string(page) {
						t.Errorf("%s %d: %d bytes, %v", method, n, len(got), err)
					}
					cancel()
				}
			})
		}
		all.Wait()
	})
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before+1 })
}

func TestIdleConnectionsAreSwept(t *testing.T) {
	o := play(t, answering(okay))
	ask(o, request(t, "GET", nil))
	o.sweep()
	if len(o.idle) != 1 {
		t.Fatalf("%d idle, want 1", len(o.idle))
	}
	o.idle[0].since = time.Now().Add(-o.IdleConnTimeout)
	if o.sweep(); len(o.idle) != 0 || o.open.Load() != 0 {
		t.Errorf("%d idle, %d open; want none", len(o.idle), o.open.Load())
	}
}

func TestNoMoreThanMaxIdleConns(t *testing.T) {
	o := play(t, answering(okay))
	o.MaxIdleConns = 2
	var all []*http.Response
	for range 5 {
		res, err := o.RoundTrip(request(t, "GET", nil))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, res)
	}
	for _, res := range all {
		readBy(res.Body, 512)
	}
	if len(o.idle) != 2 || o.open.Load() != 2 {
		t.Errorf("%d idle, %d open; want 2", len(o.idle), o.open.Load())
	}
}

func TestWhole(t *testing.T) {
	long := strings.Repeat("x", len(beginning{})+1)
	for _, c := range []struct {
		name, before, after string // of the answer, until the question and then
		want                bool
	}{
		{"with the header", okay, "", true},
		{"not yet", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", "k", false},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "", true},
		{"chunks, not yet", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "0\r\n\r\n", false},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\nok", "", false},
		{"longer than a buffer", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long), "", false},
		{"no body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := make(chan struct{})
			o := play(t, func(_ int64, conn net.Conn, in *bufio.Reader) {
				listen(in)
				io.WriteString(conn, c.before)
				<-asked
				io.WriteString(conn, c.after)
			})
			res, err := o.RoundTrip(request(t, "GET", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			whole := func() bool {
				w, ok := res.Body.(interface{ Whole() bool })
				return !ok || w.Whole()
			}
			if c.want {
				eventually(t, "it is whole", whole)
			} else if whole() {
				t.Error("it is whole too soon")
			}
			close(asked)
			body, err := readBy(res.Body, 512)
			if err != nil || body != "ok" && body != long && body != "" {
				t.Errorf("%d bytes, %v", len(body), err)
			}
		})
	}
}
