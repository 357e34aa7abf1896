package multiplex_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// servePage answers with as many bytes as the path says.
func servePage(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Path[1:])
	w.Write(page(n))
}

// A granter gives windows in portions, and watches that they are kept to.
type granter struct {
	*client
	initial int64
	windows map[uint32]int64 // given so far; 0: the connection's
}

func grant(t *testing.T, i implementation, initial uint32, h http.HandlerFunc) *granter {
	c := dial(t, i.launch(t, h, 0))
	c.keep = true
	c.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: initial})
	c.settle()
	return &granter{c, int64(initial), map[uint32]int64{0: 65535}}
}

func (g *granter) give(stream uint32, n int64) {
	g.windows[stream] += n
	g.WriteWindowUpdate(stream, uint32(n))
}

// check fails the test if more has come than was given.
func (g *granter) check(streams ...uint32) {
	g.t.Helper()
	if g.sent[0] > g.windows[0] {
		g.t.Fatalf("%d bytes on the connection, of %d", g.sent[0], g.windows[0])
	}
	for _, s := range streams {
		if g.sent[s] > g.initial+g.windows[s] {
			g.t.Fatalf("%d bytes on stream %d, of %d", g.sent[s], s, g.initial+g.windows[s])
		}
	}
}

// exhaust reads until all that may be sent has been.
func (g *granter) exhaust(size int64, streams ...uint32) {
	g.t.Helper()
	g.until("what may be sent", func() bool {
		g.check(streams...)
		most := int64(0)
		for _, s := range streams {
			most += min(g.initial+g.windows[s], size)
		}
		return g.sent[0] == min(most, g.windows[0])
	})
}

// Whatever windows a client gives, it gets what fits, and all in the end.
func TestWindows(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		for _, initial := range []uint32{0, 1, 100, 16384} {
			t.Run(fmt.Sprint(initial), func(t *testing.T) { testWindows(t, i, initial) })
		}
	})
}

func testWindows(t *testing.T, i implementation, initial uint32) {
	leaves(t)
	random, size, streams := newRandom(uint64(initial)), int64(1<<20), []uint32{1, 3, 5}
	if initial < 16384 {
		size = 20000 // byte by byte, it takes its time
	}
	g := grant(t, i, initial, servePage)
	for _, s := range streams {
		g.get(s, fmt.Sprint("/", size))
	}
	for over := false; !over; {
		g.exhaust(size, streams...)
		over = true
		for _, s := range streams {
			if missing := size - g.initial - g.windows[s]; missing > 0 {
				g.give(s, 1+random.Int64N(min(missing, 3*int64(initial)+2000)))
				over = false
			}
		}
		if missing := 3*size - g.windows[0]; missing > 0 && random.IntN(2) == 0 {
			g.give(0, 1+random.Int64N(min(missing, 30000)))
		}
		over = over && g.windows[0] >= 3*size
	}
	for _, s := range streams {
		if a := g.answer(s); !bytes.Equal(a.body, page(int(size))) {
			t.Errorf("stream %d: %d bytes, %s", s, len(a.body), a.end)
		}
		g.check(streams...)
	}
}

// The initial window changes those of open streams, and can make them negative.
func TestInitialWindowChanges(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		g := grant(t, i, 1000, servePage)
		g.get(1, "/5000")
		g.exhaust(5000, 1)
		g.change(200) // -800
		g.give(1, 800)
		g.pong()
		if g.sent[1] != 1000 {
			t.Fatalf("%d bytes", g.sent[1])
		}
		g.give(1, 50)
		g.exhaust(5000, 1)
		if g.sent[1] != 1050 {
			t.Fatalf("%d bytes", g.sent[1])
		}
		g.change(2000)
		g.exhaust(5000, 1)
		if g.sent[1] != 2850 {
			t.Fatalf("%d bytes", g.sent[1])
		}
		g.change(1 << 20)
		if a := g.answer(1); len(a.body) != 5000 || a.outcome() != "200" {
			t.Errorf("%v", a)
		}
	})
}

// change has the server know the new initial window.
func (g *granter) change(initial uint32) {
	g.t.Helper()
	n := g.acks
	g.initial = int64(initial)
	g.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: initial})
	g.until("the acknowledgement", func() bool { return g.acks > n })
}

// A stream without a window does not hold up others, and an answer without a body
// needs none.
func TestNoWindow(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		g := grant(t, i, 0, servePage)
		g.get(1, "/50000")
		g.get(3, "/1000")
		g.give(3, 1000)
		if a := g.answer(3); len(a.body) != 1000 {
			t.Errorf("%v", a)
		}
		g.headers(5, true, request("HEAD", "/1000")...)
		g.get(7, "/0")
		g.answer(5)
		if a := g.answer(7); a.outcome() != "200" {
			t.Errorf("%v", a)
		}
		g.give(1, 50000)
		if a := g.answer(1); len(a.body) != 50000 {
			t.Errorf("%v", a)
		}
	})
}

