package e2e

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// clientHTTP2 sends frames as it is told, valid or not, and notes what comes back.
type clientHTTP2 struct {
	*http2.Framer
	conn     net.Conn
	encoder  *hpack.Encoder
	block    bytes.Buffer
	settings map[http2.SettingID]uint32
	answers  map[uint32]*answerHTTP2
	goAway   *http2.ErrCode
	end      error // of the connection, once it has one, or is told that it is over
}

type answerHTTP2 struct {
	status int
	header http.Header
	reset  *http2.StreamError
	whole  bool
}

func (a *answerHTTP2) over() bool { return a.whole || a.reset != nil }

// openHTTP2 opens a connection, with TLS for the name, and says hello.
func (b besieged) openHTTP2(t *testing.T, name string) *clientHTTP2 {
	t.Helper()
	raw, err := net.Dial("tcp", strings.TrimPrefix(b.https, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	t.Cleanup(func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(3 * time.Second))
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Fatalf("the proxy chose %q", got)
	}
	c := &clientHTTP2{
		Framer: http2.NewFramer(conn, conn), conn: conn,
		settings: make(map[http2.SettingID]uint32), answers: make(map[uint32]*answerHTTP2),
	}
	c.AllowIllegalWrites = true
	c.SetMaxReadFrameSize(1 << 20)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.ReadMetaHeaders.SetMaxStringLength(1 << 20)
	c.encoder = hpack.NewEncoder(&c.block)
	io.WriteString(conn, http2.ClientPreface)
	c.WriteSettings()
	return c
}

// headers sends fields, in as many frames as they need.
func (c *clientHTTP2) headers(stream uint32, last bool, fields ...[2]string) {
	c.block.Reset()
	for _, f := range fields {
		c.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	c.fragments(stream, last, c.block.Bytes())
}

const fragment = 16 << 10 // the largest frame that a server must take

func (c *clientHTTP2) fragments(stream uint32, last bool, block []byte) {
	n := min(len(block), fragment)
	c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:n], EndStream: last, EndHeaders: n == len(block)})
	for block = block[n:]; len(block) > 0; block = block[n:] {
		n = min(len(block), fragment)
		if c.WriteContinuation(stream, n == len(block), block[:n]) != nil {
			return
		}
	}
}

// get sends a plain request.
func (c *clientHTTP2) get(stream uint32, target string) {
	c.headers(stream, true, requestAttack{fields: []string{":path", target}}.list("")...)
}

// answer reads until the answer on a stream is over, or the connection is.
func (c *clientHTTP2) answer(stream uint32) *answerHTTP2 {
	a := c.of(stream)
	for !a.over() && c.end == nil {
		c.read()
	}
	return a
}

func (c *clientHTTP2) of(stream uint32) *answerHTTP2 {
	if c.answers[stream] == nil {
		c.answers[stream] = &answerHTTP2{}
	}
	return c.answers[stream]
}

// read takes one frame and replies as a client should.
func (c *clientHTTP2) read() {
	switch f := c.note().(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			c.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			c.WritePing(true, f.Data)
		}
	case *http2.DataFrame:
		if n := uint32(f.Length); n > 0 {
			c.WriteWindowUpdate(0, n)
			c.WriteWindowUpdate(f.StreamID, n)
		}
	}
}

// note takes one frame and does not reply, so that another goroutine may write.
func (c *clientHTTP2) note() http2.Frame {
	frame, err := c.ReadFrame()
	if err != nil {
		c.end = err
		return nil
	}
	a := c.of(frame.Header().StreamID)
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		f.ForeachSetting(func(s http2.Setting) error { c.settings[s.ID] = s.Val; return nil })
	case *http2.GoAwayFrame:
		if c.goAway = &f.ErrCode; f.ErrCode != http2.ErrCodeNo {
			c.end = fmt.Errorf("GOAWAY %v %s", f.ErrCode, f.DebugData())
		}
	case *http2.RSTStreamFrame:
		a.reset = &http2.StreamError{StreamID: f.StreamID, Code: f.ErrCode}
	case *http2.MetaHeadersFrame:
		a.take(f)
	case *http2.DataFrame:
		a.whole = a.whole || f.StreamEnded()
	}
	return frame
}

func (a *answerHTTP2) take(f *http2.MetaHeadersFrame) {
	status, _ := strconv.Atoi(f.PseudoValue("status"))
	if a.status == 0 && status/100 == 1 {
		return
	}
	a.whole = f.StreamEnded()
	if a.header == nil {
		a.status, a.header = status, make(http.Header)
	}
	for _, field := range f.RegularFields() {
		a.header.Add(field.Name, field.Value)
	}
}

