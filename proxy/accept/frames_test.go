package accept

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framer is an HTTP/2 client that sends what it likes.
type framer struct {
	*http2.Framer
	conn   net.Conn
	block  bytes.Buffer
	hpack  *hpack.Encoder
	goAway chan http2.ErrCode
	status chan string // of answers, the first few
}

func newFramer(t *testing.T, e *edge) *framer {
	t.Helper()
	e.client.NextProtos = []string{"h2"}
	f := &framer{conn: e.dial(), goAway: make(chan http2.ErrCode, 10), status: make(chan string, 10)}
	io.WriteString(f.conn, http2.ClientPreface)
	f.Framer = http2.NewFramer(f.conn, f.conn)
	f.hpack = hpack.NewEncoder(&f.block)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.WriteSettings()
	go f.read()
	return f
}

// read reports GOAWAY, and the connection's end by closing goAway.
func (f *framer) read() {
	defer close(f.goAway)
	defer close(f.status)
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			f.goAway <- frame.ErrCode
		case *http2.MetaHeadersFrame:
			select {
			case f.status <- frame.PseudoValue("status"):
			default:
			}
		}
	}
}

func (f *framer) get(stream uint32, more ...hpack.HeaderField) error {
	f.block.Reset()
	for _, h := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/"}} {
		f.hpack.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
	}
	for _, h := range more {
		f.hpack.WriteField(h)
	}
	b := f.block.Bytes()
	n := min(len(b), 16<<10)
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: b[:n], EndStream: true, EndHeaders: n == len(b)}); err != nil || n == len(b) {
		return err
	}
	return f.WriteContinuation(stream, true, b[n:])
}

// edge 52: a flood of frames that cost nothing ends in GOAWAY.
func TestFloods(t *testing.T) {
	tests := []struct {
		reason string
		send   func(f *framer, i uint32) error
	}{
		{"reset_flood", func(f *framer, i uint32) error {
			f.get(2*i + 1)
			return f.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
		}},
		{"settings_flood", func(f *framer, i uint32) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: i % 2 * 4096}) // edge 53
		}},
		{"ping_flood", func(f *framer, i uint32) error { return f.WritePing(false, [8]byte{}) }},
		{"window_flood", func(f *framer, i uint32) error { return f.WriteWindowUpdate(0, 1) }},
		{"other_frame_flood", func(f *framer, i uint32) error {
			return f.WritePriority(1, http2.PriorityParam{StreamDep: 3})
		}},
		{"empty_frame_flood", func(f *framer, i uint32) error {
			if i == 0 {
				f.block.Reset()
				f.hpack.WriteField(hpack.HeaderField{Name: ":method", Value: "POST"})
				f.hpack.WriteField(hpack.HeaderField{Name: ":scheme", Value: "https"})
				f.hpack.WriteField(hpack.HeaderField{Name: ":authority", Value: "a.test"})
				f.hpack.WriteField(hpack.HeaderField{Name: ":path", Value: "/"})
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block.Bytes(), EndHeaders: true})
			}
			return f.WriteData(1, false, nil)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			var handled atomic.Int64
			e := newEdge(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handled.Add(1)
				<-r.Context().Done()
			}), nil)
			f := newFramer(t, e)
			for i := range uint32(3000) {
				if tt.send(f, i) != nil {
					break
				}
			}
			if code, ok := <-f.goAway; !ok || code != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("GOAWAY with %v, %v", code, ok)
			}
			e.waitRefused(tt.reason)
			if n := handled.Load(); n > 500 {
				t.Errorf("%d requests reach the handler", n)
			}
		})
	}
}

// h2Client speaks HTTP/2 to e.
func h2Client(e *edge) *http.Client {
	e.client.NextProtos = []string{"h2"}
	tr := &http2.Transport{
		TLSClientConfig: e.client,
		DialTLSContext: func(ctx context.Context, network, _ string, c *tls.Config) (net.Conn, error) {
			return (&tls.Dialer{Config: c}).DialContext(ctx, network, e.addr)
		},
	}
	e.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// A visitor who leaves a page with 80 images under way, again and again, keeps
// the connection.
func TestCancelling(t *testing.T) {
	e := newEdge(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
		}
		io.WriteString(w, r.RemoteAddr)
	}), nil)
	client := h2Client(e)
	before := fetch(t, client, "/")
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		var wg sync.WaitGroup
		for range 80 {
			wg.Go(func() {
				r, _ := http.NewRequestWithContext(ctx, "GET", "https://example.com/slow", nil)
				if res, err := client.Do(r); err == nil {
					res.Body.Close()
				}
			})
		}
		wg.Wait()
		cancel()
		time.Sleep(500 * time.Millisecond)
	}
	if after := fetch(t, client, "/"); after != before {
		t.Errorf("the connection was given up: %s, %s", before, after)
	}
}