// A stream that is reset while it waits for a window gives up the connection's.
func TestResetWithoutWindow(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		g := grant(t, i, 1<<20, servePage)
		g.get(1, "/100000")
		g.exhaust(100000, 1) // 65,535
		g.WriteRSTStream(1, http2.ErrCodeCancel)
		g.get(3, "/5000")
		g.pong()
		g.give(0, 5000)
		if a := g.answer(3); len(a.body) != 5000 {
			t.Errorf("%v", a)
		}
	})
}

// windowOf is what a client may still send on stream; 0: on the connection.
func (c *client) windowOf(stream uint32, used map[uint32]int64) int64 {
	n := int64(65535)
	if stream != 0 {
		n = int64(c.told[http2.SettingInitialWindowSize])
	}
	return n + c.granted[stream] - used[stream]
}

// upload sends size bytes on each stream, as windows allow, until none does any more.
// A pong tells that there is nothing more to come.
func (c *client) upload(size int64, used map[uint32]int64, streams ...uint32) {
	for idle := false; !idle; {
		idle = true
		for _, s := range streams {
			n := min(c.windowOf(0, used), c.windowOf(s, used), size-used[s], 16384)
			if n <= 0 {
				continue
			}
			used[0] += n
			used[s] += n
			c.WriteData(s, used[s] == size, bytes.Repeat([]byte{'x'}, int(n)))
			idle = false
		}
		c.pong()
	}
}

// Of bodies that nobody reads, a client may send 256 KiB each and 1 MiB in all. When
// they are read, all of them come.
func TestBodiesWait(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		const size = 3 << 20
		streams, read, used := []uint32{1, 3, 5, 7, 9, 11}, make(chan bool), map[uint32]int64{}
		c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
			<-read
			n, err := io.Copy(io.Discard, slowly{r.Body})
			fmt.Fprint(w, n, err)
		})
		c.settle()
		for _, s := range streams {
			c.post(s, "/")
		}
		c.upload(size, used, streams...)
		for _, s := range streams {
			if used[s] > 256<<10 {
				t.Errorf("stream %d: %d bytes", s, used[s])
			}
		}
		if used[0] > 1<<20 || used[0] < 256<<10 {
			t.Errorf("connection: %d bytes", used[0])
		}
		close(read)
		for used[0] < int64(len(streams))*size {
			c.upload(size, used, streams...)
			if w := c.windowOf(0, used); w > 1<<20 {
				t.Fatalf("a window of %d", w)
			}
		}
		for _, s := range streams {
			if a := c.answer(s); string(a.body) != fmt.Sprint(size, " <nil>") {
				t.Errorf("%q", a.body)
			}
		}
	})
}

// slowly reads in small and large pieces.
type slowly struct{ r io.Reader }

func (s slowly) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 5000)]) }

// Bodies that are left unread cost the connection no window.
func TestBodiesUnread(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"unread":    func(w http.ResponseWriter, r *http.Request) {},
		"some read": func(w http.ResponseWriter, r *http.Request) { io.ReadFull(r.Body, make([]byte, 1000)) },
		"closed":    func(w http.ResponseWriter, r *http.Request) { r.Body.Close() },
		"aborted":   func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"refused": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, strings.Repeat("x", 100), http.StatusRequestEntityTooLarge)
		},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, i implementation) { testUnread(t, i, h) })
		})
	}
}

func testUnread(t *testing.T, i implementation, h http.HandlerFunc) {
	leaves(t)
	used := map[uint32]int64{}
	c := start(t, i, h)
	c.settle()
	for n := range uint32(30) {
		s := 2*n + 1
		c.post(s, "/")
		for range 6 { // before and after the answer
			used[0] += 16384
			c.WriteData(s, false, make([]byte, 16384))
		}
		c.answer(s)
		c.WriteRSTStream(s, http2.ErrCodeCancel)
		c.until("the window", func() bool { return c.windowOf(0, used) > 1<<19 })
	}
	c.pong()
	if len(c.goAway) > 0 {
		t.Errorf("GOAWAY %v", c.goAway)
	}
}

// More than the window is an error.
func TestWindowExceeded(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		g := newGate()
		c := start(t, i, func(w http.ResponseWriter, r *http.Request) { g.pass(r) })
		c.settle()
		c.post(1, "/")
		for range 17 { // 272 KiB
			c.WriteData(1, false, make([]byte, 16384))
		}
		if a := c.answer(1); a.end != "RST_STREAM FLOW_CONTROL_ERROR" && len(c.goAway) == 0 {
			t.Errorf("%v", a)
		}
		close(g.open)
	})
}

// A client that takes nothing holds up neither its other requests nor the server's end.
func TestDeafClient(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		leaves(t)
		entered := make(chan bool, 100)
		c := start(t, i, func(w http.ResponseWriter, r *http.Request) {
			entered <- true
			w.Write(page(8 << 20))
		})
		c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
		c.WriteWindowUpdate(0, 1<<30)
		c.settle()
		for n := range uint32(10) {
			c.get(2*n+1, "/")
			soon(t, "the handler", entered)
		}
		time.Sleep(100 * time.Millisecond) // for sockets to be full
		c.abort()
	})
}
