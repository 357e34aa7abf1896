package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Windows as large as a browser's: a page never waits for an update of one.
const (
	streamWindow     = 6 << 20
	connectionWindow = 15 << 20
)

// errGoAway is a server that wants no more requests on a connection.
var errGoAway = errors.New("GOAWAY")

// multiplexed is a browser over HTTP/2, with one stream at a time.
type multiplexed struct {
	net.Conn
	framer *http2.Framer
	out    *bufio.Writer
	coding string
	stream uint32 // of the next request
	taken  int    // of the connection's window, since it was last given back

	block   bytes.Buffer // the fields of a request
	encoder *hpack.Encoder
}

func newMultiplexed(conn net.Conn, coding string) (*multiplexed, error) {
	m := &multiplexed{Conn: conn, out: bufio.NewWriter(conn), coding: coding, stream: 1}
	m.encoder = hpack.NewEncoder(&m.block)
	m.framer = http2.NewFramer(m.out, newBuffered(conn))
	m.framer.SetReuseFrames()
	m.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	m.out.WriteString(http2.ClientPreface)
	m.framer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
	)
	m.framer.WriteWindowUpdate(0, connectionWindow-65535)
	return m, m.out.Flush() // what failed before fails here again
}

func (m *multiplexed) get(path string, body io.Writer) (answerHead, error) {
	m.block.Reset()
	for _, f := range []field{{":method", "GET"}, {":scheme", "https"}, {":authority", benchHost}, {":path", path}} {
		m.encoder.WriteField(hpack.HeaderField{Name: f.name, Value: f.value})
	}
	for _, f := range navigationFields(m.coding) {
		m.encoder.WriteField(hpack.HeaderField{Name: f.name, Value: f.value})
	}
	m.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: m.stream, BlockFragment: m.block.Bytes(), EndStream: true, EndHeaders: true})
	if err := m.out.Flush(); err != nil {
		return answerHead{}, err
	}
	m.stream += 2
	return m.read(body)
}

// read reads frames until the end of an answer, and gives the connection's window back
// when half of it is taken, as browsers do.
func (m *multiplexed) read(body io.Writer) (head answerHead, err error) {
	for ended := false; !ended; {
		frame, err := m.framer.ReadFrame()
		if err != nil {
			return head, err
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			if head.status == 0 {
				head = headOf(frame)
			}
			ended = frame.StreamEnded()
		case *http2.DataFrame:
			if _, err := body.Write(frame.Data()); err != nil {
				return head, err
			}
			m.taken += int(frame.Length)
			ended = frame.StreamEnded()
		default:
			if err := m.control(frame); err != nil {
				return head, err
			}
		}
	}
	if m.taken < connectionWindow/2 {
		return head, nil
	}
	m.framer.WriteWindowUpdate(0, uint32(m.taken))
	m.taken = 0
	return head, m.out.Flush()
}

func headOf(frame *http2.MetaHeadersFrame) answerHead {
	head := answerHead{coding: "identity"}
	head.status, _ = strconv.Atoi(frame.PseudoValue("status"))
	for _, f := range frame.RegularFields() {
		if f.Name == "content-encoding" {
			head.coding = f.Value
		}
	}
	return head
}

// control answers a frame that belongs to no answer.
func (m *multiplexed) control(frame http2.Frame) error {
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			m.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			m.framer.WritePing(true, frame.Data)
		}
	case *http2.RSTStreamFrame:
		return fmt.Errorf("stream reset: %v", frame.ErrCode)
	case *http2.GoAwayFrame:
		if frame.ErrCode == http2.ErrCodeNo {
			return errGoAway
		}
		return fmt.Errorf("GOAWAY: %v", frame.ErrCode)
	}
	return m.out.Flush()
}
