package proxy

import (
	"bufio"
	"encoding/binary"
	"net"
	"sync"
	"time"
)

// farewell is how long a WebSocket client may take to answer our Close frame.
const farewell = 2 * time.Second

// goingAway is the Close frame of an endpoint that goes away (RFC 6455 7.4.1).
var goingAway = []byte{0x88, 2, 1001 >> 8, 1001 & 0xff}

// A tunnel is the visitor's side of a WebSocket. What passes is not looked at,
// but for where frames end on the way to the visitor: only there can a Close
// frame of our own stand (RFC 6455 5.4).
type tunnel struct {
	net.Conn
	early *bufio.Reader // what the server had read before the connection was given away
	drain *drain

	mu     sync.Mutex // held while writing
	frames frameCounter
	open   bool // the answer 101 has gone out
	ending bool // the Close frame is due, or sent
	said   bool // it is sent: nothing may follow it
}

func newTunnel(conn net.Conn, early *bufio.Reader, d *drain) *tunnel {
	t := &tunnel{Conn: conn, early: early, drain: d}
	d.add(t)
	return t
}

// Read is called once the answer has gone out.
func (t *tunnel) Read(p []byte) (int, error) {
	t.begin()
	if n := t.early.Buffered(); n > 0 {
		return t.early.Read(p[:min(n, len(p))])
	}
	return t.Conn.Read(p)
}

func (t *tunnel) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = true
	t.sayGoodbyeLocked()
}

// Write passes p on. Once the Close frame is sent it says that p is written,
// though the visitor, who is leaving, does not get it.
func (t *tunnel) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	written := 0
	for written < len(p) && !t.said {
		end := t.frames.next(p[written:])
		n, err := t.Conn.Write(p[written : written+end])
		t.frames.pass(p[written : written+n])
		if written += n; err != nil {
			return written, err
		}
		t.sayGoodbyeLocked()
	}
	return len(p), nil
}

func (t *tunnel) end() {
	// A Write that is stuck must not keep us: the visitor does not read.
	t.Conn.SetWriteDeadline(time.Now().Add(farewell))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ending = true
	t.sayGoodbyeLocked()
}

// sayGoodbyeLocked sends the Close frame when it is due and fits.
func (t *tunnel) sayGoodbyeLocked() {
	if !t.ending || !t.open || t.said || !t.frames.between() {
		return
	}
	t.said = true
	t.Conn.Write(goingAway)
	t.Conn.SetReadDeadline(time.Now().Add(farewell)) // then both sides of the tunnel close
}

func (t *tunnel) Close() error {
	t.drain.remove(t)
	return t.Conn.Close()
}

// frameCounter follows WebSocket frames by their headers (RFC 6455 5.2).
type frameCounter struct {
	header [14]byte
	have   int    // bytes of header
	left   uint64 // bytes of payload to come
}

// between reports whether a new frame would begin here.
func (f *frameCounter) between() bool { return f.have == 0 && f.left == 0 }

// next returns how many bytes of p, at least one, belong to the frame under way.
func (f *frameCounter) next(p []byte) int {
	if f.left > 0 {
		return int(min(f.left, uint64(len(p))))
	}
	need := f.need(p[0])
	return min(need-f.have, len(p))
}

// need returns how long the header is, as far as it is known; first is its next byte.
func (f *frameCounter) need(first byte) int {
	second := f.header[1]
	switch f.have {
	case 0:
		return 2
	case 1:
		second = first
	}
	need := 2
	switch second & 0x7f {
	case 126:
		need += 2
	case 127:
		need += 8
	}
	if second&0x80 != 0 {
		need += 4 // a mask
	}
	return need
}

// pass counts bytes of the frame under way, not more than next has said.
func (f *frameCounter) pass(p []byte) {
	if f.left > 0 {
		f.left -= uint64(len(p))
		return
	}
	f.have += copy(f.header[f.have:], p)
	if f.have < 2 || f.have < f.need(0) {
		return
	}
	switch n := f.header[1] & 0x7f; n {
	case 126:
		f.left = uint64(binary.BigEndian.Uint16(f.header[2:]))
	case 127:
		f.left = binary.BigEndian.Uint64(f.header[2:])
	default:
		f.left = uint64(n)
	}
	f.have = 0
}
