package accept

import (
	"encoding/binary"
	"time"
)

// frame types that cost the sender less than the receiver, RFC 9113 6 and 10.5.
const (
	typeData         = 0x0
	typeHeaders      = 0x1
	typeReset        = 0x3
	typeSettings     = 0x4
	typePing         = 0x6
	typeGoAway       = 0x7
	typeWindow       = 0x8
	typeContinuation = 0x9

	flagEndStream = 0x1

	preface     = len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	frameHeader = 9
)

// A kind is what frames are counted as.
type kind int

const (
	resets kind = iota
	settings
	pings
	windows
	empties
	others
	kinds
	free // not counted
)

// budgets are what a connection has of each kind: so many at once, and so many
// more each second.
//
//   - resets: leaving a page resets what is under way, at most the 100 streams
//     that may be open, and a map that is dragged does so again and again
//   - settings: one at the start, and one acknowledgement
//   - pings: gRPC measures its bandwidth with one per round trip, and Go sends
//     one with a reset
//   - windows: two for each read of a download; see credit
//   - empties: DATA and CONTINUATION without content are of no use
//   - others: PRIORITY and PRIORITY_UPDATE, of which a browser sends one or two
//     per request, and types that nobody knows
var budgets = [kinds]struct {
	burst, perSecond float64
	reason           string
}{
	resets:   {200, 100, "reset_flood"},
	settings: {50, 5, "settings_flood"},
	pings:    {200, 100, "ping_flood"},
	windows:  {1000, 100, "window_flood"},
	empties:  {100, 10, "empty_frame_flood"},
	others:   {2000, 400, "other_frame_flood"},
}

// frames follows the frames that a client sends over HTTP/2 and counts those
// by which it could keep us busy at no cost.
type frames struct {
	seen   int // of the preface
	header [frameHeader]byte
	have   int    // bytes of header
	left   int    // of the current frame's payload, in bytes
	flood  string // the reason, once a budget is used up
	purse  [kinds]bucket
}

// scan returns how many bytes of b, which follow those of earlier calls, may go
// through: all of them, unless a flood ends the connection behind a frame.
func (f *frames) scan(b []byte, now func() time.Time) (n int) {
	for n < len(b) && !f.over() {
		switch {
		case f.seen < preface:
			k := min(preface-f.seen, len(b)-n)
			f.seen += k
			n += k
		case f.left > 0:
			k := min(f.left, len(b)-n)
			f.left -= k
			n += k
		default:
			k := copy(f.header[f.have:], b[n:])
			n += k
			if f.have += k; f.have == frameHeader {
				f.begin(now)
			}
		}
	}
	return n
}

// over reports whether a flood ends the connection here.
func (f *frames) over() bool { return f.flood != "" && f.left == 0 }

func (f *frames) begin(now func() time.Time) {
	f.have = 0
	f.left = int(binary.BigEndian.Uint32(f.header[:4]) >> 8)
	k := kindOf(f.header[3], f.header[4], f.left)
	if k == free {
		return
	}
	if b := &budgets[k]; !f.purse[k].spend(now(), b.burst, b.perSecond) {
		f.flood = b.reason
	}
}

func kindOf(frame, flags byte, length int) kind {
	switch frame {
	case typeData:
		if length > 0 || flags&flagEndStream != 0 {
			return free
		}
		return empties
	case typeContinuation:
		if length > 0 {
			return free
		}
		return empties
	case typeHeaders, typeGoAway:
		return free
	case typeReset:
		return resets
	case typeSettings:
		return settings
	case typePing:
		return pings
	case typeWindow:
		return windows
	}
	return others
}

// credit adds to what a client may send of WINDOW_UPDATE: one for each 1 KiB
// that we have written, and four for each write.
func (f *frames) credit(bytes, writes int64) {
	f.purse[windows].spent -= float64(bytes)/1024 + 4*float64(writes)
}

// bucket is a token bucket. Its zero value is full.
type bucket struct {
	spent float64
	last  time.Time
}

func (b *bucket) spend(now time.Time, burst, perSecond float64) bool {
	b.spent = max(0, b.spent-now.Sub(b.last).Seconds()*perSecond) + 1
	b.last = now
	return b.spent <= burst
}
