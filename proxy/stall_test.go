package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ctlive/proxy/balance"
	"ctlive/proxy/pace"
	"ctlive/proxy/relay"
)

// An answer that comes while the visitor pauses in the middle of a body reaches him,
// and an origin's hanging up does.
func TestAnswerWhileTheVisitorPauses(t *testing.T) {
	tests := []struct{ name, answer, want string }{
		{"answer", "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 413 Request Entity Too Large"},
		{"hang up", "", "HTTP/1.1 502 Bad Gateway"},
	}
	for _, tt := range tests {
		for _, upgrade := range []string{"", "Connection: Upgrade\r\nUpgrade: websocket\r\n"} {
			t.Run(tt.name+"/"+strings.TrimSpace(upgrade), func(t *testing.T) {
				t.Parallel()
				c, err := net.Dial("tcp", relayTo(t, hasty(t, tt.answer)))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n"+upgrade+"\r\nhello")
				c.SetReadDeadline(time.Now().Add(10 * time.Second))
				if line, err := bufio.NewReader(c).ReadString('\n'); strings.TrimSpace(line) != tt.want {
					t.Errorf("%q, %v", line, err)
				}
			})
		}
	}
}

// An early answer to a visitor who goes on sending: he can read it to its end.
func TestAnswerWhileTheVisitorSends(t *testing.T) {
	const answer = 20_000
	r := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		w.Write(make([]byte, answer))
	}), says("admin"), time.Second)
	for _, framing := range []string{"Content-Length: 1000000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3b9aca00\r\n"} {
		c, err := net.Dial("tcp", r.sockets.HTTP.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(30 * time.Second))
		go io.Copy(c, io.MultiReader(strings.NewReader("POST / HTTP/1.1\r\nHost: a.test\r\n"+framing), endless{}))
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); res.StatusCode != http.StatusRequestEntityTooLarge || n != answer || err != nil {
			t.Errorf("%s: %d bytes, %v", res.Status, n, err)
		}
	}
}

// endless is a body that comes at some 10 MB/s.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return min(len(p), 10<<10), nil
}

// hasty is an origin that answers the first line of a request, and then reads on,
// or hangs up if it has no answer.
func hasty(t *testing.T, answer string) *url.URL {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				in.ReadString('\n')
				io.WriteString(c, answer)
				if answer != "" {
					io.Copy(io.Discard, in)
				}
			}()
		}
	}()
	return &url.URL{Scheme: "http", Host: l.Addr().String()}
}

// relayTo returns the address of a proxy to origin, with its own limits of pace.
func relayTo(t *testing.T, origin *url.URL) string {
	pool := balance.New(balance.Options{Upstreams: []*url.URL{origin}})
	t.Cleanup(pool.Close)
	watch := pace.New(pace.Limits{})
	t.Cleanup(watch.Close)
	handler := relay.New(relay.Options{
		Transport: pool,
		Request:   func(out, in *http.Request) { out.Header = in.Header.Clone() },
		Response:  func(*http.Response) {},
		Fail: func(w http.ResponseWriter, _ *http.Request, err error) {
			w.WriteHeader(statusOf(err))
		},
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w, r, done := watch.Wrap(w, r)
		defer done()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}
