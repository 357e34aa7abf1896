package accept

import "sync"

const (
	block    = 4 << 10 // holds most heads
	minSpace = 512     // is worth a read
)

var blocks = sync.Pool{New: func() any { return new([block]byte) }}

// stash keeps bytes that have come in before their time. Empty, it has no
// memory: most connections are idle.
type stash struct {
	b    []byte
	base *[block]byte // what b lies in, unless it outgrew it
}

// space returns where to read more bytes to, before they are added with extend.
func (s *stash) space() []byte {
	if s.b == nil {
		s.base = blocks.Get().(*[block]byte)
		s.b = s.base[:0]
	}
	if cap(s.b)-len(s.b) < minSpace {
		b := append(make([]byte, 0, 2*len(s.b)+block), s.b...)
		s.release()
		s.b = b
	}
	return s.b[len(s.b):cap(s.b)]
}

func (s *stash) extend(n int) {
	if s.b = s.b[:len(s.b)+n]; len(s.b) == 0 {
		s.release()
	}
}

func (s *stash) add(b []byte) {
	for len(b) > 0 {
		n := copy(s.space(), b)
		s.extend(n)
		b = b[n:]
	}
}

func (s *stash) drop(n int) {
	if s.b = s.b[n:]; len(s.b) == 0 {
		s.release()
	}
}

// take moves up to n bytes to p.
func (s *stash) take(p []byte, n int) int {
	n = copy(p, s.b[:n]) // or fewer, if p is shorter
	s.drop(n)
	return n
}

func (s *stash) release() {
	if s.base != nil {
		blocks.Put(s.base)
	}
	s.b, s.base = nil, nil
}
