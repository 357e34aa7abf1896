package multiplex_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// A gate holds handlers.
type gate struct {
	entered chan *http.Request
	open    chan bool // closed: they may go on
	at      atomic.Int64
	most    atomic.Int64 // at a time
}

func newGate() *gate { return &gate{entered: make(chan *http.Request, 5000), open: make(chan bool)} }

func (g *gate) pass(r *http.Request) {
	for n := g.at.Add(1); ; {
		if most := g.most.Load(); n <= most || g.most.CompareAndSwap(most, n) {
			break
		}
	}
	defer g.at.Add(-1)
	g.entered <- r
	<-g.open
}

// serve holds what asks for "/held".
func (g *gate) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/held" {
		g.pass(r)
	}
	io.WriteString(w, r.URL.Path)
}

// Many requests at a time are all answered.
func TestCrowd(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.Path[1:])
			if n%3 == 0 {
				time.Sleep(time.Duration(n%5) * time.Millisecond)
			}
			io.Copy(w, r.Body)
			w.Write(page(n))
		})
		for round := range uint32(10) {
			for n := range uint32(50) {
				c.ask(2*(50*round+n)+1, int(n)*500)
			}
			for n := range uint32(50) {
				a := c.answer(2*(50*round+n) + 1)
				if string(a.body) != fmt.Sprint("body ", n*500)+string(page(int(n)*500)) {
					t.Fatalf("%d: %v", n, a)
				}
			}
		}
	})
}

// ask posts a small body to the page of n bytes.
func (c *client) ask(stream uint32, n int) {
	c.post(stream, fmt.Sprint("/", n))
	c.WriteData(stream, false, []byte("body "))
	c.WriteData(stream, true, []byte(strconv.Itoa(n)))
}

// A handler at work holds up nothing else, however many there are.
func TestSlowHandlers(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		g := newGate()
		c := start(t, i, g.serve)
		for n := range uint32(20) {
			c.get(4*n+1, "/held")
			soon(t, "the handler", g.entered)
			c.get(4*n+3, "/quick")
			if a := c.answer(4*n + 3); string(a.body) != "/quick" {
				t.Fatalf("%v", a)
			}
			c.pong()
		}
		close(g.open)
		for n := range uint32(20) {
			if a := c.answer(4*n + 1); string(a.body) != "/held" {
				t.Fatalf("%v", a)
			}
		}
	})
}

// Requests in one piece do not wait for each other.
func TestRequestsInOnePiece(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		g := newGate()
		c := start(t, i, g.serve)
		c.atOnce(func() {
			c.get(1, "/held")
			c.get(3, "/held")
			c.get(5, "/quick")
			c.WritePing(false, [8]byte{})
		})
		c.answer(5)
		c.until("PING", func() bool { return c.pongs == 1 })
		soon(t, "the first", g.entered)
		soon(t, "the second", g.entered)
		close(g.open)
		c.answer(1)
		c.answer(3)
	})
}

// atOnce sends what write writes in one piece.
func (c *client) atOnce(write func()) {
	var b sink
	c.Framer, b.framer = http2.NewFramer(&b, nil), c.Framer
	c.AllowIllegalWrites = true
	write()
	c.Framer = b.framer
	c.conn.Write(b.b)
}

type sink struct {
	b      []byte
	framer *http2.Framer
}

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// A handler learns that nobody waits for its answer any more, and so does whoever answers
// it.
func TestContextEnds(t *testing.T) {
	ends := map[string]func(c *client, stream uint32){
		"stream reset":      func(c *client, stream uint32) { c.WriteRSTStream(stream, http2.ErrCodeCancel) },
		"stream error":      func(c *client, stream uint32) { c.WriteRawFrame(http2.FrameWindowUpdate, 0, stream, make([]byte, 4)) },
		"connection closed": func(c *client, _ uint32) { c.conn.Close() },
		"connection reset":  func(c *client, _ uint32) { c.abort() },
		"connection error":  func(c *client, _ uint32) { c.WriteRawFrame(http2.FramePing, 0, 1, make([]byte, 8)) },
	}
	everywhere(t, func(t *testing.T, i implementation) {
		for name, end := range ends {
			t.Run(name, func(t *testing.T) { testContextEnds(t, i, nil, end) })
			t.Run(name+" after others", func(t *testing.T) { testContextEnds(t, i, []uint32{1, 3, 7, 9}, end) })
		}
	})
}

