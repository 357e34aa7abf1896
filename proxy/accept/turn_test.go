package accept

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const posted = "POST /posted HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc"

// orders are requests of a connection, of which net/http answers those with a body.
var orders = map[string]string{
	"plain":           good,
	"plain ones":      good + good + good,
	"a body first":    posted + good,
	"a body last":     good + posted,
	"a body between":  good + posted + good,
	"bodies":          posted + posted,
	"an upgrade last": good + upgrade,
}

func count(requests string) int { return strings.Count(requests, " HTTP/1.1\r\n") }

// Whoever answers them, requests are answered in order, sent at once or one by one.
func TestOrder(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, nil, nil)
		for _, ahead := range []int{1, 2, 30} {
			conn := e.dial()
			in := bufio.NewReader(conn)
			for i := range 30 {
				if i%ahead == 0 {
					for j := i; j < i+ahead; j++ {
						send(t, conn, fmt.Sprintf([]string{
							"GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n",
							"POST /%d HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc",
							"GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n",
							"POST /%d HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
							"DELETE /%d HTTP/1.1\r\nHost: a.test\r\n\r\n",
						}[j%5], j), 1<<20)
					}
				}
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(i, err)
				}
				if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), fmt.Sprintf(" /%d ", i)) {
					t.Fatalf("%d ahead: answer %d is %q, %v", ahead, i, body, err)
				}
			}
		}
	})
}

// journal is where a Server logs to.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// A handler that panics ends its connection: nothing is said that it has not, and
// no request behind is answered.
func TestPanic(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		for _, tt := range []struct {
			cause  any
			logged int
		}{{http.ErrAbortHandler, 0}, {"oops", 1}} {
			for name, order := range orders {
				var j journal
				last := strings.Count(order, "HTTP/1.1")
				served := 0
				e := newEdge(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
					if served++; served == last {
						panic(tt.cause)
					}
				}), func(o *Options) {
					o.Logger = slog.New(slog.NewTextHandler(&j, nil)) // net/http's words are of a lower level
				})
				conn := e.dial()
				send(t, conn, order+good, 1<<20)
				if got, err := answers(t, conn, 0); len(got) != last-1 || !halfClosed(err) {
					t.Errorf("%s, %v: %v, %v", name, tt.cause, got, err)
				}
				e.Close()
				if served != last {
					t.Errorf("%s, %v: %d requests are served", name, tt.cause, served)
				}
				plain := strings.HasSuffix(order, good)
				if n := strings.Count(j.String(), "panic in a handler"); plain && n != tt.logged {
					t.Errorf("%s, %v: %d panics are logged: %s", name, tt.cause, n, j.String())
				}
			}
		}
	})
}

// A handler that ends its goroutine ends the connection, which leaves its place to
// others.
func TestGoexit(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }), nil)
		conn := e.dial()
		send(t, conn, good, 1<<20)
		if got, err := answers(t, conn, 0); len(got) > 0 || !halfClosed(err) {
			t.Errorf("%v, %v", got, err)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The context of a request does not end before its handler, nor go on after its
// connection.
func TestContextEnds(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		ended := make(chan (<-chan struct{}), 9)
		e := newEdge(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := r.Context().Err(); err != nil {
				t.Error(err)
			}
			io.Copy(io.Discard, r.Body)
			ended <- r.Context().Done()
		}), nil)
		for name, order := range orders {
			conn := e.dial()
			send(t, conn, order, 1<<20)
			if got, err := answers(t, conn, count(order)); err != nil {
				t.Fatal(name, got, err)
			}
			conn.Close()
			for range count(order) {
				select {
				case <-<-ended:
				case <-time.After(15 * time.Second):
					t.Fatalf("%s: a context goes on", name)
				}
			}
		}
	})
}

// The limits between requests are the same whoever has answered the last one.
func TestLimitsBetween(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, nil, func(o *Options) {
			o.Limits.Header, o.Limits.Idle = 300*time.Millisecond, 300*time.Millisecond
		})
		start := time.Now()
		conns := make(map[string]net.Conn)
		for _, order := range orders {
			for _, more := range []string{"", good[:10]} {
				conns[order+more] = e.dial()
				send(t, conns[order+more], order+more, 1<<20)
			}
		}
		for sent, conn := range conns {
			if got, err := answers(t, conn, 0); len(got) != count(sent) || !halfClosed(err) {
				t.Errorf("%q: %v, %v", sent, got, err)
			}
			if d := time.Since(start); d < 250*time.Millisecond {
				t.Errorf("%q: closed after %v", sent, d)
			}
		}
	})
}

