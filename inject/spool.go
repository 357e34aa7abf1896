package inject

import "sync"

// spoolChunk is how much memory a spool takes at a time, in bytes.
const spoolChunk = 16 << 10

var spoolChunks = sync.Pool{New: func() any { return new([spoolChunk]byte) }}

// A spool keeps what is written to it until it is read, in memory that others
// use again as soon as it is read. The zero value is empty.
type spool struct {
	chunks   []*[spoolChunk]byte
	from, to int // the first chunk is read up to from, the last one written up to to
}

func (s *spool) size() int { return max(0, len(s.chunks)-1)*spoolChunk + s.to - s.from }

func (s *spool) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if len(s.chunks) == 0 || s.to == spoolChunk {
			s.chunks, s.to = append(s.chunks, spoolChunks.Get().(*[spoolChunk]byte)), 0
		}
		n := copy(s.chunks[len(s.chunks)-1][s.to:], rest)
		s.to, rest = s.to+n, rest[n:]
	}
	return len(p), nil
}

// read returns 0 only if there is nothing to be read.
func (s *spool) read(p []byte) (n int) {
	for n < len(p) && s.size() > 0 {
		end := spoolChunk
		if len(s.chunks) == 1 {
			end = s.to
		}
		m := copy(p[n:], s.chunks[0][s.from:end])
		n, s.from = n+m, s.from+m
		if s.from == end {
			s.drop()
		}
	}
	return n
}

// drop gives the first chunk back.
func (s *spool) drop() {
	spoolChunks.Put(s.chunks[0])
	s.chunks[0] = nil
	s.chunks, s.from = s.chunks[1:], 0
	if len(s.chunks) == 0 {
		s.to = 0
	}
}

func (s *spool) clear() {
	for len(s.chunks) > 0 {
		s.drop()
	}
}
