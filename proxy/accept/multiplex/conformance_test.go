package multiplex_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// A step is what a client does.
type step func(c *client)

// outcomes of a case: "200" and other statuses, "RST_STREAM CODE", "GOAWAY CODE",
// "closed". Those that follow are as good, where RFC 9113 leaves it open.
type outcomes []string

const (
	protocol = "PROTOCOL_ERROR"
	flow     = "FLOW_CONTROL_ERROR"
	size     = "FRAME_SIZE_ERROR"
	gone     = "STREAM_CLOSED"
)

func goAway(codes ...string) (o outcomes) {
	for _, c := range codes {
		o = append(o, "GOAWAY "+c)
	}
	return append(o, "closed") // RFC 9113 5.4.1: sending GOAWAY is not a must
}

func reset(codes ...string) (o outcomes) {
	for _, c := range codes {
		o = append(o, "RST_STREAM "+c)
	}
	return o
}

// malformed requests may be answered, RFC 9113 8.1.1.
var malformed = append(reset(protocol), "400")

var fine = outcomes{"200"}

// A conformance is a case of RFC 9113.
type conformance struct {
	name   string
	script []step
	want   outcomes
}

func get(stream uint32) step { return func(c *client) { c.get(stream, "/") } }

// held is a request that is not answered until the connection ends.
func held(stream uint32) step { return func(c *client) { c.get(stream, "/held") } }

// open is a request whose body does not end.
func open(stream uint32, more ...string) step {
	return func(c *client) { c.post(stream, "/", more...) }
}

func heading(stream uint32, end bool, fields ...string) step {
	return func(c *client) { c.headers(stream, end, fields...) }
}

func data(stream uint32, end bool, n int) step {
	return func(c *client) { c.WriteData(stream, end, make([]byte, n)) }
}

func frame(kind http2.FrameType, flags http2.Flags, stream uint32, payload ...byte) step {
	return func(c *client) { c.WriteRawFrame(kind, flags, stream, payload) }
}

func window(stream, increment uint32) step {
	return frame(http2.FrameWindowUpdate, 0, stream, binary.BigEndian.AppendUint32(nil, increment)...)
}

func setting(id http2.SettingID, v uint32) step {
	return func(c *client) { c.WriteSettings(http2.Setting{ID: id, Val: v}) }
}

// block is HEADERS with a block that may be incomplete.
func block(stream uint32, flags http2.Flags, part func(b []byte) []byte) step {
	return func(c *client) {
		c.WriteRawFrame(http2.FrameHeaders, flags, stream, part(c.encode(request("GET", "/", "x", "value")...)))
	}
}

func whole(b []byte) []byte { return b }

func ping(c *client) { c.pong() }

// answered waits until stream is over.
func answered(stream uint32) step { return func(c *client) { c.answer(stream) } }

// fields is a request without a body.
func fields(f ...string) []step { return []step{heading(1, true, f...)} }

// with is a GET with more fields.
func with(more ...string) []step { return fields(request("GET", "/", more...)...) }

const (
	endStream  = http2.FlagHeadersEndStream
	endHeaders = http2.FlagHeadersEndHeaders
	padded     = http2.FlagHeadersPadded
	prioritize = http2.FlagHeadersPriority
)

func conformances() []conformance {
	return slices.Concat(frameCases, streamCases, blockCases, requestCases, controlCases(), limitCases())
}