// A client that closes its sending side gets all answers.
func TestHalfClosedBehind(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, nil, nil)
		for name, order := range orders {
			conn := e.dial()
			send(t, conn, order, 1<<20)
			closeWrite(conn)
			if got, err := answers(t, conn, 0); len(got) != count(order) || err != io.EOF {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
	})
}

// held answers the last request of an order in two parts.
type held struct{ entered, leave chan bool }

func newHeld() held { return held{make(chan bool, 9), make(chan bool)} }

func (h held) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/last" {
		io.Copy(w, r.Body)
		return
	}
	io.WriteString(w, "one, ")
	http.NewResponseController(w).Flush()
	h.entered <- true
	<-h.leave
	io.WriteString(w, "two")
}

const lasting = "GET /last HTTP/1.1\r\nHost: a.test\r\n\r\n"

// A shutdown waits for answers that had begun, though they could not say that they
// are the last ones of their connections, and then for no longer than a client has
// time for another request.
func TestShutdownUnderWay(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		h := newHeld()
		e := newEdge(t, secure, h, func(o *Options) { o.Limits.Idle = time.Hour })
		var conns []net.Conn
		for _, before := range []string{"", good, posted} {
			conn := e.dial()
			if send(t, conn, before, 1<<20); before != "" {
				answers(t, conn, count(before))
			}
			send(t, conn, lasting, 1<<20)
			<-h.entered
			conns = append(conns, conn)
		}
		over := make(chan error)
		go func() { over <- e.Shutdown(t.Context()) }()
		time.Sleep(idleGrace + 200*time.Millisecond)
		for range conns {
			h.leave <- true
		}
		for i, conn := range conns {
			if got, err := answers(t, conn, 0); len(got) != 1 || got[0].body != "one, two" || !halfClosed(err) {
				t.Error(i, got, err)
			}
		}
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// A shutdown ends connections that are idle in about a second, whoever has answered
// their requests, and does not wait until net/http takes a new one for idle.
func TestShutdownOfIdle(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		h := newHeld()
		e := newEdge(t, secure, h, nil)
		var conns []net.Conn
		for name, order := range orders {
			conn := e.dial()
			send(t, conn, order, 1<<20)
			if _, err := answers(t, conn, count(order)); err != nil {
				t.Fatal(name, err)
			}
			conns = append(conns, conn)
		}
		busy := e.dial() // its answer begins before the shutdown, and ends behind its grace
		send(t, busy, lasting, 1<<20)
		<-h.entered
		start, over := time.Now(), make(chan error)
		go func() { over <- e.Shutdown(t.Context()) }()
		for _, conn := range conns {
			if _, err := conn.Read(make([]byte, 1)); !halfClosed(err) {
				t.Error(err)
			}
		}
		h.leave <- true
		if err := <-over; err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > 4500*time.Millisecond { // net/http's idea of it is 5 to 6 s
			t.Error("it took", d)
		}
	})
}

// Close ends what is under way, also on a connection that a shutdown has waited
// for in vain, and whatever its client has sent.
func TestCloseUnderWay(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		for name, before := range map[string]string{"new": "", "plain": good, "body": posted} {
			for _, behind := range []string{"", good} {
				for _, shutdown := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%d/%v", name, count(behind), shutdown), func(t *testing.T) {
						entered := make(chan bool, 9)
						e := newEdge(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							if io.Copy(io.Discard, r.Body); r.URL.Path == "/last" {
								entered <- true
								<-r.Context().Done()
							}
						}), nil)
						conn := e.dial()
						send(t, conn, before+lasting+behind, 1<<20)
						<-entered
						if shutdown {
							ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
							defer cancel()
							if err := e.Shutdown(ctx); err != context.DeadlineExceeded {
								t.Error(err)
							}
						}
						closed := make(chan bool)
						go func() {
							e.Close()
							close(closed)
						}()
						soon(t, "the end", closed)
					})
				}
			}
		}
	})
}
