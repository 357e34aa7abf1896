package accept

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// plainly runs test over TCP and over TLS.
func plainly(t *testing.T, test func(t *testing.T, secure bool)) {
	t.Run("plain", func(t *testing.T) { test(t, false) })
	t.Run("TLS", func(t *testing.T) { test(t, true) })
}

const good = "GET /good HTTP/1.1\r\nHost: a.test\r\n\r\n"

// Every faulty head is answered with its status, in its turn, as the last of
// its connection (invariants I1 and I3 of edge.md).
func TestFaultyHeads(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, nil, nil)
		for _, tt := range heads {
			if tt.want != nil {
				t.Run(tt.name, func(t *testing.T) { lastAnswer(t, e, tt.head, tt.want.Status) })
			}
		}
	})
}

// Faulty chunks reach the handler as ErrFraming, and end the connection.
func TestFaultyChunks(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, nil, nil)
		for _, tt := range bodies {
			if tt.want != nil {
				t.Run(tt.name, func(t *testing.T) {
					lastAnswer(t, e, "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"+tt.body, http.StatusBadRequest)
				})
			}
		}
	})
}

// lastAnswer sends two good requests, a bad one and one more, and wants three
// answers.
func lastAnswer(t *testing.T, e *edge, bad string, status int) {
	for _, size := range []int{1, 1 << 20} {
		if size == 1 && len(bad) > 2000 {
			continue
		}
		e.forget()
		conn := e.dial()
		go send(t, conn, good+good+bad+good, size)
		got, _ := answers(t, conn, 0)
		if len(got) != 3 {
			t.Fatalf("size %d: %d answers: %v", size, len(got), got)
		}
		if got[0].body != "GET /good" || got[1].body != "GET /good" || got[0].close || got[1].close {
			t.Errorf("size %d: answers before are %v", size, got[:2])
		}
		if last := got[2]; last.status != status || !last.close {
			t.Errorf("size %d: answer is %v, want %d", size, last, status)
		}
		if passed := e.forget(); len(passed) != 2 {
			t.Errorf("size %d: the origin gets %q", size, passed)
		}
		conn.Close()
	}
}

// What net/http objects to stays as it is.
func TestNetHTTPRefuses(t *testing.T) {
	e := newEdge(t, false, nil, nil)
	for _, bad := range []string{
		"GET /%zz HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.test\r\nExpect: 200-ok\r\n\r\n",
	} {
		conn := e.dial()
		go send(t, conn, good+bad+good, 1<<20)
		got, _ := answers(t, conn, 0)
		if len(got) != 2 || got[1].status < 400 || got[1].status > 499 || !got[1].close {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

// Bodies of all kinds, read or not, leave the connection fit for the next
// request.
func TestKeepAlive(t *testing.T) {
	requests := []struct{ raw, want string }{
		{"POST /length HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc", "POST /length abc"},
		{"POST /none HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n", "POST /none"},
		{"POST /chunked HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "POST /chunked abc"},
		{"POST /trailer HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nHost: evil\r\n\r\n", "POST /trailer abc"},
		{"GET /blank HTTP/1.1\r\nHost: a.test\r\n\r\n\r\n", "GET /blank"},
		{"HEAD /?a=1;b HTTP/1.1\r\nHost: a.test\r\n\r\n", ""},
		{"GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", "GET /last"},
	}
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, nil, nil)
		for _, size := range []int{1, 2, 3, 5, 50, 1 << 20} {
			conn := e.dial()
			go func() {
				for _, r := range requests {
					send(t, conn, r.raw, size)
				}
			}()
			for _, r := range requests[:5] {
				got, err := answers(t, oneByte{conn}, 1)
				if err != nil || got[0].body != strings.TrimSpace(r.want) {
					t.Fatalf("size %d: %v, %v; want %q", size, got, err, r.want)
				}
			}
			rest, _ := io.ReadAll(conn) // one answer without a body, and the last
			if s := string(rest); strings.Count(s, "HTTP/1.1 200 OK") != 2 || !strings.HasSuffix(s, "GET /last ") {
				t.Fatalf("size %d: %q", size, s)
			}
			conn.Close()
		}
	})
}

// oneByte reads no more than asked for, so that a new bufio.Reader can go on.
type oneByte struct{ io.Reader }

func (r oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:1]) }