func fetch(t *testing.T, client *http.Client, path string) string {
	t.Helper()
	res, err := client.Get("https://example.com" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A download keeps within the budget for WINDOW_UPDATE, in large or small pieces.
func TestDownload(t *testing.T) {
	const size = 64 << 20
	e := newEdge(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, piece := size, 32<<10
		if r.URL.Path == "/dribble" {
			n, piece = 20_000, 1
		}
		for b := make([]byte, piece); n > 0; n -= piece {
			w.Write(b)
			if piece == 1 {
				http.NewResponseController(w).Flush()
			}
		}
	}), nil)
	client := h2Client(e)
	if n := len(fetch(t, client, "/")); n != size {
		t.Errorf("got %d bytes", n)
	}
	if n := len(fetch(t, client, "/dribble")); n != 20_000 {
		t.Errorf("got %d bytes", n)
	}
	if len(e.refused) > 0 {
		t.Error(e.refused)
	}
}

// edge 30, 49: r.TLS tells https from other schemes; large heads are refused.
func TestHTTP2(t *testing.T) {
	e := newEdge(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Proto, r.TLS != nil, r.RemoteAddr != "", FaultOf(r))
	}), nil)
	client := h2Client(e)
	if got := fetch(t, client, "/"); got != "HTTP/2.0 true true <nil>\n" {
		t.Error(got)
	}
	for _, tt := range []struct {
		name   string
		fields int
		value  string
	}{{"large", 40, strings.Repeat("y", 1<<10)}, {"cookies", 4000, "a=b"}} {
		f := newFramer(t, e)
		if err := f.get(1, slices.Repeat([]hpack.HeaderField{{Name: "cookie", Value: tt.value}}, tt.fields)...); err != nil {
			t.Fatal(err)
		}
		if got := <-f.status; got != "431" {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

func TestShutdownHTTP2(t *testing.T) {
	started, finish := make(chan bool), make(chan bool)
	e := newEdge(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started <- true
		<-finish
		io.WriteString(w, "done")
	}), nil)
	f := newFramer(t, e)
	client := h2Client(e)
	got := make(chan string)
	go func() { got <- fetch(t, client, "/") }()
	<-started
	over := make(chan error)
	go func() { over <- e.Shutdown(t.Context()) }()
	if code, ok := <-f.goAway; !ok || code != http2.ErrCodeNo {
		t.Errorf("GOAWAY with %v, %v", code, ok)
	}
	select {
	case err := <-over:
		t.Fatal("Shutdown does not wait:", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(finish)
	if s := <-got; s != "done" {
		t.Error(s)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// However a client's frames are cut, they pass unchanged.
func TestFramesPass(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&b, nil)
	f.WriteSettings()
	for i := range uint32(50) {
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: make([]byte, i*7)})
		f.WriteData(2*i+1, i%2 == 0, make([]byte, i*100))
		f.WritePing(false, [8]byte{})
	}
	for size := 1; size < 50; size++ {
		var f frames
		for in := b.Bytes(); len(in) > 0; in = in[min(size, len(in)):] {
			k := min(size, len(in))
			if n := f.scan(in[:k], time.Now); n != k {
				t.Fatalf("size %d: %d of %d bytes pass, %s", size, n, k, f.flood)
			}
		}
		if f.left != 0 || f.have != 0 {
			t.Errorf("size %d: not at a frame's end", size)
		}
	}
}

func TestBucket(t *testing.T) {
	var b bucket
	now := time.Unix(1000, 0)
	for i := range 25 {
		if ok := b.spend(now, 10, 2); ok != (i < 10) {
			t.Fatalf("%d at once: %v", i+1, ok)
		}
	}
	var slow bucket
	for i := range 1000 {
		now = now.Add(500 * time.Millisecond)
		if !slow.spend(now, 10, 2) {
			t.Fatalf("refused after %d at the rate that is allowed", i)
		}
	}
}