// exchange sums up the answers to an attack on stream 1 and what followed on
// another stream.
func (c *clientHTTP2) exchange(stream uint32) (e exchange) {
	a := c.answer(1)
	if c.end == nil {
		c.answer(stream)
	}
	e.closed = c.end != nil && !errors.Is(c.end, os.ErrDeadlineExceeded)
	e.status, e.header = a.status, a.header
	if e.cause = c.end; a.reset != nil {
		e.cause = *a.reset
	}
	e.reset = a.status == 0 && (a.reset != nil || e.closed)
	for _, a := range c.answers {
		if a.status != 0 && (a.over() || e.closed) || a.reset != nil {
			e.ends++
		}
	}
	if e.closed && a.status == 0 && a.reset == nil {
		e.ends++ // the end of the connection is the answer
	}
	return e
}

// frameAttack is what only HTTP/2 can do: frames that send writes on stream 1,
// for the target.
type frameAttack struct {
	row  int // of edge.md
	name string
	send func(c *clientHTTP2, target string)
	want want
}

// posting are the fields of a POST with this length.
func posting(target string, lengths ...string) (fields [][2]string) {
	fields = requestAttack{fields: []string{":method", "POST", ":path", target}}.list("")
	for _, length := range lengths {
		fields = append(fields, [2]string{"content-length", length})
	}
	return fields
}

// resetOr is for requests that are malformed by RFC 9113, 8.1.1: the stream is
// reset, or the answer says so. Their beginning may have gone on.
func resetOr(status ...int) want { return want{refusal: append(status, 0), begun: true} }

var frameAttacks = []frameAttack{
	{9, "length above the body", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target, "5")...)
		c.WriteData(1, true, []byte("abc"))
	}, resetOr(400)},
	{9, "length below the body", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target, "2")...)
		c.WriteData(1, true, []byte("abcGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"))
	}, resetOr(400)},
	{9, "length zero and a body", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target, "0")...)
		c.WriteData(1, true, []byte("abc"))
	}, passed(content("")).or(resetOr(400).orReach())},
	{9, "length and no body", func(c *clientHTTP2, target string) { c.headers(1, true, posting(target, "5")...) }, resetOr(400)},
	{9, "two lengths", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target, "2", "3")...)
		c.WriteData(1, true, []byte("ab"))
	}, resetOr(400)},
	{9, "two lengths, the second right", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target, "3", "2")...)
		c.WriteData(1, true, []byte("ab"))
	}, resetOr(400)},
	{9, "length that is no number", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target, "+2")...)
		c.WriteData(1, true, []byte("ab"))
	}, resetOr(400)},
	{9, "length beyond 64 bits", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target, "18446744073709551618")...)
		c.WriteData(1, true, []byte("ab"))
	}, resetOr(400)},
	{9, "length as a list", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target, "2, 2")...)
		c.WriteData(1, true, []byte("ab"))
	}, resetOr(400)},
	{9, "length right, body in pieces", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target, "4")...)
		c.WriteData(1, false, []byte("ab"))
		c.WriteData(1, false, nil)
		c.WriteData(1, true, []byte("cd"))
	}, passed(content("abcd"))},
	{9, "no length", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target)...)
		c.WriteData(1, true, []byte("GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n0\r\n\r\n"))
	}, passed(content("GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n0\r\n\r\n"))},

	{11, "trailer with a name of ours", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target)...)
		c.WriteData(1, false, []byte("ab"))
		c.headers(1, true, [2]string{"x-forwarded-for", "6.6.6.6"}, [2]string{"content-length", "9"})
	}, passed(content("ab")).or(resetOr(400))},
	{11, "trailer with a pseudo-header field", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target)...)
		c.WriteData(1, false, []byte("ab"))
		c.headers(1, true, [2]string{":path", "/smuggled"})
	}, resetOr(400)},
	{11, "headers again without an end", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target)...)
		c.headers(1, false, posting(target)...)
	}, resetOr(400)},
	{11, "trailer with CR and LF", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target)...)
		c.headers(1, true, [2]string{"x-a", "1\r\nx-b: 2"})
	}, resetOr(400)},

	{21, "body on a stream that never began", func(c *clientHTTP2, _ string) { c.WriteData(1, true, []byte("ab")) }, refused(0)},
	{21, "body on stream 0", func(c *clientHTTP2, _ string) { c.WriteData(0, true, []byte("ab")) }, refused(0)},
	{21, "body after the end", func(c *clientHTTP2, target string) {
		c.headers(1, true, posting(target)...)
		c.WriteData(1, true, []byte("ab"))
	}, refused(0).orReach().orPass()},
	{21, "an even stream", func(c *clientHTTP2, target string) { c.get(2, target) }, refused(0)},
	{21, "continuation of nothing", func(c *clientHTTP2, _ string) { c.WriteContinuation(1, true, []byte{0x82}) }, refused(0)},
	{21, "another stream's frame within a header", func(c *clientHTTP2, target string) {
		c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
		c.WriteData(3, true, []byte("ab"))
	}, refused(0)},
	{21, "push from a client", func(c *clientHTTP2, _ string) {
		c.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: []byte{0x82}, EndHeaders: true})
	}, refused(0)},
	{21, "index that is not in the table", func(c *clientHTTP2, _ string) { c.fragments(1, true, []byte{0xff, 0xff, 0x7f}) }, refused(0)},
	{21, "field that is cut", func(c *clientHTTP2, _ string) { c.fragments(1, true, []byte{0x40, 0x0a, 'x'}) }, refused(0)},
	{21, "table larger than allowed", func(c *clientHTTP2, _ string) { c.fragments(1, true, []byte{0x3f, 0xe1, 0xff, 0x03, 0x82}) }, refused(0)},
	{21, "settings of a wrong length", func(c *clientHTTP2, _ string) { c.WriteRawFrame(http2.FrameSettings, 0, 0, []byte("abc")) }, refused(0)},
	{21, "window of zero", func(c *clientHTTP2, _ string) { c.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, make([]byte, 4)) }, refused(0)},
	{21, "frame too long", func(c *clientHTTP2, _ string) { c.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 1<<20)) }, refused(0)},
	{21, "more padding than frame", func(c *clientHTTP2, target string) {
		c.headers(1, false, posting(target)...)
		c.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, []byte{200, 1, 2})
	}, resetOr()},

	{50, "one large field by its index, 4,000 times", func(c *clientHTTP2, target string) {
		c.block.Reset()
		for _, f := range posting(target) {
			c.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		c.encoder.WriteField(hpack.HeaderField{Name: "x-a", Value: strings.Repeat("x", 3900)})
		c.fragments(1, true, append(c.block.Bytes(), bytes.Repeat([]byte{0xbe}, 4000)...))
	}, refused(431, 0)},
	{51, "endless continuation", func(c *clientHTTP2, _ string) {
		c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
		for range 20_000 {
			if c.WriteContinuation(1, false, []byte("\x40\x01a\x01b")) != nil {
				return
			}
		}
	}, refused(0)},
	{51, "endless empty continuation", func(c *clientHTTP2, _ string) {
		c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
		for range 200_000 {
			if c.WriteContinuation(1, false, nil) != nil {
				return
			}
		}
	}, refused(0)},
}

