package accept

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A deadline that is far off reaches the connection when it is over, a near one
// at once, and one that was moved not at all.
func TestDeadline(t *testing.T) {
	const second = time.Second
	tests := []struct {
		name  string
		moves []time.Duration // one a second, seen from then; 0: none
		want  []string        // by when
	}{
		{"far", []time.Duration{5 * second}, []string{"5s past"}},
		{"near", []time.Duration{2 * second}, []string{"0s 2s"}},
		{"past", []time.Duration{-second}, []string{"0s -1s"}},
		{"moved on", []time.Duration{3 * second, 3 * second, 3 * second}, []string{"5s past"}},
		{"taken away", []time.Duration{3 * second, 3 * second, 0}, nil},
		{"nearer", []time.Duration{9 * second, 3 * second}, []string{"4s past"}},
		{"real, then far", []time.Duration{2 * second, 4 * second}, []string{"0s 2s", "1s none", "5s past"}},
		{"real, then none", []time.Duration{-second, 0, 0}, []string{"0s -1s", "1s none"}},
		{"moved every second", []time.Duration{3 * second, 3 * second, 3 * second, 3 * second, 3 * second, 0}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []string
				start := time.Now()
				set := func(at time.Time) error {
					what := "none"
					if at.Equal(longAgo) {
						what = "past"
					} else if !at.IsZero() {
						what = time.Until(at).String()
					}
					got = append(got, fmt.Sprint(time.Since(start), " ", what))
					return nil
				}
				var d deadline
				for i := range 12 {
					if i < len(tt.moves) {
						var at time.Time
						if tt.moves[i] != 0 {
							at = time.Now().Add(tt.moves[i])
						}
						d.move(at, 2*time.Second, set)
					}
					d.enforce(time.Now(), set)
					time.Sleep(time.Second)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// quick makes the sweeper look every 10 ms, and leaves it what is 20 ms off.
func quick(o *Options) { o.Limits.Idle = 80 * time.Millisecond }

// A handler's deadlines end its reads and writes as those of a connection do.
func TestHandlerDeadlines(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		ended := make(chan error, 1)
		e := newEdge(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			var err error
			if r.Method == "POST" {
				control.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
				_, err = io.ReadAll(r.Body)
			} else {
				control.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
				for err == nil {
					_, err = w.Write(make([]byte, 1<<20))
				}
			}
			ended <- err
		}), quick)
		for _, request := range []string{"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc", good} {
			start := time.Now()
			conn := e.dial()
			send(t, conn, request, 1<<20)
			err := <-ended
			if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%q: %v", request, err)
			}
			if d := time.Since(start); d < 200*time.Millisecond {
				t.Errorf("%q: after %v", request, d)
			}
			conn.Close()
		}
	})
}

// A deadline that is moved in time is never enforced.
func TestMovedDeadline(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			control, b := http.NewResponseController(w), make([]byte, 1)
			control.EnableFullDuplex()
			for range 40 {
				control.SetReadDeadline(time.Now().Add(time.Second))
				control.SetWriteDeadline(time.Now().Add(time.Second))
				if _, err := io.ReadFull(r.Body, b); err != nil {
					t.Error(err)
				}
				w.Write(b)
				control.Flush()
			}
		}), quick)
		conn := e.dial()
		send(t, conn, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 40\r\n\r\n", 1<<20)
		for range 40 {
			send(t, conn, "x", 1)
			time.Sleep(40 * time.Millisecond)
		}
		start := time.Now()
		if got, err := answers(t, conn, 0); len(got) != 1 || got[0].body != strings.Repeat("x", 40) || err != io.EOF {
			t.Error(got, err)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("idle for %v", d)
		}
	})
}

// Whoever hijacks a connection has its deadlines as exact as he sets them, and
// none that net/http had.
func TestHijackedDeadlines(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			http.NewResponseController(w).SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			time.Sleep(150 * time.Millisecond)
			fmt.Fprintln(conn, "open")
			line, err := rw.ReadString('\n')
			fmt.Fprint(conn, line)
			start := time.Now()
			conn.SetReadDeadline(start.Add(300 * time.Millisecond))
			_, err = rw.ReadString('\n')
			if d := time.Since(start); !isTimeout(err) || d < 300*time.Millisecond {
				t.Error(err, d)
			}
			conn.SetReadDeadline(time.Time{})
			line, err = rw.ReadString('\n')
			fmt.Fprint(conn, line, err)
		}), quick)
		conn := e.dial()
		send(t, conn, upgrade, 1<<20)
		br := bufio.NewReader(conn)
		if line, err := br.ReadString('\n'); line != "open\n" {
			t.Fatal(line, err)
		}
		send(t, conn, "first\n", 1<<20)
		time.Sleep(500 * time.Millisecond)
		send(t, conn, "second\n", 1<<20)
		if got, err := io.ReadAll(br); !strings.HasPrefix(string(got), "first\nsecond\n") {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// A client that connects and says nothing, or nothing more, is not kept.
func TestSilence(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, nil, func(o *Options) {
			o.Limits.Header, o.Limits.Idle = 300*time.Millisecond, 300*time.Millisecond
		})
		for _, sent := range []string{"", "G", good, good + "GET / HTTP/1.1\r\n"} {
			conn := e.dial()
			start := time.Now()
			send(t, conn, sent, 1<<20)
			if secure && sent == "" {
				conn.Write(nil) // shakes hands
			}
			answers(t, conn, 0)
			if d := time.Since(start); d < 250*time.Millisecond || d > 10*time.Second {
				t.Errorf("after %q: closed after %v", sent, d)
			}
		}
	})
}
