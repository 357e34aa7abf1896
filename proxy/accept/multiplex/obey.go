package multiplex

import (
	"golang.org/x/net/http2"
)

// obey does what a frame says. A http2.StreamError is the end of the stream, any
// other error of the connection.
func (c *conn) obey(frame http2.Frame) error {
	c.rounds.heard.Store(true)
	if !c.settled {
		if f, ok := frame.(*http2.SettingsFrame); !ok || f.IsAck() {
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
	}
	switch f := frame.(type) {
	case *http2.HeadersFrame:
		defer c.section.clear()
		if err := c.section.read(c.framer, f, c.server.MaxHeader); err != nil {
			return err
		}
		return c.headers(f)
	case *http2.DataFrame:
		return c.data(f)
	case *http2.WindowUpdateFrame:
		return c.widen(f)
	case *http2.RSTStreamFrame:
		return c.reset(f)
	case *http2.SettingsFrame:
		return c.settings(f)
	case *http2.PingFrame:
		return c.ping(f)
	case *http2.GoAwayFrame:
		c.goAway(http2.ErrCodeNo)
	case *http2.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeProtocol}
		}
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil
}

func (c *conn) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled = true
	err := f.ForeachSetting(func(s http2.Setting) error {
		if err := s.Valid(); err != nil {
			return err
		}
		switch s.ID {
		case http2.SettingHeaderTableSize:
			c.output.encoder.SetMaxDynamicTableSize(min(s.Val, tableSize))
		case http2.SettingInitialWindowSize:
			return c.resizeLocked(int64(s.Val))
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.output.b = appendFrame(c.output.take(), http2.FrameSettings, http2.FlagSettingsAck, 0, 0)
	return c.controlLocked()
}

func (c *conn) ping(f *http2.PingFrame) error {
	if f.IsAck() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.output.b = appendPing(c.output.take(), http2.FlagPingAck, f.Data)
	return c.controlLocked()
}

// reset is the client's RST_STREAM.
func (c *conn) reset(f *http2.RSTStreamFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle(f.StreamID) {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if st := c.streams[f.StreamID]; st != nil {
		c.endLocked(st, http2.StreamError{StreamID: st.id, Code: f.ErrCode})
	}
	return nil
}

// refuse resets a stream because of what the client has sent on it.
func (c *conn) refuse(bad http2.StreamError) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bad.StreamID%2 == 1 {
		c.last = max(c.last, bad.StreamID)
	}
	return c.resetLocked(bad.StreamID, bad.Code)
}

// resetLocked ends a stream from our side.
func (c *conn) resetLocked(id uint32, code http2.ErrCode) error {
	if c.err != nil {
		return nil
	}
	if st := c.streams[id]; st != nil {
		c.endLocked(st, http2.StreamError{StreamID: id, Code: code})
	}
	c.resets[c.nextOne] = id
	c.nextOne = (c.nextOne + 1) % remembered
	c.output.b = appendReset(c.output.take(), id, code)
	return c.controlLocked()
}

// idle reports whether the client has not begun the stream, RFC 9113 5.1.
func (c *conn) idle(id uint32) bool { return id > c.last || id%2 == 0 }

// wasResetLocked reports whether we have reset the stream, which the client may not
// know yet.
func (c *conn) wasResetLocked(id uint32) bool {
	for _, reset := range c.resets {
		if reset == id {
			return true
		}
	}
	return false
}
