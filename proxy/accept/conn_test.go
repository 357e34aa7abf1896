package accept

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const upgrade = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

// tunnel switches protocols and sends every line back.
func tunnel(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			fmt.Fprintf(conn, "end: %v", err)
			return
		}
		io.WriteString(conn, line)
	}
}

// Behind an upgrade bytes flow untouched, both ways: also those that came
// early, whatever they look like to a guard.
func TestHijack(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, http.HandlerFunc(tunnel), nil)
		early := "\x00\xff no request\n" + strings.Repeat("GET / HTTP/1.1 ", 1000) + "\n"
		for _, size := range []int{3, 1 << 20} {
			conn := e.dial()
			go send(t, conn, upgrade+early, size)
			br := bufio.NewReader(conn)
			if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(res, err)
			}
			if got := readN(t, br, len(early)); got != early {
				t.Fatalf("size %d: early bytes come back as %q", size, got)
			}
			for _, line := range []string{"one\n", "\r\n", "POST / HTTP/1.1\n"} {
				send(t, conn, line, size)
				if got := readN(t, br, len(line)); got != line {
					t.Fatalf("size %d: %q comes back as %q", size, line, got)
				}
			}
			closeWrite(conn)
			if got, err := io.ReadAll(br); string(got) != "end: EOF" || err != nil {
				t.Fatalf("size %d: %q, %v", size, got, err)
			}
		}
	})
}

func readN(t *testing.T, r io.Reader, n int) string {
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An upgrade that is not granted leaves the connection fit for requests.
func TestUpgradeRefused(t *testing.T) {
	e := newEdge(t, false, nil, nil)
	conn := e.dial()
	send(t, conn, upgrade+good, 1<<20)
	if got, err := answers(t, conn, 2); err != nil || got[0].body != "GET /ws" || got[1].body != "GET /good" {
		t.Fatal(got, err)
	}
}

// edge 66: who closes the sending side after a request gets the answer.
func TestHalfClose(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
				t.Error("the request is cancelled")
			case <-time.After(100 * time.Millisecond):
				io.WriteString(w, r.URL.Path)
			}
		})
		e := newEdge(t, secure, slow, nil)
		for _, body := range []string{"\r\n", "Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"} {
			conn := e.dial()
			send(t, conn, good+"POST /second HTTP/1.1\r\nHost: a.test\r\n"+body, 1<<20)
			closeWrite(conn)
			got, err := answers(t, conn, 0)
			if err != io.EOF || len(got) != 2 || got[1].body != "/second" {
				t.Fatalf("%q: %v, %v", body, got, err)
			}
		}
	})
}

// But not for ever: it may as well have gone.
func TestHalfClosedForLong(t *testing.T) {
	e := newEdge(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		func(o *Options) { o.Limits.HalfClosed = 50 * time.Millisecond })
	conn := e.dial()
	send(t, conn, good, 1<<20)
	closeWrite(conn)
	start := time.Now()
	answers(t, conn, 0)
	if d := time.Since(start); d < 50*time.Millisecond || d > 15*time.Second { // the default is 30 s
		t.Errorf("given up after %v", d)
	}
}

// A client that resets the connection has its request cancelled at once.
func TestReset(t *testing.T) {
	entered, gone := make(chan bool), make(chan bool)
	e := newEdge(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-r.Context().Done()
		gone <- true
	}), nil)
	conn := e.dial()
	send(t, conn, good, 1<<20)
	<-entered
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
	select {
	case <-gone:
	case <-time.After(15 * time.Second): // half-closed it would be 30 s
		t.Error("the request goes on")
	}
}

// A handler's read deadline is honoured in a body, and by the read behind it.
func TestReadDeadline(t *testing.T) {
	e := newEdge(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := io.ReadAll(r.Body)
		fmt.Fprint(w, isTimeout(err))
	}), nil)
	conn := e.dial()
	send(t, conn, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc", 1<<20)
	if got, err := answers(t, conn, 1); err != nil || got[0].body != "true" {
		t.Fatal(got, err)
	}
}