// testContextEnds has a request wait on stream 5, with the others before and after it.
func testContextEnds(t *testing.T, i implementation, others []uint32, end func(c *client, stream uint32)) {
	leaves(t)
	entered, called, cause, closed := make(chan bool), make(chan bool), make(chan error, 1), make(chan bool)
	c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			return
		}
		context.AfterFunc(r.Context(), func() { close(called) })
		tied(t, r.Context(), closed)
		close(entered)
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
	})
	for n, stream := range others {
		if n == len(others)/2 {
			c.get(5, "/wait")
			soon(t, "the request", entered)
		}
		c.get(stream, "/")
		c.answer(stream)
	}
	if others == nil {
		c.get(5, "/wait")
		soon(t, "the request", entered)
	}
	end(c, 5)
	if err := soon(t, "the end", cause); err == nil {
		t.Error("no cause")
	}
	soon(t, "the function", called)
	soon(t, "the end of the connection behind it", closed)
}

// A request's context ends with its handler, and not before.
func TestContextOfHandler(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		contexts := make(chan context.Context, 10)
		c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
			w.Write(page(100))
			http.NewResponseController(w).Flush()
			if r.Context().Err() != nil {
				t.Error("has ended before")
			}
			contexts <- r.Context()
		})
		c.get(1, "/")
		c.post(3, "/")
		c.WriteData(3, true, []byte("x"))
		for _, stream := range []uint32{1, 3} {
			c.answer(stream)
			soon(t, "the end of the context", soon(t, "the handler", contexts).Done())
		}
	})
}

// The body's end is an error where the client breaks off.
func TestBodyBreaksOff(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		for name, end := range map[string]func(c *client){
			"reset": func(c *client) { c.WriteRSTStream(1, http2.ErrCodeCancel) },
			"close": func(c *client) { c.conn.Close() },
		} {
			t.Run(name, func(t *testing.T) {
				leaves(t)
				read, failed := make(chan bool), make(chan error, 1)
				c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
					io.ReadFull(r.Body, make([]byte, 3))
					close(read)
					_, err := io.Copy(io.Discard, r.Body)
					failed <- err
				})
				c.post(1, "/")
				c.WriteData(1, false, []byte("abc"))
				soon(t, "the first bytes", read)
				end(c)
				if err := soon(t, "the error", failed); err == nil {
					t.Error("no error")
				}
			})
		}
	})
}

// A deadline in the past ends a read and a write that wait.
func TestDeadlines(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		for _, late := range []time.Duration{-time.Second, 50 * time.Millisecond} {
			t.Run("read"+late.String(), func(t *testing.T) {
				testDeadline(t, i, func(w http.ResponseWriter, r *http.Request) error {
					time.AfterFunc(20*time.Millisecond, func() { http.NewResponseController(w).SetReadDeadline(time.Now().Add(late)) })
					_, err := r.Body.Read(make([]byte, 10))
					return err
				})
			})
			t.Run("write"+late.String(), func(t *testing.T) {
				testDeadline(t, i, func(w http.ResponseWriter, r *http.Request) error {
					time.AfterFunc(20*time.Millisecond, func() { http.NewResponseController(w).SetWriteDeadline(time.Now().Add(late)) })
					_, err := w.Write(page(1 << 20))
					return err
				})
			})
		}
	})
}

func testDeadline(t *testing.T, i implementation, act func(w http.ResponseWriter, r *http.Request) error) {
	leaves(t)
	failed := make(chan error, 1)
	c := dial(t, i.launch(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			failed <- act(w, r)
		}
	}, 0))
	c.keep = true
	c.greet()
	c.post(1, "/")
	if err := soon(t, "the error", failed); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	c.get(3, "/other") // the connection goes on
	if a := c.answer(3); a.outcome() != "200" {
		t.Errorf("%v", a)
	}
}

// A deadline that is set back does not count, and ends nothing after its handler.
func TestDeadlineSetBack(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			rc.SetReadDeadline(time.Now().Add(time.Hour))
			rc.SetWriteDeadline(time.Now().Add(time.Hour))
			rc.SetReadDeadline(time.Time{})
			rc.SetWriteDeadline(time.Time{})
			io.Copy(w, r.Body)
		})
		c.post(1, "/")
		c.pong()
		c.WriteData(1, true, []byte("abc"))
		if a := c.answer(1); string(a.body) != "abc" {
			t.Errorf("%v", a)
		}
	})
}

