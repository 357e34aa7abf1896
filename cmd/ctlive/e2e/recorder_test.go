package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A recorder is an origin that takes no liberties: it reads requests by the
// letter of RFC 9112, keeps each one's exact bytes, and answers it.
type recorder struct {
	url    string
	answer func(*recorded) string // the whole answer; "": hang up. Nil: echo
	once   bool                   // hang up after each answer

	mu    sync.Mutex
	seen  []*recorded
	dials int
	open  []net.Conn
}

func newRecorder(t *testing.T, answer func(*recorded) string) *recorder {
	t.Helper()
	return (&recorder{answer: answer}).start(t)
}

// start makes the recorder listen until the test ends.
func (o *recorder) start(t *testing.T) *recorder {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.url = "http://" + ln.Addr().String()
	if o.answer == nil {
		o.answer = echo
	}
	t.Cleanup(func() {
		ln.Close()
		o.hangUp()
	})
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go o.serve(c)
		}
	}()
	return o
}

// echo answers with the target of the request, and takes up any protocol that it
// is offered, as a careless origin would.
func echo(r *recorded) string {
	if offered := r.values("Upgrade"); len(offered) > 0 {
		return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + offered[0] + "\r\n\r\n"
	}
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", len(r.target))
	if r.method == "HEAD" {
		return head
	}
	return head + r.target
}

// serve reads requests from one connection until one is not by the letter.
func (o *recorder) serve(c net.Conn) {
	defer c.Close()
	o.mu.Lock()
	o.dials++
	conn := o.dials
	o.open = append(o.open, c)
	o.mu.Unlock()
	in := bufio.NewReader(c)
	for {
		r := &recorded{conn: conn}
		if !r.readHead(in) {
			if r.head != "" {
				o.note(r)
			}
			return
		}
		o.note(r)
		whole := r.fault == "" && r.readBody(in)
		o.mu.Lock()
		r.whole = whole
		o.mu.Unlock()
		if !whole {
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			return
		}
		answer := o.answer(r)
		if answer == "" {
			return
		}
		io.WriteString(c, answer)
		if strings.HasPrefix(answer, "HTTP/1.1 101") {
			io.Copy(c, in)
			return
		}
		if o.once {
			return
		}
	}
}

func (o *recorder) note(r *recorded) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, r)
}

// since returns copies of what was recorded after the first n requests.
func (o *recorder) since(n int) (seen []recorded) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.seen[n:] {
		seen = append(seen, *r)
	}
	return seen
}

func (o *recorder) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.seen)
}

// dialled returns how many connections were ever opened.
func (o *recorder) dialled() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dials
}

// hangUp ends all connections.
func (o *recorder) hangUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.open {
		c.Close()
	}
	o.open = nil
}

