package multiplex

import (
	"errors"
	"io"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"ctlive/proxy/socket"
)

const (
	tableSize     = 4096      // of HPACK, in either direction: the default, RFC 9113 6.5.2
	defaultWindow = 65535     // RFC 9113 6.9.2
	maxWindow     = 1<<31 - 1 // RFC 9113 6.9.1
	remembered    = 16        // streams that we have reset
)

// errDeparted is what waiting ends with when the connection has.
var errDeparted = errors.New("client disconnected")

// A conn is a connection. One goroutine at a time reads it: the one that has the
// alarm armed, or that the alarm has started.
type conn struct {
	Conn
	server  *Server
	peer    Peer
	over    func()
	alarm   *socket.Alarm // nil: there is none, and handlers get goroutines of their own
	input   input
	framer  *http2.Framer // for reading
	section *section      // of the reader's frame

	mu       sync.Mutex
	changed  sync.Cond // windows, out, what ends a wait
	waiting  int       // for that
	err      error     // what the connection ended with; nothing is written any more
	parties  int       // the reader, handlers and who closes: over is called when there are none
	handlers int
	streams  map[uint32]*stream // neither ended nor reset
	last     uint32             // of the client's
	resets   [remembered]uint32 // the last streams that we have reset
	nextOne  int                // in resets
	settled  bool               // the client's settings have come
	fresh    *stream            // that the last frame has opened; the reader's
	leaving  bool               // a GOAWAY has been sent
	final    uint32             // the last stream that it allows

	window  int64 // bytes that may be sent
	initial int64 // of a new stream's window
	inbound inbound
	output  output
	rounds  rounds
}

func newConn(s *Server, nc Conn, peer Peer, over func()) *conn {
	c := &conn{
		Conn: nc, server: s, peer: peer, over: over, parties: 1,
		streams: make(map[uint32]*stream), window: defaultWindow, initial: defaultWindow,
		inbound: inbound{left: connReceive, size: connReceive}, section: newSection(s.MaxHeader),
	}
	c.changed.L = &c.mu
	c.input.conn = nc
	c.output.encoder = hpack.NewEncoder(&c.output.block)
	c.framer = http2.NewFramer(nil, &c.input)
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(maxFrame)
	return c
}

// greet is the preface of both sides, RFC 9113 3.4. It reports whether frames may
// follow.
func (c *conn) greet() bool {
	c.mu.Lock()
	c.output.b = appendSettings(c.output.take(),
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: maxStreams},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamReceive},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(c.server.MaxHeader)})
	c.output.b = appendWindow(c.output.b, 0, connReceive-defaultWindow)
	c.flushLocked()
	c.mu.Unlock()
	var preface [len(http2.ClientPreface)]byte
	_, err := io.ReadFull(&c.input, preface[:])
	switch {
	case err != nil:
		c.fail(err)
	case string(preface[:]) != http2.ClientPreface:
		c.fail(http2.ConnectionError(http2.ErrCodeProtocol))
	default:
		return true
	}
	return false
}

// read reads frames, and answers what they ask for, until the connection's end or
// until somebody else reads it.
func (c *conn) read() {
	for {
		frame, err := c.frame()
		if err == nil {
			err = c.obey(frame)
		}
		var bad http2.StreamError
		if errors.As(err, &bad) {
			err = c.refuse(bad)
		}
		if err != nil {
			c.fail(err)
			c.depart()
			return
		}
		if st := c.asked(); st != nil && !c.answer(st) {
			return
		}
	}
}

// frame reads a frame. Where a section of fields is not found in it, what all later ones
// mean is not known either.
func (c *conn) frame() (http2.Frame, error) {
	head, err := c.framer.ReadFrameHeader()
	if err != nil {
		return nil, err
	}
	frame, err := c.framer.ReadFrameForHeader(head)
	var bad http2.StreamError
	if head.Type == http2.FrameHeaders && errors.As(err, &bad) {
		err = http2.ConnectionError(bad.Code)
	}
	return frame, err
}

// answer has the handler of st called. It reports whether the caller is to read on.
func (c *conn) answer(st *stream) (reads bool) {
	if st.body != nil || c.alarm == nil || c.input.more() {
		go st.run()
		return true
	}
	arming := c.alarm.Arm()
	if arming == 0 {
		go st.run()
		return true
	}
	ended := false
	defer func() {
		if !ended && c.alarm.Disarm(arming) { // by runtime.Goexit
			go c.read()
		}
	}()
	st.run()
	ended = true
	return c.alarm.Disarm(arming)
}

// fail ends the connection because of err: with a GOAWAY if it is the client's fault.
func (c *conn) fail(err error) {
	code := http2.ErrCodeNo
	var broken http2.ConnectionError
	switch {
	case c.Flood() != "":
		code = http2.ErrCodeEnhanceYourCalm
	case errors.As(err, &broken):
		code = http2.ErrCode(broken)
	case errors.Is(err, http2.ErrFrameTooLarge):
		code = http2.ErrCodeFrameSize
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if code != http2.ErrCodeNo && c.err == nil {
		c.goAwayLocked(code)
	}
	c.breakLocked(err)
}

// goAway tells the client to make no more requests here.
func (c *conn) goAway(code http2.ErrCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.leaving && c.err == nil {
		c.goAwayLocked(code)
	}
}

func (c *conn) goAwayLocked(code http2.ErrCode) {
	if !c.leaving {
		c.leaving, c.final = true, c.last
	}
	c.output.b = appendGoAway(c.output.take(), c.final, code)
	c.rounds.idle = 0
	c.pumpLocked()
}

// breakLocked ends the connection. What waits to be written is written, if the client
// takes it.
func (c *conn) breakLocked(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	for _, st := range c.streams {
		c.endLocked(st, errDeparted)
	}
	c.changed.Broadcast()
	c.parties++
	go func() {
		defer c.depart()
		c.hangUp()
	}()
}

// hangUp closes the connection. A client that has been told to go gets time to read
// that.
func (c *conn) hangUp() {
	c.mu.Lock()
	leaving := c.leaving
	if leaving {
		c.partLocked()
	}
	c.mu.Unlock()
	if leaving {
		c.Linger()
	} else {
		c.Close()
	}
}

// depart is the end of a party.
func (c *conn) depart() {
	c.mu.Lock()
	c.parties--
	last := c.parties == 0
	c.mu.Unlock()
	if !last {
		return
	}
	c.server.sweeper.drop(c)
	if c.alarm != nil {
		c.alarm.Close()
	}
	c.over()
}
