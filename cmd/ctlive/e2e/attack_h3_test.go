package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
)

// binaryAttacks are requests that HTTP/1 has no bytes for.
var binaryAttacks = []requestAttack{
	{9, "two lengths", []string{":method", "POST", "content-length", "2", "content-length", "3"}, "ab", resetOr(400)},
	{9, "length that is no number", []string{":method", "POST", "content-length", "+2"}, "ab", resetOr(400)},
	{9, "length above the body", []string{":method", "POST", "content-length", "5"}, "ab", resetOr(400)},
	{9, "length below the body", []string{":method", "POST", "content-length", "1"}, "ab", resetOr(400).orReach()},

	{14, "CONNECT", []string{":method", "CONNECT", ":authority", "x:443", ":path", absent, ":scheme", absent}, "", refused(400, 405, 501)},
	{14, "CONNECT to our host", []string{":method", "CONNECT", ":authority", "a.test:443", ":path", absent, ":scheme", absent}, "", refused(400, 405, 501)},
	{14, "CONNECT with a body", []string{":method", "CONNECT", ":authority", "x:443", ":path", absent, ":scheme", absent}, sneaked, refused(400, 405, 501)},
	{14, "CONNECT with a path", []string{":method", "CONNECT"}, "", refused(400, 405, 501)},
	{73, "extended CONNECT", []string{":method", "CONNECT", ":protocol", "websocket"}, "", refused(400, 405, 501)},
	{73, ":protocol of a GET", []string{":protocol", "websocket"}, "", refused(400, 405, 501)},

	{21, "CR and LF in a value", []string{"x-a", "1\r\nx-b: 2"}, "", refused(400)},
	{21, "LF in a value", []string{"x-a", "1\nx-forwarded-for: 6.6.6.6"}, "", refused(400)},
	{21, "CR in a value", []string{"x-a", "1\rx-b: 2"}, "", refused(400)},
	{21, "NUL in a value", []string{"x-a", "1\x002"}, "", refused(400)},
	{21, "request in a value", []string{"x-a", "1\r\n\r\n" + sneaked}, "", refused(400)},
	{21, "CR and LF in a name", []string{"x-a: 1\r\nx-b", "2"}, "", refused(400)},
	{21, "colon in a name", []string{"x-a: 1", "2"}, "", refused(400)},
	{21, "space in a name", []string{"x a", "1"}, "", refused(400)},
	{21, "empty name", []string{"", "1"}, "", refused(400)},
	{21, "upper-case name", []string{"X-A", "1"}, "", refused(400)},
	{21, "NUL in a name", []string{"x\x00a", "1"}, "", refused(400)},
	{21, "name that is not ASCII", []string{"xä", "1"}, "", refused(400)},
	{21, "CR and LF in :path", []string{":path", "/@ HTTP/1.1\r\nx-b: 2\r\n\r\n" + sneaked}, "", refused(400)},
	{21, "space in :path", []string{":path", "/@ HTTP/1.1"}, "", refused(400)},
	{21, "CR and LF in :method", []string{":method", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n" + sneaked + "GET"}, "", refused(400, 405, 501)},
	{21, "space in :method", []string{":method", "GET /smuggled HTTP/1.1"}, "", refused(400, 405, 501)},
	{21, "CR and LF in :authority", []string{":authority", "a.test\r\nx-b: 2"}, "", refused(400)},
	{21, "connection", []string{"connection", "close"}, "", refused(400)},
	{21, "keep-alive", []string{"keep-alive", "timeout=5"}, "", refused(400)},
	{21, "proxy-connection", []string{"proxy-connection", "keep-alive"}, "", refused(400)},
	{21, "transfer-encoding", []string{":method", "POST", "transfer-encoding", "chunked"}, "0\r\n\r\n" + sneaked, refused(400)},
	{21, "upgrade", []string{"upgrade", "websocket"}, "", refused(400)},
	{21, "te: gzip", []string{"te", "gzip"}, "", refused(400)},
	{21, "te: trailers, which is allowed", []string{"te", "trailers"}, "", passed()},
	{21, "unknown pseudo-header field", []string{":foo", "1"}, "", refused(400)},
	{21, ":status", []string{":status", "200"}, "", refused(400)},
	{21, "no :method", []string{":method", absent}, "", refused(400)},
	{21, "no :path", []string{":path", absent}, "", refused(400)},
	{21, "empty :path", []string{":path", ""}, "", refused(400)},
	{21, "empty :method", []string{":method", ""}, "", refused(400)},

	{24, "no :authority and no host", []string{":authority", absent}, "", refused(400)},
	{24, "empty :authority", []string{":authority", ""}, "", refused(400)},
	{24, "host alone", []string{":authority", absent, "host", "a.test"}, "", passed(field("Host", "a.test")).or(refused(400))},
	{24, "empty host alone", []string{":authority", absent, "host", ""}, "", refused(400)},
	{24, "two hosts", []string{":authority", absent, "host", "a.test", "host", "b.test"}, "", refused(400)},
	{26, "path in :authority", []string{":authority", "a.test/x"}, "", refused(400)},
	{26, "URL in :authority", []string{":authority", "http://a.test"}, "", refused(400)},
	{30, "host that is not :authority", []string{"host", "b.test"}, "", refused(400)},
	{30, "host that is :authority", []string{"host", "a.test"}, "", passed(field("Host", "a.test"))},
	{30, "host in another case", []string{"host", "A.TEST"}, "", passed().or(refused(400))},
	{30, "URL in :path", []string{":path", "http://evil.test/"}, "", refused(400)},
	{30, "asterisk in :path", []string{":path", "*"}, "", refused(400)},
	{30, ":path without a slash", []string{":path", "smuggled"}, "", refused(400)},
	{30, "asterisk of OPTIONS", []string{":method", "OPTIONS", ":path", "*"}, "", passed(asked("*")).or(refused(400))},
	{20, "expectation", []string{":method", "POST", "expect", "100-continue"}, "hello", passed(without("Expect"), content("hello"))},
	{19, "other expectation", []string{":method", "POST", "expect", "200-ok"}, "hello", refused(417)},
	{49, "17 KiB in short fields", numbered(99, "x-", strings.Repeat("x", 170)), "", refused(431)},
}

// schemes are about :scheme, which quic-go does not look at. As nothing of it goes
// on to the origin, that does no harm: X-Forwarded-Proto is https, by I4.
var schemes = []requestAttack{
	{30, ":scheme http", []string{":scheme", "http"}, "", refused(400)},
	{30, ":scheme gopher", []string{":scheme", "gopher"}, "", refused(400)},
	{30, "empty :scheme", []string{":scheme", ""}, "", refused(400)},
	{30, "no :scheme", []string{":scheme", absent}, "", refused(400)},
}

// disorders are fields in an order that list never makes.
var disorders = []struct {
	name   string
	fields [][2]string
}{
	{"pseudo-header field after another", [][2]string{{":method", "GET"}, {":scheme", "https"}, {":path", "/@"}, {"x-a", "1"}, {":authority", "a.test"}}},
	{"two :path", [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/@"}, {":path", "/smuggled"}}},
	{"two :method", [][2]string{{":method", "GET"}, {":method", "POST"}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/@"}}},
	{"two :authority", [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a.test"}, {":authority", "b.test"}, {":path", "/@"}}},
	{"nothing at all", nil},
}

// Frames and streams of RFC 9114, 7.2 and 6.2.
const (
	dataFrame     = 0x0
	headersFrame  = 0x1
	settingsFrame = 0x4
	goAwayFrame   = 0x7
	enableConnect = 0x8 // SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 9220
	controlStream = 0x0
)

// clientHTTP3 sends frames as it is told, valid or not.
type clientHTTP3 struct {
	*quic.Conn
	ctx context.Context
}

// openHTTP3 opens a connection, with TLS for the name, and its control stream.
func (b besieged) openHTTP3(t *testing.T, name string) clientHTTP3 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	t.Cleanup(cancel)
	config := &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"h3"}}
	conn, err := quic.DialAddr(ctx, strings.TrimPrefix(b.https, "https://"), config, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseWithError(0x100, "") }) // H3_NO_ERROR
	control, err := conn.OpenUniStream()
	if err != nil {
		t.Fatal(err)
	}
	control.Write([]byte{controlStream, settingsFrame, 0})
	return clientHTTP3{conn, ctx}
}

func frameHTTP3(kind uint64, payload []byte) []byte {
	frame := quicvarint.Append(nil, kind)
	return append(quicvarint.Append(frame, uint64(len(payload))), payload...)
}

// fieldSection encodes fields without the dynamic table.
func fieldSection(fields [][2]string) []byte {
	var section bytes.Buffer
	encoder := qpack.NewEncoder(&section)
	for _, f := range fields {
		encoder.WriteField(qpack.HeaderField{Name: f[0], Value: f[1]})
	}
	encoder.Close()
	return section.Bytes()
}

// ask sends bytes on a stream of their own, ends it and reads the answer. The
// status is 0 if the stream was reset or the connection ended.
func (c clientHTTP3) ask(sent []byte) (status int, header http.Header, err error) {
	stream, err := c.OpenStreamSync(c.ctx)
	if err != nil {
		return 0, nil, err
	}
	stream.SetDeadline(time.Now().Add(3 * time.Second))
	go func() {
		stream.Write(sent)
		stream.Close()
	}()
	return readHTTP3(stream)
}

// readHTTP3 reads a final answer to the end of its stream.
func readHTTP3(stream io.Reader) (status int, header http.Header, err error) {
	in := quicvarint.NewReader(stream)
	for {
		kind, err := quicvarint.Read(in)
		if errors.Is(err, io.EOF) && status != 0 {
			return status, header, nil
		}
		if err != nil {
			return status, header, err
		}
		length, err := quicvarint.Read(in)
		if err != nil || length > 1<<20 {
			return status, header, fmt.Errorf("frame of %d bytes: %w", length, err)
		}
		payload := make([]byte, length)
		if _, err := io.ReadFull(in, payload); err != nil {
			return status, header, err
		}
		if kind == headersFrame && status/100 < 2 {
			status, header = fieldsHTTP3(payload)
		}
	}
}

func fieldsHTTP3(section []byte) (status int, header http.Header) {
	header = make(http.Header)
	next := qpack.NewDecoder().Decode(section)
	for {
		f, err := next()
		if err != nil {
			return status, header
		}
		if f.Name == ":status" {
			status, _ = strconv.Atoi(f.Value)
			continue
		}
		header.Add(f.Name, f.Value)
	}
}

// exchangeHTTP3 sends an attack and an innocent request behind it.
func (c clientHTTP3) exchange(sent []byte, behind string) (e exchange) {
	var err error
	e.status, e.header, err = c.ask(sent)
	e.cause = err
	timeout, late := err.(interface{ Timeout() bool })
	var idle *quic.IdleTimeoutError
	late = late && timeout.Timeout() && !errors.As(err, &idle)
	e.reset = e.status == 0 && err != nil && !late
	if e.status != 0 || e.reset {
		e.ends++
	}
	if c.Context().Err() != nil {
		e.closed = true
		return e
	}
	innocent := requestAttack{fields: []string{":path", behind}}.list("")
	if status, _, err := c.ask(frameHTTP3(headersFrame, fieldSection(innocent))); status != 0 || err != nil {
		e.ends++
	}
	return e
}

// rawAttack is what only HTTP/3 can do: bytes on a request stream.
type rawAttack struct {
	row  int // of edge.md
	name string
	send func(target string) []byte
	want want
}

func getHTTP3(target string) []byte {
	return frameHTTP3(headersFrame, fieldSection(requestAttack{fields: []string{":path", target}}.list("")))
}

func postHTTP3(target string, frames ...[]byte) []byte {
	return append(frameHTTP3(headersFrame, fieldSection(posting(target))), bytes.Join(frames, nil)...)
}

var rawAttacks = []rawAttack{
	{11, "trailer with a name of ours", func(target string) []byte {
		return postHTTP3(target, frameHTTP3(dataFrame, []byte("ab")), frameHTTP3(headersFrame, fieldSection([][2]string{{"x-forwarded-for", "6.6.6.6"}})))
	}, passed(content("ab")).or(resetOr(400))},
	{11, "trailer with a pseudo-header field", func(target string) []byte {
		return postHTTP3(target, frameHTTP3(dataFrame, []byte("ab")), frameHTTP3(headersFrame, fieldSection([][2]string{{":path", "/smuggled"}})))
	}, passed(content("ab")).or(resetOr(400))},
	{21, "body in pieces", func(target string) []byte {
		return postHTTP3(target, frameHTTP3(dataFrame, []byte("ab")), frameHTTP3(dataFrame, nil), frameHTTP3(dataFrame, []byte("cd")))
	}, passed(content("abcd"))},
	{21, "body before the headers", func(target string) []byte { return append(frameHTTP3(dataFrame, []byte("ab")), getHTTP3(target)...) }, refused(0, 400)},
	{21, "settings on a request stream", func(target string) []byte { return append(frameHTTP3(settingsFrame, nil), getHTTP3(target)...) }, refused(0, 400)},
	{21, "GOAWAY on a request stream", func(target string) []byte { return append(frameHTTP3(goAwayFrame, []byte{0}), getHTTP3(target)...) }, refused(0, 400)},
	{21, "unknown frame first, which is allowed", func(target string) []byte { return append(frameHTTP3(0x21, []byte("grease")), getHTTP3(target)...) }, passed()},
	{21, "headers that are cut", func(target string) []byte { return getHTTP3(target)[:10] }, refused(0, 400)},
	{21, "index that is not in the table", func(string) []byte { return frameHTTP3(headersFrame, []byte{0, 0, 0xff, 0xff, 0x7f}) }, refused(0, 400)},
	{21, "dynamic table, which there is not", func(string) []byte { return frameHTTP3(headersFrame, []byte{2, 0, 0x80}) }, refused(0, 400)},
	{21, "empty stream", func(string) []byte { return nil }, refused(0, 400)},
	{50, "headers of a gigabyte", func(string) []byte {
		return append(quicvarint.Append(quicvarint.Append(nil, headersFrame), 1<<30), make([]byte, 64<<10)...)
	}, refused(0, 431)},
}

// TestAttackHTTP3 sends the attacks of HTTP/2 over QUIC, and frames of its own.
func TestAttackHTTP3(t *testing.T) {
	t.Parallel()
	requests := append(append(append([]requestAttack{}, requestAttacks...), identityAttacks...), binaryAttacks...)
	t.Logf("%d attacks by requests, %d by frames", len(requests), len(rawAttacks))
	b := besiege(t, true, newRecorder(t, nil))
	s := &siege{origin: b.origin, who: identity{"127.0.0.1", "https"}}
	for _, a := range schemes {
		a.want = a.want.orPass()
		requests = append(requests, a)
	}
	for _, a := range requests {
		s.attackHTTP3(t, b, a.row, a.name, a.want, func(mark string) []byte {
			sent := frameHTTP3(headersFrame, fieldSection(a.list(mark)))
			if a.body != "" {
				sent = append(sent, frameHTTP3(dataFrame, []byte(a.body))...)
			}
			return sent
		})
	}
	for _, a := range disorders {
		s.attackHTTP3(t, b, 21, a.name, refused(400), func(string) []byte { return frameHTTP3(headersFrame, fieldSection(a.fields)) })
	}
	for _, a := range rawAttacks {
		s.attackHTTP3(t, b, a.row, a.name, a.want, func(mark string) []byte { return a.send("/" + mark) })
	}
	s.end(t)
}

func (s *siege) attackHTTP3(t *testing.T, b besieged, row int, name string, w want, send func(mark string) []byte) {
	t.Run(fmt.Sprintf("%d %s", row, name), func(t *testing.T) {
		mark, since := s.mark(), s.origin.count()
		c := b.openHTTP3(t, "a.test")
		w.framing = false
		s.judge(t, w, mark, since, c.exchange(send(mark), behind(mark)))
	})
}

// settingsHTTP3 reads what the server says on its control stream.
func settingsHTTP3(t *testing.T, c clientHTTP3) map[uint64]uint64 {
	t.Helper()
	for {
		stream, err := c.AcceptUniStream(c.ctx)
		if err != nil {
			t.Fatal(err)
		}
		in := quicvarint.NewReader(stream)
		if kind, _ := quicvarint.Read(in); kind != controlStream {
			continue
		}
		frame, _ := quicvarint.Read(in)
		length, _ := quicvarint.Read(in)
		payload := make([]byte, min(length, 1<<10))
		if _, err := io.ReadFull(in, payload); err != nil || frame != settingsFrame {
			t.Fatalf("frame %d first, %v", frame, err)
		}
		settings := make(map[uint64]uint64)
		for values := bytes.NewReader(payload); values.Len() > 0; {
			id, _ := quicvarint.Read(values)
			settings[id], _ = quicvarint.Read(values)
		}
		return settings
	}
}
