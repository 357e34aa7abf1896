package answer

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// program is a handler's doings, read from bytes.
type program struct {
	code  []byte
	w     http.ResponseWriter
	note  func(...any)
	wrote strings.Builder // what was taken of the body
}

func (p *program) next() int {
	if len(p.code) == 0 {
		return 0
	}
	b := p.code[0]
	p.code = p.code[1:]
	return int(b)
}

func (p *program) bytes(n int) string {
	n = min(n, len(p.code))
	s := string(p.code[:n])
	p.code = p.code[n:]
	return s
}

var (
	sizes    = []int{0, 1, 2, 10, 100, 2047, 2048, 4096, maxHeld / 2, maxHeld - 100, maxHeld - len(gap), maxHeld, maxHeld + 1, 60_000}
	statuses = []int{200, 204, 304, 404, 299, 599, 205, 101, 100, 102, 103, 199, 206, 500}
	lengths  = []string{"", "0", "10", "32768", "100000", "-1", "ten", "+5", " 7", "9223372036854775808"}
	codes    = "wfshtaTdcxHn"
)

func (p *program) run() {
	for steps := 0; len(p.code) > 0 && steps < 40; steps++ {
		p.step(codes[p.next()%len(codes)])
	}
}

func (p *program) step(code byte) {
	header := p.w.Header()
	switch code {
	case 'w':
		p.write(max(0, sizes[p.next()%len(sizes)]+p.next()%64-32))
	case 'n':
		p.write(p.next())
	case 'f':
		p.w.(http.Flusher).Flush()
	case 's':
		p.w.WriteHeader(statuses[p.next()%len(statuses)])
	case 'h':
		name := "X-" + p.bytes(p.next()%4)
		header[name] = append(header[name], printable(p.bytes(p.next()%20)))
	case 't':
		if name := fmt.Sprintf("X-%c", 'A'+p.next()%4); !slices.Contains(header["Trailer"], name) { // net/http repeats the values
			header.Add("Trailer", name)
		}
	case 'a':
		header.Set(fmt.Sprintf("X-%c", 'A'+p.next()%4), printable(p.bytes(4)))
	case 'T':
		header.Set(fmt.Sprintf("%sX-%c", http.TrailerPrefix, 'P'+p.next()%4), printable(p.bytes(4)))
	case 'd':
		header["Date"] = [][]string{nil, {}, {"never"}, {"a\r\nb", "c"}}[p.next()%4]
	case 'c':
		header.Set("Content-Length", lengths[p.next()%len(lengths)])
	case 'x':
		header.Set("Connection", []string{"close", "keep-alive", "x"}[p.next()%3])
	case 'H':
		header.Set("X-Huge", text(p.next()*1000))
	}
}

func (p *program) write(n int) {
	s := text(n)
	n, err := io.WriteString(p.w, s)
	p.wrote.WriteString(s[:n])
	p.note(n, err)
}

// printable replaces the control characters that http.ReadResponse refuses.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\r' && r != '\n' && r != '\t' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// FuzzWriter: whatever a handler does, a client gets what net/http would have sent,
// and what was taken of the body.
func FuzzWriter(f *testing.F) {
	for _, seed := range []string{
		"\x00\x00\x08", "\x01\x00\x0a\x01\x00\x08", "\x02\x02\x0a\x02\x00\x02\x00\x0b\x05\x01", "\x00\x08\x02\x00\x03\x00\x00\x04", "\x00\x04\x00\x00\x05\x01\x05\x00abcd",
		"\x00\x06\x01abcd\x00\x0b\x20\x01\x00\x0b\x21", "\x00\x0a\xff\x00\x0b\x20\x00\x0b\x20\x01", "\x00\x09\x00\x00\x03", "\x00\x03\x02ab\x0da\r\nX: 1\r\n\r\nb\x00\x03", "\x02\x0b\x05\x01\x0b\x05",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, code []byte) {
		if len(code) == 0 {
			return
		}
		method, last, abort := []string{"GET", "HEAD"}[code[0]&1], code[0]&2 > 0, code[0]&4 > 0
		var wrote string
		h := func(w http.ResponseWriter, note func(...any)) {
			p := &program{code: code[1:], w: w, note: note}
			defer func() { wrote = p.wrote.String() }()
			p.run()
			if abort {
				panic(http.ErrAbortHandler)
			}
		}
		got := ours(h, method, &wire{last: last})
		taken := wrote
		if method == "HEAD" {
			taken = ""
		}
		if got.body != taken && (got.status != "" || len(taken) > 0) {
			t.Errorf("%d bytes, %d were written", len(got.body), len(taken))
		}
		want := theirs(h, method, last)
		switch {
		case want.status == "" && got.status != "": // net/http answers HEAD with a length that is none
		case abort:
			aborted(t, got, want)
		case strings.HasPrefix(want.status, "101 ") && last:
			delete(got.header, "Connection") // net/http leaves it to the handler
			delete(want.header, "Connection")
			same(t, got, want)
		case want.header.Get("Content-Length") != "" && !reflect.DeepEqual(want.header["Content-Length"], got.header["Content-Length"]):
			delete(want.header, "Content-Length") // "+5"
			same(t, got, want)
		default:
			same(t, got, want)
		}
	})
}