// TestAttackHTTP2 sends requests and frames that are not what they should be.
func TestAttackHTTP2(t *testing.T) {
	t.Parallel()
	requests := append(append(append([]requestAttack{}, requestAttacks...), identityAttacks...), append(binaryAttacks, schemes...)...)
	t.Logf("%d attacks by requests, %d by frames", len(requests), len(frameAttacks))
	b := besiege(t, true, newRecorder(t, nil))
	s := &siege{origin: b.origin, who: identity{"127.0.0.1", "https"}}
	for _, a := range requests {
		t.Run(fmt.Sprintf("%d %s", a.row, a.name), func(t *testing.T) {
			s.attackHTTP2(t, b, a.want, func(c *clientHTTP2, mark string) {
				c.headers(1, a.body == "", a.list(mark)...)
				if a.body != "" {
					c.WriteData(1, true, []byte(a.body))
				}
			})
		})
	}
	for _, a := range disorders {
		t.Run("21 "+a.name, func(t *testing.T) {
			s.attackHTTP2(t, b, refused(400), func(c *clientHTTP2, _ string) { c.headers(1, true, a.fields...) })
		})
	}
	for _, a := range frameAttacks {
		t.Run(fmt.Sprintf("%d %s", a.row, a.name), func(t *testing.T) {
			s.attackHTTP2(t, b, a.want, func(c *clientHTTP2, mark string) { a.send(c, "/"+mark) })
		})
	}
	s.end(t)
}

// attackHTTP2 sends an attack on stream 1 of a connection, an innocent request on
// another, and judges.
func (s *siege) attackHTTP2(t *testing.T, b besieged, w want, send func(c *clientHTTP2, mark string)) {
	t.Helper()
	mark, since := s.mark(), s.origin.count()
	c := b.openHTTP2(t, "a.test")
	send(c, mark)
	c.get(101, behind(mark))
	w.framing = false // a stream that is refused does not end the others
	s.judge(t, w, mark, since, c.exchange(101))
	c.conn.Close()
}