var frameCases = []conformance{
	{"unknown frame", []step{frame(0xfa, 0xff, 0, 1, 2, 3), frame(0xfa, 0xff, 77, 1, 2, 3), get(1)}, fine},
	{"unknown flags", []step{frame(http2.FramePing, 0x16, 0, 1, 2, 3, 4, 5, 6, 7, 8), get(1)}, fine},
	{"reserved bit of the stream", []step{func(c *client) {
		b := c.encode(request("GET", "/")...)
		c.conn.Write(slices.Concat([]byte{0, 0, byte(len(b)), 1, 5, 0x80, 0, 0, 1}, b))
	}}, fine},
	{"DATA of the largest size", []step{open(1), data(1, true, 16384)}, fine},
	{"DATA too large", []step{open(1), data(1, true, 16385)}, append(reset(size), goAway(size)...)},
	{"HEADERS too large", []step{frame(http2.FrameHeaders, endHeaders|endStream, 1, make([]byte, 16385)...)}, goAway(size)},
	{"unknown frame too large", []step{frame(0xfa, 0, 0, make([]byte, 16385)...)}, goAway(size)},
	{"PRIORITY too short", []step{get(1), answered(1), frame(http2.FramePriority, 0, 3, 0, 0, 0, 1)}, append(reset(size), goAway(size)...)},
	{"RST_STREAM too short", []step{held(1), frame(http2.FrameRSTStream, 0, 1, 0, 0, 0)}, goAway(size)},
	{"SETTINGS not of sixes", []step{frame(http2.FrameSettings, 0, 0, 0, 3, 0)}, goAway(size)},
	{"PING too short", []step{frame(http2.FramePing, 0, 0, 1, 2, 3, 4, 5, 6, 7)}, goAway(size)},
	{"PING too long", []step{frame(http2.FramePing, 0, 0, make([]byte, 9)...)}, goAway(size)},
	{"WINDOW_UPDATE too short", []step{frame(http2.FrameWindowUpdate, 0, 0, 0, 0, 1)}, goAway(size)},
	{"GOAWAY too short", []step{frame(http2.FrameGoAway, 0, 0, 0, 0, 0, 0)}, goAway(size, protocol)},
	{"DATA padded", []step{open(1), frame(http2.FrameData, 9, 1, 3, 'x', 0, 0, 0)}, fine},
	{"DATA with nothing but padding", []step{open(1), frame(http2.FrameData, 9, 1, 2, 0, 0)}, fine},
	{"DATA with padding too long", []step{open(1), frame(http2.FrameData, 9, 1, 5, 'x', 0, 0, 0)}, goAway(protocol)},
	{"DATA with padding without its length", []step{open(1), frame(http2.FrameData, 9, 1)}, goAway(size, protocol)},
	{"HEADERS padded", []step{block(1, endHeaders|endStream|padded, func(b []byte) []byte { return slices.Concat([]byte{2}, b, []byte{0, 0}) })}, fine},
	{"HEADERS with padding too long", []step{block(1, endHeaders|endStream|padded, func(b []byte) []byte { return append([]byte{255}, b...) })}, goAway(protocol)},
	{"HEADERS with a priority", []step{block(1, endHeaders|endStream|prioritize, func(b []byte) []byte { return append([]byte{0, 0, 0, 0, 16}, b...) })}, fine},
	{"HEADERS with a priority cut off", []step{frame(http2.FrameHeaders, endHeaders|endStream|prioritize, 1, 0, 0, 0)}, append(goAway(size, protocol), reset(size)...)},
}

