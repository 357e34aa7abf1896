package accept

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// waits answers "/short" at once, and otherwise tells when it is called and when
// its request is cancelled.
type waits struct{ entered, cancelled chan bool }

func newWaits() waits { return waits{make(chan bool, 9), make(chan bool, 9)} }

func (h waits) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/short" {
		io.Copy(io.Discard, r.Body)
		h.entered <- true
		<-r.Context().Done()
		h.cancelled <- true
	}
}

func soon(t *testing.T, what string, c <-chan bool) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(15 * time.Second): // half-closed it would be 30 s
		t.Fatal(what + " does not come")
	}
}

// reset closes conn so that the other side sees an error.
func reset(conn net.Conn) {
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

const short = "GET /short HTTP/1.1\r\nHost: a.test\r\n\r\n"

// Whatever came before on its connection, and whenever the client goes, the
// request is cancelled.
func TestGoneClient(t *testing.T) {
	body := "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc"
	chunks := "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	plainly(t, func(t *testing.T, secure bool) {
		h := newWaits()
		e := newEdge(t, secure, h, nil)
		for _, sent := range []string{good, short + good, body, chunks} {
			for _, after := range []time.Duration{0, 300 * time.Millisecond} {
				conn := e.dial()
				send(t, conn, sent, 1<<20)
				soon(t, "the request", h.entered)
				time.Sleep(after)
				reset(conn)
				soon(t, "the end", h.cancelled)
			}
		}
	})
}

// A client that goes while its body is being read is noticed by the reader.
func TestGoneInBody(t *testing.T) {
	h := newWaits()
	e := newEdge(t, false, h, nil)
	conn := e.dial()
	send(t, conn, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc", 1<<20)
	time.Sleep(150 * time.Millisecond)
	reset(conn)
	soon(t, "the end", h.cancelled)
}

// A request that is sent early waits for its turn, and cancels nothing.
func TestEarlyRequest(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		leave := make(chan bool)
		e := newEdge(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-leave:
			case <-r.Context().Done():
				t.Error("the request is cancelled")
			}
			io.WriteString(w, r.URL.Path)
		}), nil)
		for _, after := range []time.Duration{0, 250 * time.Millisecond} {
			conn := e.dial()
			send(t, conn, good, 1<<20)
			time.Sleep(after)
			send(t, conn, short, 7)
			time.Sleep(250 * time.Millisecond)
			send(t, conn, short, 7)
			for range 3 {
				leave <- true
			}
			got, err := answers(t, conn, 3)
			if err != nil || got[0].body != "/good" || got[1].body != "/short" || got[2].body != "/short" {
				t.Error(got, err)
			}
		}
	})
}

// A request that is sent while the last one of its connection is answered does
// not cost that its answer.
func TestCloseUnderEarlyRequest(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	e := newEdge(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-leave
		w.Header().Set("Connection", "close")
	}), func(o *Options) { o.Limits.Unwatched = time.Hour })
	conn := e.dial()
	send(t, conn, good, 1<<20)
	<-entered
	send(t, conn, good, 1<<20)
	time.Sleep(20 * time.Millisecond) // until it has come
	leave <- true
	if got, err := answers(t, conn, 0); len(got) != 1 || err != io.EOF {
		t.Error(got, err)
	}
}

// A connection that is given away in the middle of a watched request is whole:
// no byte is missing, nothing is cut.
func TestHijackWatched(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		entered, leave := make(chan context.Context), make(chan bool)
		e := newEdge(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			entered <- r.Context()
			<-leave
			tunnel(w, r)
		}), nil)
		for _, early := range []string{"", "early\n"} {
			conn := e.dial()
			send(t, conn, upgrade, 1<<20)
			ctx := <-entered
			time.Sleep(250 * time.Millisecond)
			send(t, conn, early, 1)
			time.Sleep(20 * time.Millisecond)
			leave <- true
			br := bufio.NewReader(conn)
			if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(res, err)
			}
			time.Sleep(50 * time.Millisecond)
			send(t, conn, "late\n", 1)
			if got := readN(t, br, len(early+"late\n")); got != early+"late\n" {
				t.Errorf("%q comes back", got)
			}
			if ctx.Err() != nil {
				t.Error("the request is cancelled")
			}
			conn.Close()
		}
	})
}

// A watch ends with its request, and the connection serves the next one.
func TestWatchEnds(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		watched := func() bool {
			stack := make([]byte, 1<<18)
			return strings.Contains(string(stack[:runtime.Stack(stack, true)]), "(*conn).look(")
		}
		e := newEdge(t, secure, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			for begin := time.Now(); !watched(); time.Sleep(time.Millisecond) {
				if time.Since(begin) > 10*time.Second {
					t.Error("a long request is not watched")
					return
				}
			}
		}), func(o *Options) { o.Limits.Unwatched = 2 * time.Millisecond })
		conn := e.dial()
		for range 10 {
			send(t, conn, good, 1<<20)
			if got, err := answers(t, conn, 1); err != nil || got[0].status != 200 {
				t.Fatal(got, err)
			}
		}
	})
}

// A watch ends with its request, with the connection, or when the client has
// been half-closed for long enough, and cancels the request but in the first case.
func TestHalfClosedWatch(t *testing.T) {
	ends := []struct {
		name      string
		end       func(*conn)
		cancelled bool
		at        time.Duration
	}{
		{"request", (*conn).finish, false, time.Second},
		{"close", func(c *conn) { c.Close() }, true, time.Second},
		{"limit", func(*conn) {}, true, 30 * time.Second},
	}
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				defer b.Close()
				c := newTestConn(a)
				c.link.server.crowd = newCrowd(Limits{}, nil)
				ctx, cancel := context.WithCancel(t.Context())
				c.cancel = cancel
				c.guard.phase, c.ended = complete, io.EOF
				c.rest()
				c.begin()
				start := time.Now()
				c.glance()
				over := c.watch.over
				go func() {
					time.Sleep(time.Second)
					tt.end(c)
				}()
				<-over
				synctest.Wait()
				if got := ctx.Err() != nil; got != tt.cancelled || time.Since(start) != tt.at {
					t.Errorf("cancelled: %v, after %v", got, time.Since(start))
				}
				c.finish()
				cancel()
			})
		})
	}
}