// On shutdown what is under way is answered, and nothing more.
func TestShutdown(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		g := newGate()
		c := start(t, i, g.serve)
		c.get(1, "/held")
		soon(t, "the request", g.entered)
		c.server.shutdown()
		c.until("GOAWAY", func() bool { return len(c.goAway) > 0 })
		if f := c.goAway[0]; f.ErrCode != http2.ErrCodeNo || f.LastStreamID < 1 {
			t.Errorf("%v", f)
		}
		last := c.goAway[0].LastStreamID
		c.get(3, "/held")
		c.pong()
		if len(g.entered) > 0 && last < 3 {
			t.Error("a later request is processed")
		}
		close(g.open)
		if a := c.answer(1); string(a.body) != "/held" {
			t.Errorf("%v", a)
		}
		c.eof()
		soon(t, "the end", c.over)
	})
}

// An idle connection is told to go at once.
func TestShutdownIdle(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		c := start(t, i, conform)
		c.get(1, "/")
		c.answer(1)
		c.pong()
		c.server.shutdown()
		c.eof()
		if len(c.goAway) == 0 || c.goAway[len(c.goAway)-1].ErrCode != http2.ErrCodeNo {
			t.Errorf("GOAWAY %v", c.goAway)
		}
		soon(t, "the end", c.over)
	})
}

// A connection without requests ends after a while, one at work does not.
func TestIdle(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		g := newGate()
		c := dial(t, i.launch(t, g.serve, 300*time.Millisecond))
		c.greet()
		c.get(1, "/held")
		soon(t, "the request", g.entered)
		time.Sleep(time.Second)
		close(g.open)
		if a := c.answer(1); a.outcome() != "200" {
			t.Fatalf("%v", a)
		}
		c.eof()
		if len(c.goAway) == 0 || c.goAway[0].ErrCode != http2.ErrCodeNo {
			t.Errorf("GOAWAY %v", c.goAway)
		}
		soon(t, "the end", c.over)
	})
}

// Whatever way a handler ends, the connection goes on.
func TestHandlerEnds(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/goexit":
				runtime.Goexit()
			case "/panic":
				panic("on purpose")
			case "/abort":
				panic(http.ErrAbortHandler)
			}
		})
		stream := uint32(1)
		for range 5 {
			for _, path := range []string{"/goexit", "/panic", "/abort"} {
				c.get(stream, path)
				if a := c.answer(stream); a.end != "RST_STREAM INTERNAL_ERROR" {
					t.Errorf("%s: %v", path, a)
				}
				c.get(stream+2, "/")
				if a := c.answer(stream + 2); a.outcome() != "200" {
					t.Errorf("after %s: %v", path, a)
				}
				stream += 4
			}
		}
	})
}

// The work that a client can cause by streams that end before their time is bounded,
// CVE-2023-44487 and CVE-2025-8671.
func TestRapidResets(t *testing.T) {
	resets := map[string]func(c *client, stream uint32){
		"by the client":         func(c *client, s uint32) { c.WriteRSTStream(s, http2.ErrCodeCancel) },
		"for WINDOW_UPDATE 0":   func(c *client, s uint32) { c.WriteRawFrame(http2.FrameWindowUpdate, 0, s, make([]byte, 4)) },
		"for window overflow":   func(c *client, s uint32) { c.WriteWindowUpdate(s, 1<<31-1) },
		"for DATA after END":    func(c *client, s uint32) { c.WriteData(s, true, nil) },
		"for HEADERS after END": func(c *client, s uint32) { c.get(s, "/held") },
		"for PRIORITY":          func(c *client, s uint32) { c.WritePriority(s, http2.PriorityParam{StreamDep: s}) },
	}
	everywhere(t, func(t *testing.T, i implementation) {
		for name, reset := range resets {
			t.Run(name, func(t *testing.T) { testResets(t, i, reset) })
		}
	})
}

func testResets(t *testing.T, i implementation, reset func(c *client, stream uint32)) {
	leaves(t)
	g := newGate()
	c := start(t, i, g.serve)
	c.settle()
	go io.Copy(io.Discard, c.conn)                       // until the test ends
	c.conn.SetWriteDeadline(time.Now().Add(time.Second)) // the server may read no more
	for n := range uint32(1000) {
		c.get(2*n+1, "/held")
		reset(c, 2*n+1)
	}
	eventually(t, "a handler", func() bool { return g.at.Load() > 0 })
	time.Sleep(200 * time.Millisecond) // for more of them
	if n := g.most.Load(); n > 200 {
		t.Errorf("%d handlers at a time", n)
	}
	close(g.open)
}

// Nothing runs for a connection that is over.
func TestNothingStays(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		for n := range 30 {
			c := start(t, i, conform)
			c.get(1, "/")
			c.post(3, "/")
			c.get(5, "/held")
			switch n % 3 {
			case 0:
				c.answer(1)
				c.abort()
			case 1:
				c.pong()
				c.close()
			case 2:
				c.abort()
			}
		}
	})
}