var streamCases = []conformance{
	{"DATA on 0", []step{data(0, true, 1)}, goAway(protocol)},
	{"DATA on idle", []step{data(1, true, 1)}, goAway(protocol)},
	{"RST_STREAM on 0", []step{frame(http2.FrameRSTStream, 0, 0, 0, 0, 0, 8)}, goAway(protocol)},
	{"RST_STREAM on idle", []step{frame(http2.FrameRSTStream, 0, 1, 0, 0, 0, 8)}, goAway(protocol)},
	{"WINDOW_UPDATE on idle", []step{window(1, 100)}, goAway(protocol)},
	{"CONTINUATION on idle", []step{frame(http2.FrameContinuation, endHeaders, 1, 0x82)}, goAway(protocol)},
	{"PRIORITY on idle", []step{frame(http2.FramePriority, 0, 3, 0, 0, 0, 1, 7), get(1)}, fine},
	{"PRIORITY on 0", []step{frame(http2.FramePriority, 0, 0, 0, 0, 0, 1, 7)}, goAway(protocol)},
	{"PRIORITY on itself", []step{frame(http2.FramePriority, 0, 1, 0, 0, 0, 1, 7), get(1)}, append(reset(protocol), "200")},
	{"HEADERS on itself", []step{block(1, endHeaders|endStream|prioritize, func(b []byte) []byte { return append([]byte{0, 0, 0, 1, 16}, b...) })}, append(reset(protocol), "200")},
	{"HEADERS on 0", []step{block(0, endHeaders|endStream, whole)}, goAway(protocol)},
	{"HEADERS on an even stream", []step{get(2)}, goAway(protocol)},
	{"streams that go down", []step{held(5), held(3)}, goAway(protocol, gone)},
	{"streams that skip", []step{get(101)}, fine},
	{"HEADERS on half-closed", []step{held(1), held(1)}, append(reset(gone), goAway(gone)...)},
	{"DATA on half-closed", []step{held(1), data(1, true, 1)}, append(reset(gone), goAway(gone)...)},
	{"DATA after its end", []step{func(c *client) { c.post(1, "/held") }, data(1, true, 1), data(1, true, 1)}, append(reset(gone), goAway(gone)...)},
	{"WINDOW_UPDATE on half-closed", []step{held(1), window(1, 100), get(3)}, fine},
	{"PRIORITY on half-closed", []step{held(1), frame(http2.FramePriority, 0, 1, 0, 0, 0, 7, 7), get(3)}, fine},
	{"RST_STREAM on half-closed", []step{held(1), frame(http2.FrameRSTStream, 0, 1, 0, 0, 0, 8), get(3)}, fine},
	{"HEADERS on closed", []step{get(1), answered(1), get(1)}, append(goAway(gone, protocol), reset(gone)...)},
	{"DATA on closed", []step{get(1), answered(1), data(1, true, 1)}, append(goAway(gone), reset(gone)...)},
	{"WINDOW_UPDATE on closed", []step{get(1), answered(1), window(1, 100), get(3)}, fine},
	{"RST_STREAM on closed", []step{get(1), answered(1), frame(http2.FrameRSTStream, 0, 1, 0, 0, 0, 8), get(3)}, fine},
	{"PRIORITY on closed", []step{get(1), answered(1), frame(http2.FramePriority, 0, 1, 0, 0, 0, 7, 7), get(3)}, fine},
	{"HEADERS on a stream that was reset", []step{held(1), frame(http2.FrameRSTStream, 0, 1, 0, 0, 0, 8), get(1)}, append(goAway(gone, protocol), reset(gone)...)},
	{"DATA on a stream that was reset", []step{open(1), frame(http2.FrameRSTStream, 0, 1, 0, 0, 0, 8), data(1, true, 1)}, append(goAway(gone), reset(gone)...)},
	{"PUSH_PROMISE", []step{get(1), answered(1), frame(http2.FramePushPromise, endHeaders, 1, 0, 0, 0, 2, 0x82)}, goAway(protocol)},
}

var blockCases = []conformance{
	{"CONTINUATION", []step{
		func(c *client) {
			b := c.encode(request("GET", "/")...)
			c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:5], EndStream: true})
			c.WriteContinuation(1, false, nil)
			c.WriteContinuation(1, true, b[5:])
		},
	}, fine},
	{"HEADERS without a block, then CONTINUATION", []step{
		frame(http2.FrameHeaders, endStream, 1),
		func(c *client) { c.WriteContinuation(1, true, c.encode(request("GET", "/")...)) },
	}, fine},
	{"CONTINUATION after the end of headers", []step{held(1), frame(http2.FrameContinuation, endHeaders, 1, 0x82)}, goAway(protocol)},
	{"CONTINUATION after DATA", []step{open(1), data(1, false, 1), frame(http2.FrameContinuation, endHeaders, 1, 0x82)}, goAway(protocol)},
	{"CONTINUATION of another stream", []step{block(1, endStream, whole), frame(http2.FrameContinuation, endHeaders, 3, 0x82)}, goAway(protocol)},
	{"CONTINUATION on 0", []step{block(1, endStream, whole), frame(http2.FrameContinuation, endHeaders, 0, 0x82)}, goAway(protocol)},
	{"DATA within headers", []step{block(1, endStream, whole), data(1, true, 1)}, goAway(protocol)},
	{"PING within headers", []step{block(1, endStream, whole), frame(http2.FramePing, 0, 0, make([]byte, 8)...)}, goAway(protocol)},
	{"HEADERS within headers", []step{block(1, endStream, whole), get(3)}, goAway(protocol)},
	{"unknown frame within headers", []step{block(1, endStream, whole), frame(0xfa, 0, 0)}, goAway(protocol)},
	{"index that is not there", []step{frame(http2.FrameHeaders, endHeaders|endStream, 1, 0xff, 0x7f)}, goAway("COMPRESSION_ERROR")},
	{"index 0", []step{frame(http2.FrameHeaders, endHeaders|endStream, 1, 0x80)}, goAway("COMPRESSION_ERROR")},
	{"block cut off", []step{block(1, endHeaders|endStream, func(b []byte) []byte { return b[:len(b)-1] })}, goAway("COMPRESSION_ERROR")},
	{"table larger than agreed", []step{frame(http2.FrameHeaders, endHeaders|endStream, 1, 0x3f, 0xff, 0xff, 0x03, 0x82)}, goAway("COMPRESSION_ERROR")},
	{"table's size in the middle", []step{block(1, endHeaders|endStream, func(b []byte) []byte { return append(b, 0x3f, 0x01) })}, goAway("COMPRESSION_ERROR")},
	{"Huffman padding too long", []step{block(1, endHeaders|endStream, func(b []byte) []byte {
		return append(b, 0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff, 0xff)
	})}, goAway("COMPRESSION_ERROR")},
}

