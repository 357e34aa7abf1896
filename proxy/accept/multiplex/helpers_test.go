package multiplex_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// An implementation is a server that the tests are run over.
type implementation struct {
	name  string
	start func(h http.Handler, idle time.Duration) server
}

type server interface {
	// serve may return before the connection is over.
	serve(c net.Conn, over func())

	// shutdown makes all connections end when their streams are answered.
	shutdown()

	close() // when all connections are over
}

// implementations has the oracle first.
var implementations = []implementation{{"oracle", newOracle}}

// judged has the tests say what the oracle itself does. It needs time for the end of a
// connection, and is not always the same.
var judged = flag.Bool("oracle", false, "run every test over the oracle, too")

// everywhere runs test over each implementation.
func everywhere(t *testing.T, test func(t *testing.T, i implementation)) {
	for _, i := range implementations {
		if i.name == "oracle" && !*judged {
			continue
		}
		t.Run(i.name, func(t *testing.T) { test(t, i) })
	}
}

// leaves fails the test if it leaves goroutines behind. Tests that run at the same
// time cannot tell.
func leaves(t testing.TB) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				b := make([]byte, 1<<17)
				t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, b[:runtime.Stack(b, true)])
				return
			}
		}
	})
}

// soon waits for c.
func soon[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		b := make([]byte, 1<<17)
		t.Fatalf("%s does not come\n%s", what, b[:runtime.Stack(b, true)])
	}
	return v
}

// eventually waits until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", what)
		}
	}
}

// A client speaks frames, also those that no client should. What it has read is
// kept; errors of writing are not, because they show in what is read.
type client struct {
	*http2.Framer
	t       testing.TB
	conn    net.Conn
	far     net.Conn // the server's end
	server  server
	over    chan bool // closed when the server is done with the connection
	encoder *hpack.Encoder
	block   bytes.Buffer

	answers map[uint32]*answer
	goAway  []http2.GoAwayFrame
	pongs   int
	told    map[http2.SettingID]uint32 // the server's settings
	acks    int                        // of our settings
	sent    map[uint32]int64           // bytes of DATA by stream, 0: all
	granted map[uint32]int64           // WINDOW_UPDATE by stream, 0: the connection's
	keep    bool                       // windows are not given back
	hasty   bool                       // does not wait for the connection's end, for which the oracle takes a second
	ended   error                      // why nothing more can be read
}

// An answer is what came on a stream.
type answer struct {
	interim []string // status and Link of each
	status  string
	header  http.Header
	body    []byte
	trailer http.Header
	end     string // "END_STREAM", "RST_STREAM CODE" or "closed"
	late    string // a reset afterwards, for what the client sent
	fault   string // what a server must not do
}

// launch starts a server for the time of the test.
func (i implementation) launch(t testing.TB, h http.HandlerFunc, idle time.Duration) server {
	s := i.start(h, idle)
	t.Cleanup(s.close)
	return s
}

// start connects a client to a new server with handler h, and greets it.
func start(t testing.TB, i implementation, h http.HandlerFunc) *client {
	t.Helper()
	c := dial(t, i.launch(t, h, 0))
	c.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 24})
	c.WriteWindowUpdate(0, 1<<24)
	return c
}

// dial connects a client that has not yet said anything.
func dial(t testing.TB, s server) *client {
	t.Helper()
	near, far := pair(t)
	c := &client{
		Framer: http2.NewFramer(near, near), t: t, conn: near, far: far, server: s, over: make(chan bool),
		answers: make(map[uint32]*answer), told: make(map[http2.SettingID]uint32),
		sent: make(map[uint32]int64), granted: make(map[uint32]int64),
	}
	c.encoder = hpack.NewEncoder(&c.block)
	c.AllowIllegalWrites = true
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var once sync.Once
	go s.serve(far, func() { once.Do(func() { close(c.over) }) })
	t.Cleanup(c.close)
	return c
}

// close ends the connection, and waits for the server.
func (c *client) close() {
	c.conn.Close()
	if c.hasty {
		c.far.Close()
		return
	}
	soon(c.t, "the end of the connection", c.over)
}

// abort ends the connection so that the server sees an error.
func (c *client) abort() {
	c.conn.(*net.TCPConn).SetLinger(0)
	c.close()
}

func (c *client) greet(s ...http2.Setting) {
	io.WriteString(c.conn, http2.ClientPreface)
	c.WriteSettings(s...)
}

// pair returns the ends of a connection over loopback.
func pair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	near.SetWriteDeadline(time.Now().Add(4 * patience))
	return near, far
}

// encode returns the block for names and values that follow each other.
func (c *client) encode(fields ...string) []byte {
	c.block.Reset()
	for i := 0; i+1 < len(fields); i += 2 {
		c.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(c.block.Bytes())
}

// headers sends fields, in as many frames as it needs.
func (c *client) headers(stream uint32, end bool, fields ...string) {
	b := c.encode(fields...)
	n := min(len(b), 16<<10)
	c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: b[:n], EndStream: end, EndHeaders: n == len(b)})
	for b = b[n:]; len(b) > 0; b = b[n:] {
		n = min(len(b), 16<<10)
		c.WriteContinuation(stream, n == len(b), b[:n])
	}
}

// request returns the fields of a request for path and more.
func request(method, path string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "https", ":authority", "a.test", ":path", path}, more...)
}

func (c *client) get(stream uint32, path string) { c.headers(stream, true, request("GET", path)...) }