// await waits until n requests were recorded since the first skip.
func (o *recorder) await(t *testing.T, skip, n int) []recorded {
	t.Helper()
	for range 200 {
		if seen := o.since(skip); len(seen) >= n {
			return seen
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the origin has seen %d requests, want %d", o.count()-skip, n)
	return nil
}

// recorded is one request as it came over the wire.
type recorded struct {
	conn           int    // the connection it came on, from 1
	head           string // to the end of the empty line, or as far as it came
	method, target string
	fields         [][2]string // name as sent, value without surrounding spaces
	body, trailer  string      // decoded; what stands between the last chunk and the empty line
	fault          string      // the first thing that is not by the letter
	whole          bool        // it came to its end
}

var (
	requestLine = regexp.MustCompile(`^([A-Z]+) ([!-~\x80-\xff]+) HTTP/1\.1$`)
	fieldLine   = regexp.MustCompile(`^([A-Za-z0-9-]+):[ \t]*((?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*$`)
	chunkSize   = regexp.MustCompile(`^[0-9a-fA-F]{1,8}$`)
	lengthValue = regexp.MustCompile(`^[0-9]{1,18}$`)
)

// readHead reports whether a head came whole.
func (r *recorded) readHead(in *bufio.Reader) bool {
	var head bytes.Buffer
	for !bytes.HasSuffix(head.Bytes(), []byte("\r\n\r\n")) {
		b, err := in.ReadByte()
		if err != nil || head.Len() > 4<<20 {
			r.head = head.String()
			r.fault = "its head does not end"
			return false
		}
		head.WriteByte(b)
	}
	r.head = head.String()
	r.parse()
	return true
}

func (r *recorded) parse() {
	lines := strings.Split(strings.TrimSuffix(r.head, "\r\n\r\n"), "\r\n")
	first := requestLine.FindStringSubmatch(lines[0])
	if first == nil {
		r.fault = fmt.Sprintf("request line %q", lines[0])
		return
	}
	r.method, r.target = first[1], first[2]
	for _, line := range lines[1:] {
		field := fieldLine.FindStringSubmatch(line)
		if field == nil {
			r.fault = fmt.Sprintf("header line %q", line)
			return
		}
		r.fields = append(r.fields, [2]string{field[1], field[2]})
	}
	r.fault = r.framing()
}

// framing returns what is wrong with how the head says its body ends, or "".
func (r *recorded) framing() string {
	lengths, codings := r.values("Content-Length"), r.values("Transfer-Encoding")
	switch {
	case len(lengths)+len(codings) > 1:
		return fmt.Sprintf("Content-Length %q and Transfer-Encoding %q", lengths, codings)
	case len(codings) == 1 && codings[0] != "chunked":
		return fmt.Sprintf("Transfer-Encoding %q", codings)
	case len(lengths) == 1 && !lengthValue.MatchString(lengths[0]):
		return fmt.Sprintf("Content-Length %q", lengths)
	}
	return ""
}

// readBody reports whether the body came whole.
func (r *recorded) readBody(in *bufio.Reader) bool {
	if len(r.values("Transfer-Encoding")) == 1 {
		return r.readChunks(in)
	}
	length := 0
	if values := r.values("Content-Length"); len(values) == 1 {
		length, _ = strconv.Atoi(values[0])
	}
	body, err := io.ReadAll(io.LimitReader(in, int64(length)))
	r.body = string(body)
	return err == nil && len(body) == length
}

func (r *recorded) readChunks(in *bufio.Reader) bool {
	var body strings.Builder
	defer func() { r.body = body.String() }()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		digits := strings.TrimSuffix(line, "\r\n")
		if !chunkSize.MatchString(digits) {
			r.fault = fmt.Sprintf("chunk size %q", line)
			return false
		}
		size, _ := strconv.ParseInt(digits, 16, 64)
		if size == 0 {
			return r.readTrailer(in)
		}
		if n, _ := io.CopyN(&body, in, size); n < size {
			return false
		}
		if end, err := in.ReadString('\n'); err != nil || end != "\r\n" {
			r.fault = fmt.Sprintf("chunk ends with %q", end)
			return false
		}
	}
}

func (r *recorded) readTrailer(in *bufio.Reader) bool {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == "\r\n" {
			return true
		}
		r.trailer += line
	}
}

// values returns the values of a header field, in order.
func (r *recorded) values(name string) (values []string) {
	for _, field := range r.fields {
		if strings.EqualFold(field[0], name) {
			values = append(values, field[1])
		}
	}
	return values
}

// familyMember matches the names by which origins learn who the visitor is, in
// any spelling that one of them reads as the same.
var familyMember = regexp.MustCompile(`(?i)^(forwarded|x[-_.]forwarded[-_.].*|x[-_.]real[-_.]ip|true[-_.]client[-_.]ip|cf[-_.]connecting[-_.]ip|` +
	`x[-_.]original[-_.]url|x[-_.]rewrite[-_.]url|x[-_.]http[-_.]method[-_.]override|proxy)$`)

// complaints returns what invariants I2 and I4 find wrong: a request that another
// parser could read differently, or whose identity is not the one we know.
func (r *recorded) complaints(who identity) (faults []string) {
	if r.fault != "" {
		faults = append(faults, "I2: "+r.fault)
	}
	if hosts := r.values("Host"); len(hosts) != 1 || hosts[0] == "" {
		faults = append(faults, fmt.Sprintf("I2: Host %q", hosts))
	}
	if r.trailer != "" {
		faults = append(faults, fmt.Sprintf("trailer %q", r.trailer))
	}
	owned := map[string]string{"X-Forwarded-For": who.addr, "X-Forwarded-Proto": who.proto, "X-Forwarded-Host": strings.Join(r.values("Host"), ",")}
	for name, want := range owned {
		if got := r.values(name); !slices.Equal(got, []string{want}) {
			faults = append(faults, fmt.Sprintf("I4: %s %q, want %q", name, got, want))
		}
	}
	for _, field := range r.fields {
		if _, ours := owned[field[0]]; !ours && familyMember.MatchString(field[0]) {
			faults = append(faults, fmt.Sprintf("I4: %s: %s", field[0], field[1]))
		}
	}
	return faults
}

// identity is what the origin must be told of a visitor.
type identity struct{ addr, proto string }