var requestCases = []conformance{
	{"plain", with("accept", "*/*", "te", "trailers", "x-empty", ""), fine},
	{"scheme http", fields(":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "/"), fine},
	{"upper-case name", with("X-Upper", "1"), malformed},
	{"upper-case known name", with("Accept", "1"), malformed},
	{"name with a space", with("x a", "1"), malformed},
	{"name with a colon", with("x:a", "1"), malformed},
	{"empty name", with("", "1"), malformed},
	{"value with a line break", with("x", "a\r\nb: c"), malformed},
	{"value with NUL", with("x", "a\x00b"), malformed},
	{"unknown pseudo-field", fields(":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a.test", ":test", "1"), malformed},
	{"pseudo-field of a response", fields(":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a.test", ":status", "200"), malformed},
	{"nothing but :status", fields(":status", "200"), malformed},
	{"pseudo-field after others", fields(":method", "GET", ":scheme", "https", "x", "1", ":path", "/"), malformed},
	{"no :method", fields(":scheme", "https", ":authority", "a.test", ":path", "/"), malformed},
	{"no :scheme", fields(":method", "GET", ":authority", "a.test", ":path", "/"), malformed},
	{"no :path", fields(":method", "GET", ":scheme", "https", ":authority", "a.test"), malformed},
	{"no fields", fields(), malformed},
	{"empty :method", fields(":method", "", ":scheme", "https", ":authority", "a.test", ":path", "/"), malformed},
	{"empty :path", fields(request("GET", "")...), malformed},
	{"relative :path", fields(request("GET", "a/b")...), malformed},
	{"two :method", fields(":method", "GET", ":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "/"), malformed},
	{"two :scheme", fields(":method", "GET", ":scheme", "https", ":scheme", "https", ":authority", "a.test", ":path", "/"), malformed},
	{"two :path", fields(":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "/", ":path", "/"), malformed},
	{"two :authority", fields(":method", "GET", ":scheme", "https", ":authority", "a.test", ":authority", "a.test", ":path", "/"), malformed},
	{"connection", with("connection", "keep-alive"), malformed},
	{"proxy-connection", with("proxy-connection", "keep-alive"), malformed},
	{"keep-alive", with("keep-alive", "3"), malformed},
	{"transfer-encoding", with("transfer-encoding", "chunked"), malformed},
	{"upgrade", with("upgrade", "websocket"), malformed},
	{"te", with("te", "gzip"), malformed},
	{"te with trailers and more", with("te", "trailers, deflate"), malformed},
	{"two te", with("te", "trailers", "te", "trailers"), append(malformed, "200")},
	{"host that is another", with("host", "b.test"), malformed},
	{"two hosts", with("host", "a.test", "host", "a.test"), malformed},
	{"userinfo", fields(":method", "GET", ":scheme", "https", ":authority", "u@a.test", ":path", "/"), malformed},
	{"CONNECT with a path", fields(":method", "CONNECT", ":scheme", "https", ":authority", "a.test", ":path", "/"), malformed},
	{"CONNECT without authority", fields(":method", "CONNECT"), malformed},
	{"extended CONNECT", fields(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "a.test", ":path", "/"), malformed},

	// The test's handler reads the body, and answers 400 if that is an error.
	{"content-length", []step{open(1, "content-length", "4"), data(1, false, 2), data(1, true, 2)}, fine},
	{"less than content-length", []step{open(1, "content-length", "4"), data(1, true, 3)}, malformed},
	{"more than content-length", []step{open(1, "content-length", "4"), data(1, false, 3), data(1, true, 2)}, malformed},
	{"more than content-length 0", []step{open(1, "content-length", "0"), data(1, true, 1)}, malformed},
	{"less than content-length before trailers", []step{open(1, "content-length", "4"), data(1, false, 3), heading(1, true, "x", "1")}, malformed},
	{"content-length without body", with("content-length", "4"), append(malformed, "200")},
	{"content-length that is no number", []step{open(1, "content-length", "abc"), data(1, true, 2)}, malformed},
	{"content-length below 0", []step{open(1, "content-length", "-1"), data(1, true, 2)}, malformed},
	{"two content-lengths", []step{open(1, "content-length", "2", "content-length", "3"), data(1, true, 2)}, append(malformed, "200")},

	{"trailers", []step{open(1), data(1, false, 2), heading(1, true, "x", "1")}, fine},
	{"trailers without DATA", []step{open(1), heading(1, true, "x", "1")}, fine},
	{"trailers with a pseudo-field", []step{open(1), data(1, false, 2), heading(1, true, ":method", "GET")}, malformed},
	{"trailers with a pseudo-field of a response", []step{open(1), data(1, false, 2), heading(1, true, ":status", "200")}, malformed},
	{"trailers with an upper-case name", []step{open(1), data(1, false, 2), heading(1, true, "X", "1")}, malformed},
	{"trailers without END_STREAM", []step{open(1), data(1, false, 2), heading(1, false, "x", "1")}, malformed},
	{"trailers with content-length that was declared", []step{open(1, "trailer", "x"), heading(1, true, "content-length", "1", "x", "1")}, append(malformed, "200")},
	{"DATA after trailers", []step{func(c *client) { c.post(1, "/held") }, heading(1, true, "x", "1"), data(1, true, 1)}, append(reset(gone), goAway(gone)...)},
}

func controlCases() []conformance {
	return []conformance{
		{"SETTINGS unknown", []step{setting(0xf000, 7), get(1)}, fine},
		{"SETTINGS empty", []step{func(c *client) { c.WriteSettings() }, get(1)}, fine},
		{"SETTINGS acknowledged with a payload", []step{frame(http2.FrameSettings, 1, 0, 0, 3, 0, 0, 0, 1)}, goAway(size)},
		{"SETTINGS on a stream", []step{frame(http2.FrameSettings, 0, 1, 0, 3, 0, 0, 0, 1)}, goAway(protocol)},
		{"ENABLE_PUSH 2", []step{setting(http2.SettingEnablePush, 2)}, goAway(protocol)},
		{"ENABLE_PUSH 0 and 1", []step{setting(http2.SettingEnablePush, 0), setting(http2.SettingEnablePush, 1), get(1)}, fine},
		{"INITIAL_WINDOW_SIZE too large", []step{setting(http2.SettingInitialWindowSize, 1<<31)}, goAway(flow)},
		{"INITIAL_WINDOW_SIZE twice, the last counts", []step{func(c *client) {
			id := http2.SettingInitialWindowSize
			c.WriteSettings(http2.Setting{ID: id, Val: 0}, http2.Setting{ID: id, Val: 1 << 20})
		}, get(1)}, fine},
		{"MAX_FRAME_SIZE too small", []step{setting(http2.SettingMaxFrameSize, 16383)}, goAway(protocol)},
		{"MAX_FRAME_SIZE too large", []step{setting(http2.SettingMaxFrameSize, 1<<24)}, goAway(protocol)},
		{"MAX_FRAME_SIZE largest", []step{setting(http2.SettingMaxFrameSize, 1<<24-1), get(1)}, fine},
		{"HEADER_TABLE_SIZE 0", []step{setting(http2.SettingHeaderTableSize, 0), get(1), answered(1), get(3)}, fine},
		{"HEADER_TABLE_SIZE large", []step{setting(http2.SettingHeaderTableSize, 1<<31), get(1), answered(1), get(3)}, fine},
		{"MAX_HEADER_LIST_SIZE 0", []step{setting(http2.SettingMaxHeaderListSize, 0), get(1)}, fine},
		{"MAX_CONCURRENT_STREAMS 0", []step{setting(http2.SettingMaxConcurrentStreams, 0), get(1)}, fine},
		{"PING on a stream", []step{frame(http2.FramePing, 0, 1, make([]byte, 8)...)}, goAway(protocol)},
		{"PING", []step{ping, ping, get(1)}, fine},
		{"PING acknowledged that was not sent", []step{frame(http2.FramePing, 1, 0, make([]byte, 8)...), get(1)}, fine},
		{"GOAWAY on a stream", []step{frame(http2.FrameGoAway, 0, 1, make([]byte, 8)...)}, goAway(protocol)},
		{"WINDOW_UPDATE 0", []step{window(0, 0)}, goAway(protocol)},
		{"WINDOW_UPDATE 0 on a stream", []step{held(1), window(1, 0)}, append(reset(protocol), goAway(protocol)...)},
		{"WINDOW_UPDATE overflow", []step{window(0, 1<<31-1)}, goAway(flow)},
		{"WINDOW_UPDATE overflow in sum", []step{window(0, 1<<30), window(0, 1<<30-1)}, goAway(flow)},
		{"WINDOW_UPDATE overflow on a stream", []step{held(1), window(1, 1<<31-1)}, reset(flow)},
		{"WINDOW_UPDATE to the limit", []step{held(1), window(1, 1<<31-1-1<<24), get(3)}, fine},
		{"INITIAL_WINDOW_SIZE overflows a stream", []step{held(1), window(1, 1<<31-1-1<<24), setting(http2.SettingInitialWindowSize, 1<<24+1), window(1, 1)}, goAway(flow)},
		{"PRIORITY_UPDATE", []step{frame(0x10, 0, 0, append([]byte{0, 0, 0, 1}, "u=1, i"...)...), get(1)}, fine},
	}
}

func limitCases() []conformance {
	return []conformance{
		{"headers too large, compressed", []step{func(c *client) {
			f := request("GET", "/")
			for range 20 {
				f = append(f, "x", strings.Repeat("x", 3000))
			}
			c.headers(1, true, f...)
		}}, append(reset(protocol, "ENHANCE_YOUR_CALM"), "431")},
		{"headers too large", []step{func(c *client) {
			f := request("GET", "/")
			for i := range 20 {
				f = append(f, fmt.Sprintf("x-%d", i), strings.Repeat(string(rune('a'+i)), 3000))
			}
			c.headers(1, true, f...)
		}}, slices.Concat(reset(protocol, "ENHANCE_YOUR_CALM"), outcomes{"431"}, goAway(protocol, "ENHANCE_YOUR_CALM", "COMPRESSION_ERROR"))},
		{"headers that are large enough", []step{func(c *client) { c.headers(1, true, request("GET", "/", "x", strings.Repeat("x", 15<<10))...) }}, fine},
		{"CONTINUATION without an end", []step{block(1, endStream, whole), func(c *client) {
			for range 500 {
				if c.WriteContinuation(1, false, bytes.Repeat([]byte{0x82}, 1000)) != nil {
					return
				}
			}
		}}, goAway(protocol, "ENHANCE_YOUR_CALM", "COMPRESSION_ERROR")},
		{"too many streams", []step{func(c *client) {
			for i := range uint32(101) {
				c.get(2*i+1, "/held")
			}
		}}, reset("REFUSED_STREAM", protocol)},
		{"as many streams as may be", []step{func(c *client) {
			for i := range uint32(99) {
				c.get(2*i+1, "/held")
			}
			c.get(199, "/")
		}}, fine},
	}
}

// conform reads bodies. What "/held" asks for is held until the request ends.
func conform(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/held" {
		<-r.Context().Done()
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
	io.WriteString(w, "page")
}

// outcome reads until something happens to a stream or the connection.
func (c *client) outcome() (stream uint32, what string) {
	c.t.Helper()
	before := make(map[uint32]bool)
	for id, a := range c.answers {
		before[id] = a.end != ""
	}
	c.until("an outcome", func() bool {
		if len(c.goAway) > 0 {
			what = "GOAWAY " + c.goAway[0].ErrCode.String()
		}
		for id, a := range c.answers {
			if what == "" && a.end != "" && !before[id] {
				stream, what = id, a.outcome()
			}
			if what == "" && a.late != "" {
				stream, what = id, a.late
			}
		}
		return what != ""
	})
	if what == "" {
		what = "closed"
	}
	return stream, what
}

func TestConformance(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		for _, test := range conformances() {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				if i.name == "oracle" && oracleDiffers[test.name] != "" {
					t.Skip("nothing is missing: x/net's server, which is asked with -oracle only, " + oracleDiffers[test.name])
				}
				c := start(t, i, conform)
				c.hasty = i.name == "oracle"
				c.settle()
				for _, step := range test.script {
					step(c)
				}
				_, got := c.outcome()
				if !slices.Contains(test.want, got) {
					t.Fatalf("got %s, want one of %q; end %v", got, test.want, c.ended)
				}
				c.checkAfter(got)
			})
		}
	})
}

// checkAfter checks that the connection has ended, or goes on.
func (c *client) checkAfter(outcome string) {
	c.t.Helper()
	if outcome == "closed" || strings.HasPrefix(outcome, "GOAWAY") {
		c.conn.(*net.TCPConn).CloseWrite() // or the server gives us time to do so
		if !c.hasty {
			c.eof()
		}
		return
	}
	if c.answers[201] != nil {
		return // no more streams may be open
	}
	c.get(1001, "/")
	if a := c.answer(1001); a.outcome() != "200" {
		c.t.Errorf("after %s, a request: %s, GOAWAY %v", outcome, a.outcome(), c.goAway)
	}
}

// A connection that does not start as HTTP/2 ends.
func TestPreface(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		for name, sent := range map[string]string{
			"HTTP/1":         "GET / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n",
			"other bytes":    strings.Repeat("INVALID", 10),
			"without its SM": strings.TrimSuffix(http2.ClientPreface, "SM\r\n\r\n") + "XX\r\n\r\n",
			"PING first":     http2.ClientPreface + "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678",
			"HEADERS first":  http2.ClientPreface + "\x00\x00\x01\x01\x05\x00\x00\x00\x01\x82",
			"SETTINGS bad":   http2.ClientPreface + "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x02",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := dial(t, i.launch(t, conform, 0))
				io.WriteString(c.conn, sent)
				if _, got := c.outcome(); !slices.Contains(goAway(protocol), got) {
					t.Errorf("got %s", got)
				}
				c.eof()
			})
		}
	})
}

