package pace

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// dialed serves h under a watch over HTTP/1, and returns a connection to it.
func dialed(t *testing.T, l Limits, h http.HandlerFunc) (*net.TCPConn, *bufio.Reader) {
	watch, _ := watched(t, l, h)
	server := httptest.NewServer(watch)
	t.Cleanup(server.Close)
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn), bufio.NewReader(c)
}

// framings begin a request whose body goes on after "hello".
var framings = map[string]string{
	"length":      "Content-Length: 20\r\n\r\nhello",
	"long length": "Content-Length: 1000000\r\n\r\nhello",
	"chunks":      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
}

// An answer, to its end, does not wait for a visitor who pauses in the middle of
// the body, whether somebody is reading it or not.
func TestAnswerToPausedBody(t *testing.T) {
	for framing, head := range framings {
		for _, reads := range []bool{false, true} {
			for _, closes := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, reads %v, closes %v", framing, reads, closes), func(t *testing.T) {
					t.Parallel()
					c, in := dialed(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
						if reads {
							io.ReadFull(r.Body, make([]byte, 5))
							go r.Body.Read(make([]byte, 1))
							time.Sleep(20 * time.Millisecond) // it is in Read
						}
						if closes {
							r.Body.Close()
						}
						w.WriteHeader(http.StatusUnauthorized)
						http.NewResponseController(w).Flush()
						io.WriteString(w, "early")
					})
					io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\n"+head)
					c.SetReadDeadline(time.Now().Add(5 * time.Second))
					res, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Fatal(err)
					}
					if got, err := io.ReadAll(res.Body); string(got) != "early" || err != nil || res.StatusCode != 401 {
						t.Errorf("%s %q, %v", res.Status, got, err)
					}
					if long := framing == "long length"; res.Close != long {
						t.Errorf("close: %v", res.Close)
					}
				})
			}
		}
	}
}

// A body that is still read when the answer begins loses nothing to it.
func TestAnswerTakesNothingOfTheBody(t *testing.T) {
	c, in := dialed(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		io.Copy(w, r.Body)
	})
	want := strings.Repeat("body", 10<<10)
	go fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(want), want)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(res.Body); string(got) != want || err != nil {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}

// What a handler leaves of a body costs the connection only where it does not come.
func TestConnectionAfterRest(t *testing.T) {
	const next = "GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n"
	tests := []struct {
		name, head, now, later string
		reused                 bool
	}{
		{"come", "Content-Length: 5", "hello", next, true},
		{"come in chunks", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", next, true},
		{"come, 200 KB", "Content-Length: 200000", strings.Repeat("x", 200_000), next, true},
		{"late", "Content-Length: 5", "he", "llo" + next, false},
		{"late in chunks", "Transfer-Encoding: chunked", "5\r\nhe", "llo\r\n0\r\n\r\n" + next, false},
		{"never", "Content-Length: 500", "he", next, false},
		{"long", "Content-Length: 1000000", "he", next, false},
		{"not asked for", "Expect: 100-continue\r\nContent-Length: 5", "", next, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			limits := Limits{ReadIdle: 500 * time.Millisecond, WriteIdle: 10 * time.Second}
			c, in := dialed(t, limits, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
			io.WriteString(c, "POST /first HTTP/1.1\r\nHost: a.test\r\n"+tt.head+"\r\n\r\n"+tt.now)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := io.ReadAll(res.Body); string(got) != "/first" || res.Close == tt.reused {
				t.Errorf("%s %q, close %v", res.Status, got, res.Close)
			}
			io.WriteString(c, tt.later)
			if got, _ := http.ReadResponse(in, nil); got != nil != tt.reused {
				t.Errorf("next: %+v", got)
			}
		})
	}
}

// A visitor who sends the whole body and only then reads has room for that.
func TestVisitorSendsBeforeReading(t *testing.T) {
	for _, size := range []int{1000, 250_000} {
		for _, reads := range []bool{false, true} {
			t.Run(fmt.Sprint(size, reads), func(t *testing.T) {
				t.Parallel()
				const answer = 16 << 20
				stuck := make(chan bool)
				defer close(stuck)
				c, in := dialed(t, Limits{WriteIdle: 3 * time.Second}, func(w http.ResponseWriter, r *http.Request) {
					if reads {
						go func() { // an origin that answers instead of taking more
							r.Body.Read(make([]byte, 1))
							<-stuck
							r.Body.Read(make([]byte, 1))
						}()
					}
					w.Write(make([]byte, answer))
				})
				c.SetWriteBuffer(4 << 10)
				if _, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)); err != nil {
					t.Fatal(err)
				}
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, res.Body); n != answer || err != nil {
					t.Errorf("%d bytes, %v", n, err)
				}
			})
		}
	}
}