// edge 45: a head has its time from its first byte on, the second one of a
// connection too; bytes that keep coming do not prolong it.
func TestSlowHead(t *testing.T) {
	for _, first := range []string{"", good} {
		e := newEdge(t, false, nil, func(o *Options) { o.Limits.Header = 300 * time.Millisecond })
		conn := e.dial()
		send(t, conn, first, 1<<20)
		start := time.Now()
		go func() {
			for range 2000 {
				if _, err := io.WriteString(conn, "G"); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}()
		answers(t, conn, 0)
		if d := time.Since(start); d < 250*time.Millisecond || d > 20*time.Second {
			t.Errorf("after %q: closed after %v", first, d)
		}
	}
}

func TestIdle(t *testing.T) {
	e := newEdge(t, false, nil, func(o *Options) { o.Limits.Idle = 200 * time.Millisecond })
	conn := e.dial()
	send(t, conn, good, 1<<20)
	start := time.Now()
	if got, err := answers(t, conn, 0); len(got) != 1 || err != io.EOF || time.Since(start) > 3*time.Second {
		t.Error(got, err, time.Since(start))
	}
}

func TestShutdown(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		started, finish := make(chan bool, 1), make(chan bool)
		e := newEdge(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				started <- true
				<-finish
			}
			io.WriteString(w, "done")
		}), nil)
		busy, idle, late := e.dial(), e.dial(), e.dial()
		send(t, busy, "GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n", 1<<20)
		for _, c := range []net.Conn{idle, late} {
			send(t, c, good, 1<<20)
			answers(t, c, 1)
		}
		<-started
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		over := make(chan error)
		go func() { over <- e.Shutdown(ctx) }()
		for ctx.Err() == nil {
			c, err := net.Dial("tcp", e.addr)
			if err != nil {
				break
			}
			c.Close()
		}
		if ctx.Err() != nil {
			t.Error("still accepting")
		}
		send(t, late, good, 1<<20) // it could not know; lingerTime is left for that
		if got, err := answers(t, late, 1); err != nil || got[0].status != 200 || !got[0].close {
			t.Error("late request:", got, err)
		}
		if _, err := idle.Read(make([]byte, 1)); err != io.EOF {
			t.Error("idle connection:", err)
		}
		close(finish)
		if got, err := answers(t, busy, 1); err != nil || got[0].body != "done" || !got[0].close {
			t.Error("request under way:", got, err)
		}
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// Shutdown gives up with its context; Close then ends hijacked connections and
// requests that would last for ever.
func TestShutdownTimeout(t *testing.T) {
	e := newEdge(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			tunnel(w, r)
			return
		}
		<-r.Context().Done()
	}), nil)
	ws, sse := e.dial(), e.dial()
	send(t, ws, upgrade, 1<<20)
	readN(t, ws, len("HTTP/1.1 101"))
	send(t, sse, good, 1<<20)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := e.Shutdown(ctx); err != context.DeadlineExceeded {
		t.Error(err)
	}
	e.Close()
	if _, err := io.ReadAll(ws); err == nil {
		_, err = ws.Read(make([]byte, 1))
		if err == nil {
			t.Error("the tunnel is still open")
		}
	}
}

func TestServeAfterClose(t *testing.T) {
	s := New(Options{Handler: http.HandlerFunc(hello)})
	s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); err != http.ErrServerClosed {
		t.Error(err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is still open")
	}
	if err := New(Options{}).Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// Under load, only new connections fail from a shutdown on.
func TestShutdownUnderLoad(t *testing.T) {
	e := newEdge(t, false, nil, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var clients sync.WaitGroup
	var served atomic.Int64
	for range 8 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for {
				r, _ := http.NewRequestWithContext(ctx, "POST", "http://"+e.addr, strings.NewReader("abc")) // never sent twice
				res, err := client.Do(r)
				if dial := new(net.OpError); errors.As(err, &dial) && dial.Op == "dial" {
					return
				} else if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				served.Add(1)
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	for served.Load() < 50 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	if err := e.Shutdown(ctx); err != nil {
		t.Errorf("%v, after %d requests", err, served.Load())
	}
	clients.Wait()
}

// A head that is not whole when its connection is given up is no request, even
// if the rest comes while the connection lingers.
func TestLateHead(t *testing.T) {
	e := newEdge(t, false, nil, nil)
	conn := e.dial()
	send(t, conn, good+good[:20], 1<<20)
	answers(t, conn, 1)
	over := make(chan error)
	go func() { over <- e.Shutdown(t.Context()) }()
	conn.Read(make([]byte, 1)) // until our side is closed
	send(t, conn, good[20:], 1<<20)
	if err := <-over; err != nil {
		t.Error(err)
	}
	if len(e.passed) != 1 {
		t.Errorf("the origin gets %q", e.passed)
	}
}