// A handler that reads gets "100 Continue" sent; the body that follows is not
// taken for a request.
func TestExpect(t *testing.T) {
	e := newEdge(t, false, nil, nil)
	conn := e.dial()
	send(t, conn, "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", 1<<20)
	b := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("%q, %v", b, err)
	}
	send(t, conn, "abc"+good, 1)
	if got, err := answers(t, conn, 2); err != nil || got[0].body != "POST / abc" || got[1].body != "GET /good" {
		t.Fatal(got, err)
	}
}

// A handler that does not want the body ends the connection, not the protocol.
func TestUnreadBody(t *testing.T) {
	e := newEdge(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	}), nil)
	for _, n := range []int{10, 100 << 10, 4 << 20} {
		conn := e.dial()
		go send(t, conn, fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", n, strings.Repeat("GET / HTTP/1.1\r\n", n/16+1)[:n]), 1<<16)
		got, err := answers(t, conn, 1)
		if err != nil || got[0].status != http.StatusRequestEntityTooLarge {
			t.Fatalf("%d bytes: %v, %v", n, got, err)
		}
		conn.Close()
	}
}

func TestTLSState(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.TLS != nil, r.TLS != nil && r.TLS.ServerName == "example.com")
		}), nil)
		conn := e.dial()
		send(t, conn, good, 1<<20)
		if got, err := answers(t, conn, 1); err != nil || got[0].body != fmt.Sprint(secure, secure) {
			t.Fatal(got, err)
		}
	})
}

// OPTIONS * is the handler's business too.
func TestOptions(t *testing.T) {
	e := newEdge(t, false, nil, nil)
	conn := e.dial()
	send(t, conn, "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", 1<<20)
	if got, err := answers(t, conn, 1); err != nil || got[0].body != "OPTIONS *" {
		t.Fatal(got, err)
	}
}

// Valid requests of all kinds, one behind the other and cut anywhere, are
// answered in order with what they held.
func TestPipeline(t *testing.T) {
	plainly(t, func(t *testing.T, secure bool) {
		e := newEdge(t, secure, nil, nil)
		for seed := range uint64(20) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			var stream, last string
			const n = 8
			want := make([]string, n)
			for i := range want {
				stream += last
				last, want[i] = randomRequest(rnd)
			}
			conn := e.dial()
			go send(t, conn, stream+last, 1+rnd.IntN(1<<rnd.IntN(15)))
			got, err := answers(t, conn, n)
			if err != nil {
				t.Fatalf("seed %d: %v behind %d answers", seed, err, len(got))
			}
			for i, a := range got {
				if _, body, _ := strings.Cut(strings.TrimPrefix(a.body, "POST "), " "); body != strings.TrimSpace(want[i]) {
					t.Errorf("seed %d: answer %d is %.50q, want %.50q", seed, i, body, want[i])
				}
			}
			conn.Close()
		}
	})
}

// Whatever a handler does with a body, what follows is not taken for a request
// that it is not.
func TestHandlersAndBodies(t *testing.T) {
	handlers := map[string]http.HandlerFunc{
		"reads nothing": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") },
		"reads a byte":  func(w http.ResponseWriter, r *http.Request) { r.Body.Read(make([]byte, 1)); io.WriteString(w, "ok") },
		"closes":        func(w http.ResponseWriter, r *http.Request) { r.Body.Close(); io.WriteString(w, "ok") },
		"flushes, reads": func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).EnableFullDuplex()
			http.NewResponseController(w).Flush()
			io.Copy(w, io.LimitReader(r.Body, 3))
		},
		"goes": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"hijacks": func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				conn.Close()
			}
		},
	}
	evil := "GET /evil HTTP/1.1\r\nHost: a.test\r\n\r\n"
	heads := []string{
		fmt.Sprintf("POST /first HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", 10_000*len(evil), strings.Repeat(evil, 10_000)),
		fmt.Sprintf("POST /first HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(evil), evil),
		fmt.Sprintf("POST /first HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(evil), evil),
		"POST /first HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + evil,
	}
	for name, h := range handlers {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/evil" {
					t.Error("a body was taken for a request")
				}
				h(w, r)
			}), nil)
			for _, head := range heads {
				conn := e.dial()
				go send(t, conn, head+"GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", 1<<16)
				io.Copy(io.Discard, conn)
				conn.Close()
			}
		})
	}
}