// The connection ends even if the client keeps it open.
func TestErrorEndsConnection(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		c := start(t, i, conform)
		c.get(1, "/held")
		c.get(2, "/")
		c.eof()
		if len(c.goAway) != 1 || c.goAway[0].ErrCode != http2.ErrCodeProtocol {
			t.Errorf("GOAWAY %v", c.goAway)
		}
		soon(t, "the end of the handlers", c.over)
	})
}

// However the network cuts what a client sends, it is understood.
func TestCuts(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		for _, size := range []int{1, 2, 7, 10, 50} {
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				t.Parallel()
				var b bytes.Buffer
				c := dial(t, i.launch(t, conform, 0))
				out := c.Framer
				c.Framer = http2.NewFramer(&b, nil)
				c.greet()
				c.get(1, "/")
				c.post(3, "/")
				c.WriteData(3, true, make([]byte, 300))
				c.Framer = out
				for sent := b.Bytes(); len(sent) > 0; {
					n := min(size, len(sent))
					c.conn.Write(sent[:n])
					sent = sent[n:]
				}
				for _, stream := range []uint32{1, 3} {
					if a := c.answer(stream); a.outcome() != "200" {
						t.Errorf("stream %d: %s", stream, a.outcome())
					}
				}
			})
		}
	})
}

// The server says its settings first, and acknowledges ours.
func TestSettings(t *testing.T) {
	everywhere(t, func(t *testing.T, i implementation) {
		c := start(t, i, conform)
		c.settle()
		if c.told[http2.SettingMaxConcurrentStreams] != 100 || c.told[http2.SettingInitialWindowSize] != 256<<10 {
			t.Errorf("settings %v", c.told)
		}
		c.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 100})
		c.WriteSettings()
		c.until("the acknowledgements", func() bool { return c.acks == 3 })
	})
}
