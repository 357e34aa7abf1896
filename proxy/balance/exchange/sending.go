package exchange

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// grace is how long a request's body may go on being sent when the answer is
// complete, and how long an answer is looked for when the body cannot be sent.
const grace = 50 * time.Millisecond

// A sending is a request's body on its way, in a goroutine of its own: the answer
// may come first. It ends when the body does, or the connection.
type sending struct {
	conn   *conn
	body   io.ReadCloser
	length int64         // -1: in chunks
	ended  chan struct{} // by end; nil: no change of protocols is asked for

	mu          sync.Mutex
	over        bool  // nothing more will be written
	read, write error // why it ended before the end
	begun       bool  // the answer has
	inherited   bool  // the answer is over, and conn ours
}

// send starts to send r's body. The header is written.
func send(r *http.Request, c *conn) *sending {
	s := &sending{conn: c, body: r.Body, length: bodyLength(r)}
	if r.Header["Upgrade"] != nil {
		s.ended = make(chan struct{})
	}
	go func() {
		s.end(s.copy())
		s.body.Close()
	}()
	return s
}

// end notes that no more is written, and why.
func (s *sending) end(read, write error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over, s.read, s.write = true, read, write
	if s.ended != nil {
		close(s.ended)
	}
	switch c := s.conn; {
	case s.inherited && read == nil && write == nil:
		c.SetWriteDeadline(time.Time{})
		c.transport.put(c)
	case s.inherited, read != nil:
		c.Close()
	case s.begun:
	case write != nil: // the origin may have said why, and hung up
		c.SetReadDeadline(time.Now().Add(grace))
	default:
		c.await()
	}
}

// answered notes that the header of the answer has come.
func (s *sending) answered(c *conn) error {
	if s == nil {
		return c.arrived()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = true
	if s.write != nil {
		c.SetReadDeadline(time.Time{})
	}
	return c.arrived()
}

// inherit takes the connection, on which the answer is over, unless it can be
// used again right now.
func (s *sending) inherit() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.over:
		s.inherited = true
		s.conn.SetWriteDeadline(time.Now().Add(grace))
	case s.read != nil || s.write != nil:
		s.conn.Close()
	default:
		return false
	}
	return true
}

// fault returns why there is no answer, where it is because of the body.
func (s *sending) fault() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read != nil {
		return fmt.Errorf("read request body: %w", s.read)
	}
	return s.write
}

// parcel is what is sent of a body at a time, in bytes. Around it is room for the
// framing of a chunk.
const (
	parcel   = 16 << 10
	foreRoom = 6 // "4000\r\n"
	aftRoom  = 7 // "\r\n0\r\n\r\n"
)

var parcels = sync.Pool{New: func() any { return new([foreRoom + parcel + aftRoom]byte) }}

// copy sends the body. One that is not as long as it should be is at fault.
func (s *sending) copy() (read, write error) {
	p := parcels.Get().(*[foreRoom + parcel + aftRoom]byte)
	defer parcels.Put(p)
	for left := s.length; ; {
		n, err := s.body.Read(p[foreRoom : foreRoom+parcel])
		if err != nil && err != io.EOF {
			return err, nil
		}
		from, to := foreRoom, foreRoom+n
		if s.length < 0 {
			from, to = pack(p, n, err == io.EOF)
		} else if left -= int64(n); left < 0 || left > 0 && err == io.EOF {
			return errors.New("body is not as long as announced"), nil
		}
		if from < to {
			if _, err := s.conn.Write(p[from:to]); err != nil {
				return nil, fmt.Errorf("write request body: %w", err)
			}
		}
		if err == io.EOF {
			return nil, nil
		}
	}
}

// pack makes a chunk of the n bytes in p, and the end of the body where it is
// the last, and returns where it is.
func pack(p *[foreRoom + parcel + aftRoom]byte, n int, last bool) (from, to int) {
	from, to = foreRoom, foreRoom+n
	if n > 0 {
		var size [foreRoom]byte
		line := append(strconv.AppendUint(size[:0], uint64(n), 16), "\r\n"...)
		from -= len(line)
		copy(p[from:], line)
		to += copy(p[to:], "\r\n")
	}
	if last {
		to += copy(p[to:], "0\r\n\r\n")
	}
	return from, to
}