func (c *client) post(stream uint32, path string, more ...string) {
	c.headers(stream, false, request("POST", path, more...)...)
}

func (c *client) on(stream uint32) *answer {
	if c.answers[stream] == nil {
		c.answers[stream] = new(answer)
	}
	return c.answers[stream]
}

// read takes a frame. It reports whether there was one.
func (c *client) read() bool { return c.readBy(time.Now().Add(patience)) }

// readBy is read that gives up at deadline, with c.ended being a timeout.
func (c *client) readBy(deadline time.Time) bool {
	if c.ended != nil {
		return false
	}
	c.conn.SetReadDeadline(deadline)
	f, err := c.ReadFrame()
	if err != nil {
		c.ended = err
		for _, a := range c.answers {
			if a.end == "" {
				a.end = "closed"
			}
		}
		return false
	}
	c.take(f)
	return true
}

func (c *client) take(f http2.Frame) {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		c.takeSettings(f)
	case *http2.PingFrame:
		if f.IsAck() {
			c.pongs++
		} else {
			c.WritePing(true, f.Data)
		}
	case *http2.WindowUpdateFrame:
		c.granted[f.StreamID] += int64(f.Increment)
	case *http2.GoAwayFrame:
		c.goAway = append(c.goAway, *f)
	case *http2.RSTStreamFrame:
		c.on(f.StreamID).finish("RST_STREAM " + f.ErrCode.String())
	case *http2.MetaHeadersFrame:
		c.on(f.StreamID).takeFields(f)
	case *http2.DataFrame:
		c.takeData(f)
	default:
		c.t.Errorf("a server sends %v", f)
	}
}

func (c *client) takeSettings(f *http2.SettingsFrame) {
	if f.IsAck() {
		c.acks++
		return
	}
	f.ForeachSetting(func(s http2.Setting) error {
		c.told[s.ID] = s.Val
		return s.Valid()
	})
	c.WriteSettingsAck()
}

func (c *client) takeData(f *http2.DataFrame) {
	c.on(f.StreamID).takeData(f)
	n := f.Length
	c.sent[0] += int64(n)
	c.sent[f.StreamID] += int64(n)
	if n > 0 && !c.keep {
		c.WriteWindowUpdate(0, n)
		if !f.StreamEnded() {
			c.WriteWindowUpdate(f.StreamID, n)
		}
	}
}

func (a *answer) finish(end string) {
	switch {
	case a.end == "":
		a.end = end
	case end == "END_STREAM":
		a.fault += fmt.Sprintf("%s after %s; ", end, a.end)
	default:
		a.late = end
	}
}

func (a *answer) takeData(f *http2.DataFrame) {
	if a.status == "" || a.end != "" || a.trailer != nil {
		a.fault += fmt.Sprintf("%v, status %q, end %q; ", f.Header(), a.status, a.end)
	}
	a.body = append(a.body, f.Data()...)
	if f.StreamEnded() {
		a.finish("END_STREAM")
	}
}

func (a *answer) takeFields(f *http2.MetaHeadersFrame) {
	status, h := f.PseudoValue("status"), make(http.Header)
	for _, field := range f.RegularFields() {
		k := textproto.CanonicalMIMEHeaderKey(field.Name)
		h[k] = append(h[k], field.Value)
	}
	switch {
	case a.end != "" || (status == "") != (a.status != ""):
		a.fault += fmt.Sprintf("HEADERS with status %q, status %q, end %q before; ", status, a.status, a.end)
	case status == "":
		a.trailer = h
	case status[0] == '1':
		a.interim = append(a.interim, strings.TrimSpace(status+" "+strings.Join(h["Link"], ",")))
	default:
		a.status, a.header = status, h
	}
	if f.StreamEnded() {
		a.finish("END_STREAM")
	} else if a.trailer != nil {
		a.fault += "trailers without END_STREAM; "
	}
}

// outcome is the answer in short.
func (a *answer) outcome() string {
	if a.end == "END_STREAM" {
		return a.status
	}
	return a.end
}

// answer reads until stream is over.
func (c *client) answer(stream uint32) *answer {
	c.t.Helper()
	a := c.on(stream)
	c.until(fmt.Sprintf("the answer on stream %d", stream), func() bool { return a.end != "" })
	if a.fault != "" {
		c.t.Errorf("stream %d: %s", stream, a.fault)
	}
	return a
}

// until reads until ok holds or nothing more can be read.
func (c *client) until(what string, ok func() bool) {
	c.t.Helper()
	for !ok() {
		if !c.read() {
			if errors.Is(c.ended, os.ErrDeadlineExceeded) {
				b := make([]byte, 1<<17)
				c.t.Fatalf("%s does not come\n%s", what, b[:runtime.Stack(b, true)])
			}
			return
		}
	}
}

// pong makes sure that the server has read all that was sent before.
func (c *client) pong() {
	c.t.Helper()
	n := c.pongs
	c.WritePing(false, [8]byte{'p', 'o', 'n', 'g'})
	c.until("the answer to a PING", func() bool { return c.pongs > n })
	if c.pongs == n {
		c.t.Fatalf("no answer to a PING: %v, GOAWAY %v", c.ended, c.goAway)
	}
}

// eof reads until the server closes the connection.
func (c *client) eof() {
	c.t.Helper()
	c.until("the end of the connection", func() bool { return false })
}

// settle waits until the server has said its settings, and has ours.
func (c *client) settle() {
	c.t.Helper()
	c.until("the settings", func() bool { return len(c.told) > 0 && c.acks > 0 })
}

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }
