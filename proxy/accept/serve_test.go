package accept

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// counting counts the writes to its connections.
type counting struct {
	net.Listener
	writes *atomic.Int64
}

func (l counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countedConn{c, l.writes}, err
}

type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// serveCounted serves h, and returns a connection to it and the number of writes.
func serveCounted(t *testing.T, h http.HandlerFunc) (net.Conn, *bufio.Reader, *atomic.Int64) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	writes := new(atomic.Int64)
	s := New(Options{Handler: h})
	go s.Serve(counting{ln, writes})
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		s.Close()
	})
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn, bufio.NewReader(conn), writes
}

func TestOnePiece(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		body   string
		writes int64
	}{
		{"chunks", func(w http.ResponseWriter) { io.WriteString(w, strings.Repeat("x", 20_000)) }, strings.Repeat("x", 20_000), 1},
		{"length", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "20000")
			w.WriteHeader(200)
			io.WriteString(w, strings.Repeat("x", 20_000))
		}, strings.Repeat("x", 20_000), 1},
		{"nothing", func(w http.ResponseWriter) { w.WriteHeader(200) }, "", 1},
		{"flushed", func(w http.ResponseWriter) {
			w.WriteHeader(200)
			http.NewResponseController(w).Flush()
			io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			io.WriteString(w, "b")
		}, "ab", 3},
		{"more than fits", func(w http.ResponseWriter) {
			w.WriteHeader(200)
			for range 10 {
				w.Write(bytes.Repeat([]byte("x"), 30_000))
			}
		}, strings.Repeat("x", 300_000), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, in, writes := serveCounted(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.name == "chunks" {
					w.WriteHeader(200)
				}
				tt.answer(w)
			})
			for range 3 { // over one connection
				writes.Store(0)
				send(t, conn, good, 1<<20)
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				if string(body) != tt.body || err != nil {
					t.Fatalf("%d bytes, %v", len(body), err)
				}
				if n := writes.Load(); tt.writes > 0 && n != tt.writes {
					t.Errorf("%d writes, want %d", n, tt.writes)
				}
			}
		})
	}
}

// What a handler has flushed is there while it goes on, and interim answers wait for
// nothing.
func TestHeldIsNotLate(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		steps := make(chan bool)
		e := newEdge(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, status := range []int{103, 200} {
				w.WriteHeader(status)
				if status == 200 {
					http.NewResponseController(w).Flush()
				}
				<-steps
			}
			io.WriteString(w, "the end")
		}), nil)
		conn := e.dial()
		send(t, conn, good, 1<<20)
		in := bufio.NewReader(conn)
		for _, want := range []string{"103 Early Hints", "200 OK"} {
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.Status != want {
				t.Fatal(res, err)
			}
			steps <- true
			if want == "200 OK" {
				if body, err := io.ReadAll(res.Body); string(body) != "the end" || err != nil {
					t.Fatal(string(body), err)
				}
			}
		}
	})
}

// An answer that ends its connection goes out before.
func TestHeldBeforeTheEnd(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		for name, handler := range map[string]http.HandlerFunc{
			"close": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Connection", "close")
				w.WriteHeader(200)
				io.WriteString(w, "said")
			},
			"broken off": func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(200)
				fmt.Fprintf(w, "said%5000d", 1) // net/http gives that much away
				panic(http.ErrAbortHandler)
			},
		} {
			e := newEdge(t, secure, handler, nil)
			conn := e.dial()
			send(t, conn, good, 1<<20)
			got, err := io.ReadAll(conn)
			if !bytes.Contains(got, []byte("said")) || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	})
}
